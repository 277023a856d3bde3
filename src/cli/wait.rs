//! `vks wait`: returns when pods are as asked for, without polling.

use super::context::{Context, Outcome};
use super::controllers;
use super::duration;
use super::error::CliError;
use super::jsonpath::{JsonPath, JsonPathError, as_text};
use super::object::object;
use super::selector::Selector;
use super::target::{Kind, Target, TargetError};
use super::view::{Filter, Host, PodView, View, Watch};
use crate::model::controller::ControllerKind;
use crate::model::name::{ObjectName, PodKey};
use serde_json::Value;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Wait until pods are as they should be
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Until a pod is ready; until it no longer is
  vks wait --for=condition=Ready pod/web --timeout=2m
  vks wait --for=condition=Ready=false pod/web

  # Until it is in some phase, is there, is gone
  vks wait --for=jsonpath='{.status.phase}'=Succeeded pod/job
  vks wait --for=create pod/web
  vks wait --for=delete pods -l app=web

  # Until a Job has ended well
  vks wait --for=condition=Complete job/backup --timeout=10m

Exit status 1 when the time is over.")]
pub struct Args {
    /// A kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", required = true)]
    objects: Vec<String>,
    /// What to wait for: condition=NAME[=VALUE], jsonpath=PATH[=VALUE], create, delete
    #[arg(long = "for", value_name = "WHAT")]
    goal: Goal,
    /// How long; 0s looks only once
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
    /// Those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// All of the namespace
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    /// A condition has a value; both compare without case.
    Condition(String, String),
    /// A path leads to a value, or to this value.
    Path(JsonPath, Option<String>),
    Create,
    Delete,
}

/// Why waiting failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time is over.
    #[error("timed out waiting for the condition on {0}")]
    TimedOut(String),
}

/// Why `--for` was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum GoalError {
    #[error(
        "{0:?} is nothing to wait for: write condition=NAME[=VALUE], jsonpath=PATH[=VALUE], create or delete"
    )]
    Unknown(String),
    #[error(transparent)]
    Path(#[from] JsonPathError),
}

impl FromStr for Goal {
    type Err = GoalError;

    fn from_str(text: &str) -> Result<Self, GoalError> {
        match text.split_once('=') {
            None if text.eq_ignore_ascii_case("delete") => Ok(Self::Delete),
            None if text.eq_ignore_ascii_case("create") => Ok(Self::Create),
            Some(("condition", rest)) if !rest.is_empty() => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, "true"));
                Ok(Self::Condition(name.to_owned(), value.to_owned()))
            }
            Some(("jsonpath", rest)) => {
                // The path may hold `==`: the value begins behind the closing brace.
                let (path, value) = match rest.rfind("}=") {
                    Some(end) => (&rest[..=end], Some(rest[end + 2..].to_owned())),
                    None => (rest, None),
                };
                Ok(Self::Path(path.parse()?, value))
            }
            _ => Err(GoalError::Unknown(text.to_owned())),
        }
    }
}

impl Goal {
    /// Whether a pod that is there has reached the goal.
    fn is_met(&self, pod: &PodView) -> bool {
        match self {
            Self::Create => true,
            Self::Delete => false,
            _ => self.is_met_by(&object(&pod.report)),
        }
    }

    /// Whether an object that is there has reached the goal.
    fn is_met_by(&self, object: &Value) -> bool {
        match self {
            Self::Create => true,
            Self::Delete => false,
            Self::Condition(name, value) => {
                let conditions = object["status"]["conditions"].as_array();
                conditions.into_iter().flatten().any(|condition| {
                    let is = |field: &str, text: &str| {
                        condition[field]
                            .as_str()
                            .is_some_and(|t| t.eq_ignore_ascii_case(text))
                    };
                    is("type", name) && is("status", value)
                })
            }
            Self::Path(path, value) => {
                let found = path.find(object);
                match value {
                    None => !found.is_empty(),
                    Some(value) => found.len() == 1 && as_text(found[0]) == *value,
                }
            }
        }
    }
}

/// Who has been seen and who is through.
struct Waiting<'a> {
    goal: &'a Goal,
    names: &'a [ObjectName],
    seen: BTreeSet<PodKey>,
    met: BTreeSet<PodKey>,
}

impl Waiting<'_> {
    /// Takes in a view; the pods that have just reached the goal.
    fn take(&mut self, view: &View) -> Vec<PodKey> {
        let there: BTreeSet<PodKey> = view.pods.iter().map(|pod| pod.report.key.clone()).collect();
        let mut through: Vec<PodKey> = match self.goal {
            Goal::Delete => self.seen.difference(&there).cloned().collect(),
            goal => {
                let met = view.pods.iter().filter(|pod| goal.is_met(pod));
                met.map(|pod| pod.report.key.clone()).collect()
            }
        };
        self.seen.extend(there);
        through.retain(|key| self.met.insert(key.clone()));
        through
    }

    /// Those not through yet, as the message of a time-out names them.
    fn pending(&self) -> Vec<String> {
        let found = |name: &ObjectName| self.seen.iter().any(|key| key.name == *name);
        let unseen = self
            .names
            .iter()
            .filter(|name| *self.goal == Goal::Create && !found(name));
        let waited = self.seen.difference(&self.met).map(|key| &key.name);
        waited
            .chain(unseen)
            .map(|name| format!("pods/{name}"))
            .collect()
    }
}

