//! `vks restart`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::selector::Selector;
use super::target::{Target, TargetError};
use super::view::{Filter, Host, PodView};
use crate::agent::AgentError;
use crate::apply::{Applier, Wave};
use crate::host::systemd::Systemd;
use crate::model::name::ContainerName;
use crate::model::name::PodUid;
use crate::plan::step::{PodPlan, Reason, Step};
use crate::unit::names::PodUnits;

/// Restart pods, or single containers, as they are
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks restart pod web
  vks restart pod/web -c sidecar
  vks restart pods -l app=web")]
pub struct Args {
    /// A kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", required = true)]
    pub objects: Vec<String>,
    /// Only this container of each pod
    #[arg(short, long)]
    pub container: Option<ContainerName>,
    /// Those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// All of the namespace
    #[arg(long)]
    pub all: bool,
}

/// Stops and starts, pod by pod or container by container. A pod that had ended for good runs once more.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = Target::parse_pods(&args.objects)?;
    if target.names.is_empty() && args.selector.is_none() && !args.all {
        return Err(TargetError::Unnamed.into());
    }
    let filter = Filter {
        namespace: Some(context.namespace.clone()),
        names: target.names.clone(),
        selector: args.selector.clone().unwrap_or_default(),
    };
    let view = Host::open(&context.settings).await?.view(&filter).await?;
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    let applier = Applier::new(systemd, context.settings.layout.clone());
    let mut wrong = false;
    for name in &target.names {
        if !view.pods.iter().any(|pod| pod.report.key.name == *name) {
            wrong = true;
            context.tell(format_args!("error: pod {name} not found"));
        }
    }
    for pod in &view.pods {
        let key = &pod.report.key;
        let Some((uid, steps)) = steps(pod, args.container.as_ref()) else {
            wrong = true;
            context.tell(format_args!("error: pod {key} has nothing to restart"));
            continue;
        };
        let plan = PodPlan {
            addresses: Vec::new(),
            differs: Vec::new(),
            reason: Reason::Converge,
            uid,
            steps,
        };
        match applier.pod(key, plan, Wave::default()).await {
            Ok(()) => context.print(&format!("pod/{} restarted\n", key.name))?,
            Err(error) => {
                wrong = true;
                context.tell(format_args!("error: {}", crate::chain::line(&error)));
            }
        }
    }
    Ok(if wrong {
        Outcome::Code(1)
    } else {
        Outcome::Done
    })
}

fn steps(pod: &PodView, container: Option<&ContainerName>) -> Option<(PodUid, Vec<Step>)> {
    let uid = pod.observed.as_ref()?.uid.clone();
    let steps = match container {
        Some(name) => {
            let unit = pod.handle(name)?.unit;
            vec![
                Step::Stop(unit.clone()),
                Step::ClearDone(name.clone()),
                Step::Start(unit),
            ]
        }
        None => {
            let names = PodUnits::new(&pod.report.key);
            vec![
                Step::Stop(names.slice()),
                Step::ClearMarks,
                Step::Start(names.target()),
            ]
        }
    };
    Some((uid, steps))
}
