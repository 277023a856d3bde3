//! `vks apply`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::manifests;
use super::settled;
use super::store;
use super::view::{Filter, Host};
use crate::model::name::PodKey;
use crate::model::status::{Condition, ConditionKind, Phase};
use crate::source::{Directories, Object, parse, split};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Take manifests on and make the host run them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks apply -f web.yaml
  vks apply -f ./pods --wait --timeout 1m
  cat web.yaml | vks apply -f -")]
pub struct Args {
    /// Files and directories with manifests; - is standard input
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    pub filename: Vec<PathBuf>,
    /// Wait until the pods are ready or have ended well
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = super::duration::parse)]
    pub timeout: Duration,
}

/// Checks everything first; with any problem nothing is kept and nothing changes.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut objects = Vec::new();
    let mut wrong = false;
    for text in manifests::texts(&args.filename)? {
        match split(text.format, &text.path, &text.bytes, &context.namespace) {
            Ok(found) => objects.extend(found),
            Err(problems) => wrong |= manifests::tell_problems(&problems, context),
        }
    }
    if wrong {
        return Ok(Outcome::Code(1));
    }
    if objects.is_empty() {
        return Err(CliError::NoObjects);
    }
    refuse_foreign(&objects, context)?;
    settled::check(&objects, context)?;
    let host = Host::open(&context.settings).await?;
    host.check().await?;
    for object in &objects {
        if let Some((kind, key)) = store::parts(&object.what) {
            let change = store::put(context, &store::file_name(kind, key), &object.json)?;
            context.print(&format!("{kind}/{} {}\n", key.name, change.word()))?;
        }
    }
    let well = store::converge("apply", context).await?;
    if args.wait {
        return wait_for(wanted(&objects, context), args.timeout, &host, context).await;
    }
    Ok(if well {
        Outcome::Done
    } else {
        Outcome::Code(1)
    })
}

/// What a file in a configured directory defines is changed there. What is kept already is none of these: it is
/// not read, and an apply costs what it applies.
fn refuse_foreign(objects: &[Object], context: &Context) -> Result<(), CliError> {
    let own = context.settings.layout.manifests();
    let mut dirs = context.settings.manifest_dirs();
    dirs.retain(|dir| *dir != own);
    let mut sources = Directories::new(dirs);
    sources.load();
    for object in objects {
        if let Some(file) = sources.defined_in(&object.what) {
            return Err(CliError::Foreign {
                what: object.what.to_string(),
                file: file.display().to_string(),
            });
        }
    }
    Ok(())
}

/// The pods that the objects stand for, with their manifests.
fn wanted(objects: &[Object], context: &Context) -> BTreeMap<PodKey, Box<str>> {
    let own = context.settings.layout.manifests();
    let kept = objects.iter().filter_map(|object| {
        let (kind, key) = store::parts(&object.what)?;
        let file = own.join(store::file_name(kind, key));
        Some(parse(&file, object.json.as_bytes()).pods)
    });
    kept.flatten().map(|pod| (pod.key, pod.manifest)).collect()
}

/// Waits until every pod runs as its manifest says, and is ready or has ended well.
async fn wait_for(
    mut pods: BTreeMap<PodKey, Box<str>>,
    timeout: Duration,
    host: &Host,
    context: &Context,
) -> Result<Outcome, CliError> {
    let mut watch = host
        .of_states()
        .watch_running(Filter::of(pods.keys()))
        .await?;
    let end = tokio::time::Instant::now() + timeout;
    while let Ok(view) = tokio::time::timeout_at(end, watch.next()).await {
        let view = view?;
        for pod in view.pods {
            let status = &pod.report.status;
            // What is seen may still be what ran before: then it says another manifest.
            if pods.get(&pod.report.key) != Some(&pod.report.manifest) || pod.observed.is_none() {
                continue;
            }
            let ready = |c: &Condition| c.kind == ConditionKind::Ready && c.status;
            if status.phase == Phase::Succeeded || status.conditions.iter().any(ready) {
                context.print(&format!("pod/{} condition met\n", pod.report.key.name))?;
                pods.remove(&pod.report.key);
            } else if status.phase == Phase::Failed {
                context.tell(format_args!("error: pod {} has failed", pod.report.key));
                return Ok(Outcome::Code(1));
            }
        }
        if pods.is_empty() {
            return Ok(Outcome::Done);
        }
    }
    for key in pods.keys() {
        context.tell(format_args!(
            "error: timed out waiting for pod {key} to be ready"
        ));
    }
    Ok(Outcome::Code(1))
}
