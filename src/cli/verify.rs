//! `vks verify`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::manifests;
use crate::plan::units::render;
use crate::plan::{RENDER_SEED, new_uid};
use std::path::PathBuf;

/// Check manifests and say everything that is wrong with them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # All configured directories
  vks verify

  # Some files and directories
  vks verify web.yaml ./pods")]
pub struct Args {
    /// Files and directories (default: all configured sources)
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Says all problems of all files, and what a pod refers to that is not there. Exit code 1 if there are any.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut desired = manifests::desired(&args.paths, context)?;
    let mut wrong = manifests::tell_problems(&desired.problems, context);
    let plain = desired.pods.len();
    crate::agent::controllers::sample(&mut desired, &context.settings);
    for (key, pod) in &desired.pods {
        let uid = new_uid(key, RENDER_SEED);
        let rendered = render(pod, &uid, &desired, &context.settings);
        let blocked = rendered.map_or_else(|blocked| vec![blocked], |rendered| rendered.blocked);
        // An image that nobody has fetched yet is nothing wrong with a manifest.
        for blocked in blocked.into_iter().filter(|blocked| !blocked.is_of_image()) {
            wrong = true;
            let file = pod.source.0.display();
            let container = blocked.container.map(|name| format!(", container {name}"));
            let container = container.unwrap_or_default();
            context.tell(format_args!(
                "{file}: pod {key}{container}: {}",
                blocked.message
            ));
        }
    }
    if wrong {
        return Ok(Outcome::Code(1));
    }
    let counts = [
        (plain, "pods"),
        (desired.controllers.len(), "controllers"),
        (desired.config_maps.len(), "config maps"),
        (desired.secrets.len(), "secrets"),
    ];
    let text: Vec<String> = counts
        .iter()
        .filter(|(count, what)| *count > 0 || *what != "controllers")
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    context.print(&format!("{}: no problems\n", text.join(", ")))?;
    Ok(Outcome::Done)
}
