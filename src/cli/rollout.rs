//! `vks rollout`: how a changed template comes into force, and back.

use super::context::{Context, Outcome};
use super::controllers::{Look, Shown, change, not_found, one_of};
use super::error::CliError;
use super::pods::now;
use super::target::{Kind, Target, TargetError};
use super::view::{Filter, Host};
use crate::model::controller::record::Revision;
use crate::model::controller::{ControllerKey, ControllerKind, ControllerSpec, StatefulSetSpec};
use crate::model::name::ObjectKey;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// See to rollouts of Deployments, StatefulSets and DaemonSets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks rollout status deployment/web --timeout 2m
  vks rollout history deployment/web
  vks rollout undo deployment/web --to-revision=2
  vks rollout restart deployment/web")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Wait for the end of a rollout
    Status(Status),
    /// List the templates there were
    History(History),
    /// Go back to a template there was
    Undo(Undo),
    /// Let changes of a Deployment's template wait
    Pause(Objects),
    /// Let them come into force again
    Resume(Objects),
    /// Replace all pods as if the template had changed
    Restart(Objects),
}

#[derive(Debug, clap::Args)]
struct Objects {
    /// A kind and names (deployment web), or kind/name (deployment/web)
    #[arg(value_name = "KIND/NAME", required = true)]
    objects: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    of: Objects,
    /// Until it has ended; false looks only once
    #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    watch: bool,
    /// How long to wait; 0s without end
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = super::duration::parse)]
    timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct History {
    #[command(flatten)]
    of: Objects,
    /// Show the template of this one
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Undo {
    #[command(flatten)]
    of: Objects,
    /// The one to go back to; 0 is the one before
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    to_revision: u64,
}

/// Why a rollout could not be seen to.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// A kind that has none.
    #[error("{0} objects have no rollouts: name a deployment, statefulset or daemonset")]
    Kind(&'static str),
    /// Only Deployments can be paused.
    #[error("{0} objects cannot be paused: only deployments can")]
    Pause(&'static str),
    /// No such template.
    #[error("there is no revision {1} of {0}: vks rollout history lists them")]
    Revision(ControllerKey, u64),
    /// Only one template so far.
    #[error("there is no revision of {0} before the one in force")]
    First(ControllerKey),
    /// No progress for too long.
    #[error("{0}")]
    Stuck(String),
    /// The time is over.
    #[error("timed out waiting for the rollout of {0}")]
    TimedOut(ControllerKey),
}

/// Does what the sub-verb says, for one object after the other.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let objects = match &args.verb {
        Verb::Status(Status { of, .. })
        | Verb::History(History { of, .. })
        | Verb::Undo(Undo { of, .. })
        | Verb::Pause(of)
        | Verb::Resume(of)
        | Verb::Restart(of) => &of.objects,
    };
    let mut well = true;
    for key in keys(objects, context)? {
        well &= match &args.verb {
            Verb::Status(args) => status(&key, args, context).await?,
            Verb::History(args) => history(&key, args.revision, context).await?,
            Verb::Undo(args) => undo(&key, args.to_revision, context).await?,
            Verb::Pause(_) => pause(&key, true, context).await?,
            Verb::Resume(_) => pause(&key, false, context).await?,
            Verb::Restart(_) => restart(&key, context).await?,
        };
    }
    Ok(if well {
        Outcome::Done
    } else {
        Outcome::Code(1)
    })
}

fn keys(objects: &[String], context: &Context) -> Result<Vec<ControllerKey>, CliError> {
    let target = Target::parse(objects)?;
    let rolls =
        |kind: &ControllerKind| !matches!(kind, ControllerKind::Job | ControllerKind::CronJob);
    let kind = match target.kind {
        Kind::Controller(kind) if rolls(&kind) => kind,
        other => return Err(RolloutError::Kind(other.singular()).into()),
    };
    if target.names.is_empty() {
        return Err(TargetError::Nameless.into());
    }
    let key = |name| ControllerKey {
        kind,
        object: ObjectKey {
            namespace: context.namespace.clone(),
            name,
        },
    };
    Ok(target.names.into_iter().map(key).collect())
}

