//! `vks scale`.

use super::context::{Context, Outcome};
use super::controllers::{change, one_of};
use super::error::CliError;
use super::rollout::RolloutError;
use super::target::{Kind, Target, TargetError};
use crate::model::controller::{ControllerKey, ControllerKind};
use crate::model::name::ObjectKey;
use serde_json::Value;

/// Set the number of pods of Deployments and StatefulSets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks scale deployment/web --replicas=3
  vks scale statefulset db --replicas=0")]
pub struct Args {
    /// A kind and names (deployment web), or kind/name (deployment/web)
    #[arg(value_name = "KIND/NAME", required = true)]
    objects: Vec<String>,
    /// How many pods
    #[arg(long, value_name = "NUMBER")]
    replicas: u32,
}

/// Changes the manifests that `vks apply` keeps.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = Target::parse(&args.objects)?;
    let scales = |kind| {
        matches!(
            kind,
            ControllerKind::Deployment | ControllerKind::StatefulSet
        )
    };
    let kind = match target.kind {
        Kind::Controller(kind) if scales(kind) => kind,
        other => return Err(RolloutError::Kind(other.singular()).into()),
    };
    if target.names.is_empty() {
        return Err(TargetError::Nameless.into());
    }
    let mut well = true;
    for name in &target.names {
        let key = ControllerKey {
            kind,
            object: ObjectKey {
                namespace: context.namespace.clone(),
                name: name.clone(),
            },
        };
        let edit = |object: &mut Value| {
            object["spec"]["replicas"] = args.replicas.into();
            Ok(())
        };
        let done = change("scale", &key, edit, context).await?;
        if done {
            context.print(&format!("{}/{name} scaled\n", one_of(kind)))?;
        }
        well &= done;
    }
    Ok(if well {
        Outcome::Done
    } else {
        Outcome::Code(1)
    })
}