/// Waits, and says of each pod when it is through.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = Target::parse(&args.objects)?;
    if target.names.is_empty() && args.selector.is_none() && !args.all {
        return Err(TargetError::Unnamed.into());
    }
    let filter = Filter {
        namespace: (!args.all_namespaces).then(|| context.namespace.clone()),
        names: target.names.clone(),
        selector: args.selector.clone().unwrap_or_default(),
    };
    if let Kind::Controller(kind) = target.kind {
        return wait_for(kind, args, filter, context).await;
    }
    Target::parse_pods(&args.objects)?;
    let host = Host::open(&context.settings).await?;
    let mut watch = host.watch(filter).await?;
    let mut waiting = Waiting {
        goal: &args.goal,
        names: &target.names,
        seen: BTreeSet::new(),
        met: BTreeSet::new(),
    };
    let view = watch.next().await?;
    check_there(args, &target, &view, context)?;
    tell(&waiting.take(&view), context)?;
    let end = Instant::now().checked_add(args.timeout);
    while !waiting.pending().is_empty() {
        let Some(view) = next_view(&mut watch, end).await? else {
            let pending = waiting.pending().join(", ");
            return Err(WaitError::TimedOut(pending).into());
        };
        tell(&waiting.take(&view), context)?;
    }
    Ok(Outcome::Done)
}

/// The same for controllers.
async fn wait_for(
    kind: ControllerKind,
    args: &Args,
    filter: Filter,
    context: &Context,
) -> Result<Outcome, CliError> {
    let which = controllers::Which {
        namespace: filter.namespace,
        names: filter.names,
        selector: filter.selector,
    };
    let met = |object: &Value| args.goal.is_met_by(object);
    let gone = args.goal == Goal::Delete;
    let end = Instant::now().checked_add(args.timeout);
    let left = controllers::wait(kind, &which, met, gone, end, context).await?;
    if left.is_empty() {
        return Ok(Outcome::Done);
    }
    let name = |name| format!("{}/{name}", controllers::resource(kind));
    let pending: Vec<String> = left.iter().map(name).collect();
    Err(WaitError::TimedOut(pending.join(", ")).into())
}

/// The next view, if there is one before the end.
async fn next_view(watch: &mut Watch, end: Option<Instant>) -> Result<Option<View>, CliError> {
    match end {
        None => Ok(Some(watch.next().await?)),
        Some(end) => match timeout_at(end, watch.next()).await {
            Ok(view) => Ok(Some(view?)),
            Err(_) => Ok(None),
        },
    }
}

/// What must be there at the start: for `create` and `delete`, nothing.
fn check_there(
    args: &Args,
    target: &Target,
    view: &View,
    context: &Context,
) -> Result<(), CliError> {
    if matches!(args.goal, Goal::Create | Goal::Delete) {
        return Ok(());
    }
    let there = |name: &ObjectName| view.pods.iter().any(|pod| pod.report.key.name == *name);
    if let Some(name) = target.names.iter().find(|name| !there(name)) {
        return Err(CliError::NotFound {
            kind: "pods",
            name: name.clone(),
            namespace: context.namespace.clone(),
        });
    }
    match view.pods.is_empty() {
        true => Err(CliError::NothingMatches),
        false => Ok(()),
    }
}

fn tell(through: &[PodKey], context: &Context) -> Result<(), CliError> {
    through
        .iter()
        .try_for_each(|key| context.print(&format!("pod/{} condition met\n", key.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_kubectls() {
        let condition = |name: &str, value: &str| Goal::Condition(name.into(), value.into());
        assert_eq!("condition=Ready".parse(), Ok(condition("Ready", "true")));
        assert_eq!(
            "condition=Ready=False".parse(),
            Ok(condition("Ready", "False"))
        );
        assert_eq!("delete".parse(), Ok(Goal::Delete));
        let phase: JsonPath = ".status.phase".parse().unwrap();
        assert_eq!(
            "jsonpath={.status.phase}=Running".parse(),
            Ok(Goal::Path(phase.clone(), Some("Running".into())))
        );
        assert_eq!(
            "jsonpath={.status.phase}".parse(),
            Ok(Goal::Path(phase, None))
        );
        let filtered = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}=True"#;
        assert!(matches!(filtered.parse(), Ok(Goal::Path(_, Some(value))) if value == "True"));
        for bad in ["", "ready", "condition", "condition=", "jsonpath={.a"] {
            assert!(bad.parse::<Goal>().is_err(), "{bad}");
        }
    }
}
