//! `vks plan`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::manifests;
use crate::agent::AgentError;
use crate::agent::pass::look;
use crate::host::systemd::Systemd;
use crate::plan::step::describe;
use std::path::PathBuf;
use std::time::Instant;

/// Show what would change on this host; changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # What the agent would do now
  vks plan

  # What would happen if this were applied
  vks plan -f web.yaml")]
pub struct Args {
    /// Manifests to apply besides what is configured; - is standard input
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
}

/// Prints the steps that would be run, by pod.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    let mut parts = look(context.settings.clone(), systemd).await?;
    parts.control(true);
    let mut desired = parts.sources.desired().clone();
    if !args.filename.is_empty() {
        let more = manifests::desired(&args.filename, context)?;
        desired.problems.extend(more.problems);
        desired.pods.extend(more.pods);
        desired.config_maps.extend(more.config_maps);
        desired.secrets.extend(more.secrets);
        desired.services.extend(more.services);
        desired.slices.extend(more.slices);
        parts.state.mark_all(&desired);
    }
    let wrong = manifests::tell_problems(&desired.problems, context);
    let plan = parts.state.plan(&desired, Instant::now());
    for (key, pod) in &plan.pods {
        context.print(&describe(key, pod))?;
    }
    for (key, blocked) in &plan.blocked {
        for blocked in blocked {
            context.tell(format_args!("{key}: blocked: {}", blocked.message));
        }
    }
    for (key, units) in &plan.differing {
        let names: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
        context.tell(format_args!(
            "{key}: units of the host's configuration are not as this vks would write them: {}",
            names.join(" ")
        ));
    }
    if plan.is_empty() {
        context.print("Nothing to do.\n")?;
    }
    Ok(if wrong {
        Outcome::Code(1)
    } else {
        Outcome::Done
    })
}
