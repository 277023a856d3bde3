//! `vks delete`.

use super::context::{Context, Outcome};
use super::controllers;
use super::error::CliError;
use super::grace;
use super::manifests;
use super::owned::{self, Found};
use super::selector::Selector;
use super::store;
use super::target::{Kind, Target, TargetError};
use super::view::{Filter, Host, PodView};
use crate::model::name::{ObjectKey, ObjectName, PodKey, PodUid};
use crate::source::{Directories, What, split};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Stop pods and forget their manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks delete pod web
  vks delete -f web.yaml
  vks delete pods -l app=web
  # Of a controller's pod, its grace period passes and another is made
  vks delete pod db-0
  vks delete pods --all -n test")]
pub struct Args {
    /// A kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", conflicts_with = "filename")]
    pub objects: Vec<String>,
    /// The objects in these files; - is standard input
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
    /// Those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// All of the namespace
    #[arg(long)]
    pub all: bool,
    /// No failure when there is no such object
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Seconds that the pods get to end by themselves, instead of their own grace period (at least 2); also for
    /// pods that are stopping
    #[arg(long, value_name = "SECONDS")]
    pub grace_period: Option<u32>,
    /// Wait until the pods are gone
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        value_name = "true|false"
    )]
    pub wait: bool,
}

/// What is to be done for a deletion.
#[derive(Default)]
struct Work {
    /// Pods that are to be gone, whoever removes them.
    pods: BTreeSet<PodKey>,
    /// Those of them that a controller has made, each with the life that is meant: it makes another of the same name.
    owned: BTreeMap<PodKey, PodUid>,
    /// Manifests to be removed: kind, name and file.
    removals: Vec<(&'static str, ObjectName, String)>,
    /// Something that was asked for could not be done.
    wrong: bool,
}

/// Removes the manifests that `vks apply` kept; the pods stop with their grace period. Of pods that controllers have made,
/// another is made.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    host.check().await?;
    let sources = manifests::configured(context);
    let (mut objects, wrong) = wanted(args, &sources, context)?;
    if let Some(filter) = pods_by_label(args, context)? {
        objects.extend(owned::all(&host, &filter).await?);
    }
    let mut work = Work {
        pods: controllers::pods_of(&objects, &sources, &host).await?,
        wrong,
        ..Work::default()
    };
    for what in &objects {
        if let Err(error) = sort(&mut work, what, &sources, &host, (args, context)).await? {
            work.wrong = true;
            context.tell(format_args!("error: {error}"));
        }
    }
    if let Some(seconds) = args.grace_period {
        let grace = Duration::from_secs(seconds.into());
        grace::set(&host, &work.pods, grace, context).await?;
    }
    for (kind, name, file) in &work.removals {
        store::remove(context, file)?;
        context.print(&format!("{kind} \"{name}\" deleted\n"))?;
    }
    owned::mark(&work.owned, context)?;
    work.wrong |= !store::converge("delete", context).await?;
    if args.wait {
        gone(&host, &work).await?;
    }
    Ok(match work.wrong {
        true => Outcome::Code(1),
        false => Outcome::Done,
    })
}

/// Finds out what it takes to delete an object. What cannot be deleted is the inner error: the others go all the same.
async fn sort(
    work: &mut Work,
    what: &What,
    sources: &Directories,
    host: &Host,
    (args, context): (&Args, &Context),
) -> Result<Result<(), CliError>, CliError> {
    let Some((kind, key)) = store::parts(what) else {
        return Ok(Ok(()));
    };
    let name = store::file_name(kind, key);
    let refused = |file: &std::path::Path| CliError::Foreign {
        what: what.to_string(),
        file: file.display().to_string(),
    };
    if let Some(file) = sources.defined_in(what) {
        if file != context.settings.layout.manifests().join(&name) {
            return Ok(Err(refused(file)));
        }
        let all = sources.desired().pods.values();
        let theirs = all.filter(|pod| pod.source.0 == file);
        work.pods.extend(theirs.map(|pod| pod.key.clone()));
        work.removals.push((kind, key.name.clone(), name));
        return Ok(Ok(()));
    }
    match owned::find(host, sources, what).await? {
        Found::Leaving => drop(work.pods.insert(key.clone())),
        Found::Owned(uid) => {
            work.pods.insert(key.clone());
            work.owned.insert(key.clone(), uid);
        }
        Found::Held(file) => {
            return Ok(Err(CliError::Held {
                what: what.to_string(),
                file: file.display().to_string(),
            }));
        }
        Found::Nothing if args.ignore_not_found => {}
        Found::Nothing => {
            return Ok(Err(CliError::Missing {
                what: format!("{kind} {key}"),
            }));
        }
    }
    Ok(Ok(()))
}

