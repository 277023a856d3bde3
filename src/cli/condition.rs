//! `vks condition`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::target::{Target, TargetError};
use super::view::{Filter, Host, PodView};
use crate::host::clock::timestamp as now;
use crate::host::conditions;
use crate::host::files::Dir;
use crate::model::name::PodKey;
use crate::model::status::{SetCondition, SetConditions};
use crate::model::time::Timestamp;
use crate::unit::names::PodUnits;
use std::str::FromStr;

/// Set conditions of pods, for their readiness gates
///
/// A pod with readinessGates is ready when its containers are and each of these conditions is True. They are kept as long
/// as the pod, over restarts and reboots. In a cluster, controllers set them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks condition pod/web example.com/checked=True
  vks condition pod/web example.com/checked=False --reason=Draining
  # Take it away again
  vks condition pod/web example.com/checked-")]
pub struct Args {
    /// The pod, as pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// TYPE=True, TYPE=False, or TYPE- to take it away
    #[arg(value_name = "CONDITION", required = true)]
    changes: Vec<Change>,
    /// Why, in one word
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

/// What is to become of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    kind: Box<str>,
    /// `None` takes it away.
    status: Option<bool>,
}

/// The conditions that vks works out itself.
const OWN: [&str; 5] = [
    "ContainersReady",
    "Initialized",
    "PodReadyToStartContainers",
    "PodScheduled",
    "Ready",
];

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, status) = match text.split_once('=') {
            Some((kind, "True" | "true")) => (kind, Some(true)),
            Some((kind, "False" | "false")) => (kind, Some(false)),
            Some((_, other)) => return Err(format!("{other:?}: write True or False")),
            None => match text.strip_suffix('-') {
                Some(kind) => (kind, None),
                None => return Err("write TYPE=True, TYPE=False or TYPE-".to_owned()),
            },
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
        if kind.is_empty() || kind.len() > 316 || !kind.bytes().all(good) {
            return Err(format!(
                "{kind:?} is not the type of a condition: write a name such as example.com/checked"
            ));
        }
        if OWN.contains(&kind) {
            return Err(format!(
                "{kind} is worked out from the containers: choose another type"
            ));
        }
        let kind = kind.into();
        Ok(Self { kind, status })
    }
}

/// Writes them down and leaves word for the agent, and for all who watch.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = Target::parse_pods(std::slice::from_ref(&args.pod))?;
    let Some(name) = target.names.first() else {
        return Err(TargetError::Unnamed.into());
    };
    let filter = Filter {
        namespace: Some(context.namespace.clone()),
        names: vec![name.clone()],
        ..Filter::default()
    };
    let view = Host::open(&context.settings).await?.view(&filter).await?;
    let missing = || CliError::NotFound {
        kind: "pods",
        name: name.clone(),
        namespace: context.namespace.clone(),
    };
    let pod = view.pods.first().ok_or_else(missing)?;
    let Some(observed) = &pod.observed else {
        return Err(missing());
    };
    let layout = &context.settings.layout;
    let mut all = conditions::read(layout, &observed.uid).map_err(CliError::File)?;
    change(&mut all, args, now());
    if !conditions::write(layout, &observed.uid, &all).map_err(CliError::File)? {
        return Err(missing());
    }
    leave_word(&pod.report.key, context)?;
    context.print(&format!("pod/{name} condition set\n"))?;
    for gate in unused(pod, &args.changes) {
        context.tell(format_args!(
            "warning: pod {name} has no readiness gate {gate:?}: the condition is only shown"
        ));
    }
    Ok(Outcome::Done)
}

fn change(all: &mut SetConditions, args: &Args, now: Timestamp) {
    for change in &args.changes {
        let Some(status) = change.status else {
            all.remove(&change.kind);
            continue;
        };
        let before = all
            .get(&change.kind)
            .filter(|before| before.status == status);
        let set = SetCondition {
            status,
            since: before.map_or(now, |before| before.since),
            reason: args.reason.clone(),
            message: args.message.clone(),
        };
        all.insert(change.kind.clone(), set);
    }
}

/// A file of the name of the pod's target comes and goes: whoever watches the directory looks at the pod again.
pub(super) fn leave_word(key: &PodKey, context: &Context) -> Result<(), CliError> {
    let target = PodUnits::new(key).target();
    let dir = Dir::create(&context.settings.layout.triggers()).map_err(CliError::File)?;
    dir.write(target.as_str(), b"", 0o600)
        .map_err(CliError::File)?;
    dir.remove(target.as_str()).map_err(CliError::File)?;
    Ok(())
}

/// Types that are no gates of the pod.
fn unused<'a>(pod: &PodView, changes: &'a [Change]) -> impl Iterator<Item = &'a str> {
    let gates = pod.manifest["spec"]["readinessGates"].as_array();
    let gates: Vec<String> = gates
        .into_iter()
        .flatten()
        .filter_map(|gate| gate["conditionType"].as_str().map(str::to_owned))
        .collect();
    let set = changes.iter().filter(|change| change.status.is_some());
    set.map(|change| &*change.kind)
        .filter(move |kind| !gates.iter().any(|gate| gate == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read() {
        let change = |kind: &str, status| {
            let kind = kind.into();
            Ok(Change { kind, status })
        };
        assert_eq!("a.b/c=True".parse(), change("a.b/c", Some(true)));
        assert_eq!("a=false".parse(), change("a", Some(false)));
        assert_eq!("a-b-".parse(), change("a-b", None));
        for bad in ["a", "a=1", "=True", "-", "a b=True", "Ready=True"] {
            assert!(bad.parse::<Change>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_time_is_that_of_the_last_change_of_the_status() {
        let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        let args = |text: &str| Args {
            pod: "pod/a".to_owned(),
            changes: vec![text.parse().unwrap()],
            reason: None,
            message: None,
        };
        let mut all = SetConditions::new();
        let mut since = |text: &str, now| {
            change(&mut all, &args(text), at(now));
            all.get("a").map(|set| set.since)
        };
        assert_eq!(since("a=True", 1), Some(at(1)));
        assert_eq!(since("a=True", 2), Some(at(1)));
        assert_eq!(since("a=False", 3), Some(at(3)));
        assert_eq!(since("a-", 4), None);
    }
}
