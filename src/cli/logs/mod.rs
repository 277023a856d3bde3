//! `vks logs`: what containers write, read from the journal.
//!
//! One run of each container is shown: the current one, the last one when nothing runs, or with
//! `--previous` the one before. `-f` ends with the run, as kubectl's does: a restart is a new run.

pub mod choose;
mod print;
mod stream;

use super::context::{Context, Outcome};
use super::duration;
use super::error::CliError;
use super::pods::now;
use super::selector::Selector;
use super::target::Target;
use super::view::{Filter, Host, ViewError};
use crate::host::log::JournalError;
use crate::model::name::ContainerName;
use crate::model::time::Timestamp;
use choose::{ChooseError, Run};
use std::time::Duration;

/// Print what containers write
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The only, or first, container of a pod
  vks logs web

  # Another one; all of them, each line with its container
  vks logs web -c proxy
  vks logs web --all-containers --prefix

  # The last lines and then what comes, until the run of the container ends
  vks logs web --tail 20 -f

  # The run before the last restart; the last five minutes
  vks logs web --previous
  vks logs web --since 5m --timestamps

  # All pods with a label, the last ten lines of each unless --tail says more
  vks logs -l app=web

One run of a container is shown: a restart begins a new one, and -f ends with exit status 0 at the end of its run.
The journal has everything: journalctl KUBERNETES_POD=web")]
pub struct Args {
    /// The pod: web or pod/web
    #[arg(
        value_name = "POD",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    pod: Option<String>,
    /// The container (default: the one the pod's annotation names, else the first)
    #[arg(value_name = "CONTAINER", conflicts_with = "container")]
    container_name: Option<ContainerName>,
    /// The container
    #[arg(short, long, conflicts_with = "all_containers")]
    container: Option<ContainerName>,
    /// All containers of the pod, init containers first
    #[arg(long)]
    all_containers: bool,
    /// Of all pods whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// Go on until the run of the container ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines; -1 for all (default: all, with a selector 10)
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// Only what is newer than this, such as 30s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "since_time")]
    since: Option<Duration>,
    /// Only what is newer than this point in time, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = point_in_time)]
    since_time: Option<Timestamp>,
    /// The run before the current one
    #[arg(short, long)]
    previous: bool,
    /// Each line with its time
    #[arg(long)]
    timestamps: bool,
    /// Each line with its pod and container
    #[arg(long)]
    prefix: bool,
    /// No more bytes than this
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
    /// Logs that may be followed at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    max_log_requests: usize,
}

/// Why logs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// No run to show.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The journal.
    #[error("read the log of container {container:?} in pod {pod:?}")]
    Journal {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// What went wrong.
        source: JournalError,
    },
    /// More streams than asked for.
    #[error(
        "this would follow {0} logs at the same time, but the limit is {1}: raise it with --max-log-requests"
    )]
    TooMany(usize, usize),
    /// The host, asked whether the run is over.
    #[error(transparent)]
    View(#[from] ViewError),
}

fn point_in_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "write it as RFC 3339, such as 2026-01-31T12:00:00Z".to_owned())
}

/// Prints the logs.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    let names = args.pod.as_deref().map(Target::parse_pod).transpose()?;
    let filter = Filter {
        namespace: Some(context.namespace.clone()),
        names: names.iter().cloned().collect(),
        selector: args.selector.clone().unwrap_or_default(),
    };
    let view = host.running(&filter).await?;
    if let (Some(name), true) = (names, view.pods.is_empty()) {
        let namespace = context.namespace.clone();
        let kind = "pods";
        return Err(CliError::NotFound {
            kind,
            name,
            namespace,
        });
    }
    if view.pods.is_empty() {
        context.tell(format_args!(
            "No resources found in {} namespace.",
            context.namespace
        ));
    }
    let (mut runs, mut refused): (Vec<Run>, Vec<ChooseError>) = (Vec::new(), Vec::new());
    for pod in &view.pods {
        let (containers, note) = choose::containers(pod, args).map_err(LogsError::from)?;
        if let Some(note) = note {
            context.tell(note);
        }
        for container in containers {
            match choose::run(pod, &container, args.previous) {
                Ok(run) => runs.push(run),
                Err(error) => refused.push(error),
            }
        }
    }
    if args.follow && runs.len() > args.max_log_requests {
        return Err(LogsError::TooMany(runs.len(), args.max_log_requests).into());
    }
    if !args.follow {
        // Of a run that has just ended, some may still be on its way.
        crate::host::log::sync().await;
    }
    print::all(args, context, &host, runs).await?;
    // One container alone is an error; of several, those that have nothing to show are named.
    match (
        refused.pop(),
        refused.is_empty() && view.pods.len() == 1 && !args.all_containers,
    ) {
        (Some(only), true) => Err(LogsError::Choose(only).into()),
        (None, _) => Ok(Outcome::Done),
        (Some(last), false) => {
            for error in refused.iter().chain([&last]) {
                context.tell(format_args!("error: {error}"));
            }
            Ok(Outcome::Code(1))
        }
    }
}

impl Args {
    fn container(&self) -> Option<&ContainerName> {
        self.container.as_ref().or(self.container_name.as_ref())
    }

    /// Lines from the end; `None` for all.
    fn lines(&self) -> Option<u64> {
        match self.tail {
            Some(lines) => u64::try_from(lines).ok(),
            None => self.selector.is_some().then_some(10),
        }
    }

    fn since(&self) -> Option<Timestamp> {
        let ago = |span: Duration| {
            let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
            Timestamp::from_micros(now().micros().saturating_sub(micros))
        };
        self.since_time.or(self.since.and_then(ago))
    }
}