/// Which pods are meant, when they are not named.
fn pods_by_label(args: &Args, context: &Context) -> Result<Option<Filter>, CliError> {
    if args.objects.is_empty() {
        return Ok(None);
    }
    let target = Target::parse(&args.objects)?;
    let meant = target.kind == Kind::Pod && target.names.is_empty();
    Ok(meant.then(|| Filter {
        namespace: Some(context.namespace.clone()),
        selector: args.selector.clone().unwrap_or_default(),
        ..Filter::default()
    }))
}

/// What to delete, and whether something that was asked for could not be understood.
fn wanted(
    args: &Args,
    sources: &Directories,
    context: &Context,
) -> Result<(Vec<What>, bool), CliError> {
    let mut objects = Vec::new();
    let mut wrong = false;
    for text in manifests::texts(&args.filename)? {
        match split(text.format, &text.path, &text.bytes, &context.namespace) {
            Ok(found) => objects.extend(found.into_iter().map(|object| object.what)),
            Err(problems) => wrong |= manifests::tell_problems(&problems, context),
        }
    }
    if args.objects.is_empty() {
        return match args.filename.is_empty() {
            true => Err(TargetError::Nothing.into()),
            false => Ok((objects, wrong)),
        };
    }
    let target = Target::parse(&args.objects)?;
    let namespace = &context.namespace;
    let whole = |name: &ObjectName| ObjectKey {
        namespace: namespace.clone(),
        name: name.clone(),
    };
    objects.extend(
        target
            .names
            .iter()
            .map(|name| target.kind.what(whole(name))),
    );
    if target.names.is_empty() {
        if args.selector.is_none() && !args.all {
            return Err(TargetError::Unnamed.into());
        }
        objects.extend(chosen(args, target.kind, sources, context));
    }
    Ok((objects, wrong))
}

/// Objects of a kind by label, or all of the namespace that `vks apply` keeps.
fn chosen(args: &Args, kind: Kind, sources: &Directories, context: &Context) -> Vec<What> {
    let own = context.settings.layout.manifests();
    let all = sources.objects().filter(|(what, file)| {
        file.starts_with(&own)
            && store::parts(what).is_some_and(|(word, key)| {
                word == kind.singular() && key.namespace == context.namespace
            })
    });
    let controllers = &sources.desired().controllers;
    let labels = |what: &What| match what {
        What::Controller(key) => controllers.get(key).map(|found| found.labels.clone()),
        What::Pod(key) => sources
            .desired()
            .pods
            .get(key)
            .map(|pod| pod.labels.clone()),
        _ => None,
    };
    let fits = |what: &What| match &args.selector {
        None => true,
        Some(selector) => labels(what).is_some_and(|labels| selector.matches(&labels)),
    };
    all.map(|(what, _)| what.clone()).filter(fits).collect()
}

/// Waits until nothing of these pods is left.
async fn gone(host: &Host, work: &Work) -> Result<(), CliError> {
    if work.pods.is_empty() {
        return Ok(());
    }
    let mut watch = host.watch_running(Filter::of(work.pods.iter())).await?;
    let is_left = |pod: &PodView| {
        let key = &pod.report.key;
        let uid = pod.observed.as_ref().map(|there| &there.uid);
        // Another of the name is not what was deleted.
        let same = |life| uid == Some(life);
        work.pods.contains(key) && work.owned.get(key).is_none_or(same)
    };
    while watch.next().await?.pods.iter().any(|pod| is_left(pod)) {}
    Ok(())
}