async fn status(key: &ControllerKey, args: &Status, context: &Context) -> Result<bool, CliError> {
    let host = Host::open(&context.settings).await?;
    let mut watch = host.watch(Filter::default()).await?;
    watch.next().await?;
    let end = match args.timeout.is_zero() {
        true => None,
        false => Instant::now().checked_add(args.timeout),
    };
    let mut told = String::new();
    loop {
        let mut look = Look::at(&host, &context.settings).await?;
        let shown = look
            .one(key)
            .ok_or_else(|| not_found(key.kind, &key.object.name, context))?;
        if let Some((_, text)) = &shown.status.stuck {
            return Err(RolloutError::Stuck(text.clone()).into());
        }
        let (line, done) = progress(shown);
        if line != told {
            context.print(&line)?;
            told = line;
        }
        if done || !args.watch {
            return Ok(true);
        }
        let wake = look
            .wake()
            .and_then(|after| Instant::now().checked_add(after));
        tokio::select! {
            view = watch.next() => drop(view?),
            () = until(wake) => {}
            () = until(end) => return Err(RolloutError::TimedOut(key.clone()).into()),
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// How far a rollout is, in kubectl's words (kubectl/pkg/polymorphichelpers/rollout_status.go), and whether it is done.
fn progress(shown: Shown<'_>) -> (String, bool) {
    let (status, name) = (shown.status, shown.controller.key.object.name.as_str());
    let waiting = |what: &str, rest: String| {
        (
            format!("Waiting for {what} {name:?} rollout to finish: {rest}...\n"),
            false,
        )
    };
    match &shown.controller.spec {
        ControllerSpec::StatefulSet(spec) => stateful_set(shown, spec),
        spec => {
            let (what, pods) = match spec {
                ControllerSpec::DaemonSet(_) => ("daemon set", "pods"),
                _ => ("deployment", "replicas"),
            };
            let old = status.current.saturating_sub(status.updated);
            if status.updated < status.desired {
                waiting(
                    what,
                    format!(
                        "{} out of {} new {pods} have been updated",
                        status.updated, status.desired
                    ),
                )
            } else if old > 0 {
                waiting(what, format!("{old} old {pods} are pending termination"))
            } else if status.available < status.updated {
                waiting(
                    what,
                    format!(
                        "{} of {} updated {pods} are available",
                        status.available, status.updated
                    ),
                )
            } else {
                (format!("{what} {name:?} successfully rolled out\n"), true)
            }
        }
    }
}

fn stateful_set(shown: Shown<'_>, spec: &StatefulSetSpec) -> (String, bool) {
    let status = shown.status;
    let hash = &spec.template.hash;
    let partition = spec.partition.unwrap_or(0);
    let missing = status.desired.saturating_sub(status.ready);
    if missing > 0 {
        (
            format!("Waiting for {missing} pods to be ready...\n"),
            false,
        )
    } else if partition > 0 {
        let wanted = status.desired.saturating_sub(partition);
        match status.updated < wanted {
            true => (
                format!(
                    "Waiting for partitioned roll out to finish: {} out of {wanted} new pods have been updated...\n",
                    status.updated
                ),
                false,
            ),
            false => (
                format!(
                    "partitioned roll out complete: {} new pods have been updated...\n",
                    status.updated
                ),
                true,
            ),
        }
    } else if spec.partition.is_some() && status.updated < status.desired {
        (
            format!(
                "waiting for statefulset rolling update to complete {} pods at revision {hash}...\n",
                status.updated
            ),
            false,
        )
    } else {
        (
            format!(
                "statefulset rolling update complete {} pods at revision {hash}...\n",
                status.updated
            ),
            true,
        )
    }
}

/// The templates a controller has had, the oldest first.
fn revisions<'a>(
    look: &'a Look,
    key: &ControllerKey,
    context: &Context,
) -> Result<&'a [Revision], CliError> {
    let shown = look
        .one(key)
        .ok_or_else(|| not_found(key.kind, &key.object.name, context))?;
    let record = shown.record.map(|record| record.revisions.as_slice());
    Ok(record.unwrap_or_default())
}

async fn history(
    key: &ControllerKey,
    revision: Option<u64>,
    context: &Context,
) -> Result<bool, CliError> {
    let look = Look::now(context).await?;
    let revisions = revisions(&look, key, context)?;
    let name = format!("{}/{}", one_of(key.kind), key.object.name);
    if let Some(number) = revision {
        let found = revisions.iter().find(|revision| revision.number == number);
        let found = found.ok_or_else(|| RolloutError::Revision(key.clone(), number))?;
        let template: Value = serde_json::from_str(&found.template).unwrap_or_default();
        let text = super::yaml::to_yaml(&template);
        context.print(&format!("{name} with revision #{number}\n{text}"))?;
        return Ok(true);
    }
    let mut text = format!("{name}\nREVISION  CHANGE-CAUSE\n");
    for revision in revisions {
        let cause = revision.cause.as_deref().unwrap_or("<none>");
        text.push_str(&format!("{:<10}{cause}\n", revision.number));
    }
    context.print(&text)?;
    Ok(true)
}

async fn undo(key: &ControllerKey, to: u64, context: &Context) -> Result<bool, CliError> {
    let look = Look::now(context).await?;
    let revisions = revisions(&look, key, context)?;
    let found = match to {
        0 => revisions
            .iter()
            .rev()
            .nth(1)
            .ok_or_else(|| RolloutError::First(key.clone()))?,
        number => {
            let found = revisions.iter().find(|revision| revision.number == number);
            found.ok_or_else(|| RolloutError::Revision(key.clone(), number))?
        }
    };
    let template: Value = serde_json::from_str(&found.template).unwrap_or_default();
    let cause = found.cause.clone();
    let edit = |object: &mut Value| {
        object["spec"]["template"] = template;
        const CAUSE: &str = "kubernetes.io/change-cause";
        match cause {
            Some(cause) => object["metadata"]["annotations"][CAUSE] = (&*cause).into(),
            None => {
                let annotations = object["metadata"]["annotations"].as_object_mut();
                annotations.map(|annotations| annotations.remove(CAUSE));
            }
        }
        Ok(())
    };
    let well = change("rollout", key, edit, context).await?;
    say(key, "rolled back", well, context)
}

fn say(key: &ControllerKey, what: &str, well: bool, context: &Context) -> Result<bool, CliError> {
    if well {
        context.print(&format!(
            "{}/{} {what}\n",
            one_of(key.kind),
            key.object.name
        ))?;
    }
    Ok(well)
}

async fn pause(key: &ControllerKey, pause: bool, context: &Context) -> Result<bool, CliError> {
    if key.kind != ControllerKind::Deployment {
        return Err(RolloutError::Pause(key.kind.word()).into());
    }
    let edit = |object: &mut Value| {
        object["spec"]["paused"] = pause.into();
        Ok(())
    };
    let well = change("rollout", key, edit, context).await?;
    say(key, if pause { "paused" } else { "resumed" }, well, context)
}

async fn restart(key: &ControllerKey, context: &Context) -> Result<bool, CliError> {
    let edit = |object: &mut Value| {
        let template = &mut object["spec"]["template"];
        if !template["metadata"].is_object() {
            template["metadata"] = json!({});
        }
        template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
            now().to_string().into();
        Ok(())
    };
    let well = change("rollout", key, edit, context).await?;
    say(key, "restarted", well, context)
}
