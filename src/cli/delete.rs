//! `vks delete`.

use super::context::{Context, Outcome};
use super::controllers;
use super::error::CliError;
use super::grace;
use super::manifests;
use super::selector::Selector;
use super::store;
use super::target::{Kind, Target, TargetError};
use super::view::{Filter, Host};
use crate::model::name::{ObjectKey, ObjectName, PodKey};
use crate::source::{Directories, What, split};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Stop pods and forget their manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks delete pod web
  vks delete -f web.yaml
  vks delete pods -l app=web
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

/// Removes the manifests that `vks apply` kept; the pods stop with their grace period.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    host.check().await?;
    let sources = manifests::configured(context);
    let (objects, mut wrong) = wanted(args, &sources, context)?;
    let own = context.settings.layout.manifests();
    let mut pods = controllers::pods_of(&objects, &sources, &host).await?;
    let mut removals = Vec::new();
    for what in &objects {
        let Some((kind, key)) = store::parts(what) else {
            continue;
        };
        let name = store::file_name(kind, key);
        match sources.defined_in(what) {
            Some(file) if file == own.join(&name) => {
                let theirs = sources
                    .desired()
                    .pods
                    .values()
                    .filter(|pod| pod.source.0 == file);
                pods.extend(theirs.map(|pod| pod.key.clone()));
                removals.push((kind, key, name));
            }
            Some(file) => {
                wrong = true;
                let error = CliError::Foreign {
                    what: what.to_string(),
                    file: file.display().to_string(),
                };
                context.tell(format_args!("error: {error}"));
            }
            None if is_there(&host, &sources, what).await? => drop(pods.insert(key.clone())),
            None if args.ignore_not_found => {}
            None => {
                wrong = true;
                context.tell(format_args!("error: {kind} {key} not found"));
            }
        }
    }
    if let Some(seconds) = args.grace_period {
        grace::set(&host, &pods, Duration::from_secs(seconds.into()), context).await?;
    }
    for (kind, key, name) in removals {
        store::remove(context, &name)?;
        context.print(&format!("{kind} \"{}\" deleted\n", key.name))?;
    }
    wrong |= !store::converge("delete", context).await?;
    if args.wait {
        gone(&host, &pods).await?;
    }
    Ok(if wrong {
        Outcome::Code(1)
    } else {
        Outcome::Done
    })
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

/// A pod that no manifest wants any more, and of which the host still has something: it is being stopped.
async fn is_there(host: &Host, sources: &Directories, what: &What) -> Result<bool, CliError> {
    let What::Pod(key) = what else {
        return Ok(false);
    };
    let view = host.running(&Filter::of([key].into_iter())).await?;
    let mut pods = view.pods.iter();
    let held = |source| sources.desired().holds(source);
    Ok(pods.any(|pod| {
        let there = pod.observed.as_ref();
        pod.report.key == *key && there.is_some_and(|there| !held(&there.source))
    }))
}

/// Waits until nothing of these pods is left.
async fn gone(host: &Host, pods: &BTreeSet<PodKey>) -> Result<(), CliError> {
    if pods.is_empty() {
        return Ok(());
    }
    let mut watch = host.watch_running(Filter::of(pods.iter())).await?;
    while watch
        .next()
        .await?
        .pods
        .iter()
        .any(|pod| pods.contains(&pod.report.key))
    {}
    Ok(())
}
