//! `vks fill`: what `vks-declared.service` calls. Not for people, and not in the help.
//!
//! Pods whose units are part of the host's configuration start without the agent, also for the first time: what lies in
//! their directories is written before. It needs nothing but files.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::manifests;
use crate::agent::AgentError;
use crate::apply::Applier;
use crate::observe::on_disk;
use crate::plan::given::renewals;
use crate::plan::network::addresses::Promised;
use crate::plan::plan_pods;
use crate::plan::step::{PodPlan, Reason};

/// Fill the directories of pods whose units are part of the host's configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks fill")]
pub struct Args {}

/// Fills each of them, and goes on after one that cannot be.
pub async fn run(_: &Args, context: &Context) -> Result<Outcome, CliError> {
    let layout = &context.settings.layout;
    let sources = manifests::configured(context);
    let observed = on_disk(layout).map_err(AgentError::Observe)?;
    // Units that vks had written before are the agent's to take away.
    let given = observed.pods.iter().filter(|(_, pod)| pod.given.is_some());
    let keys = given.clone().map(|(key, _)| key);
    let (desired, settings) = (sources.desired(), &context.settings);
    let mut plan = plan_pods(
        keys,
        desired,
        &observed,
        settings,
        &[],
        &mut Promised::new(),
    );
    let mut wrong = false;
    for (key, pod) in given {
        if pod
            .given
            .as_ref()
            .is_some_and(|given| given.earlier.is_some())
        {
            continue;
        }
        for blocked in plan.blocked.remove(key).into_iter().flatten() {
            wrong = true;
            context.tell(format_args!("error: pod {key}: {}", blocked.message));
        }
        let steps = plan.pods.remove(key).map(|plan| plan.steps);
        let plan = PodPlan {
            reason: Reason::Converge,
            uid: pod.uid.clone(),
            addresses: Vec::new(),
            steps: steps.into_iter().flatten().chain(renewals(pod)).collect(),
            differs: Vec::new(),
        };
        if let Err(error) = Applier::only_files(layout, key, &plan) {
            wrong = true;
            context.tell(format_args!("error: {}", crate::chain::line(&error)));
        }
    }
    Ok(match wrong {
        true => Outcome::Code(1),
        false => Outcome::Done,
    })
}
