//! One run as a stream of entries: what is there, then what comes until the run is over.

use super::choose::{self, Run};
use super::{Args, LogsError};
use crate::cli::pods::now;
use crate::cli::view::{Filter, Host, ViewError};
use crate::host::log::one_run::OneRun;
use crate::host::log::{self as journal, Entry, JournalError, Query, Reader};
use crate::model::time::Timestamp;
use tokio::sync::mpsc::Sender;

/// Some entries of the run at a place in the list.
pub type Portion = (usize, Vec<Entry>);

/// Entries sent at once, at most.
const PORTION: usize = 512;

/// Reads a run to its end and sends what it finds. Ends early, without an error, when nobody listens.
pub async fn read(
    args: &Args,
    host: &Host,
    (place, run): (usize, &Run),
    sender: &Sender<Portion>,
) -> Result<(), LogsError> {
    let failed = |source| LogsError::Journal {
        pod: run.pod.name.to_string(),
        container: run.container.clone(),
        source,
    };
    let mut query = Query {
        unit: Some(run.unit.clone()),
        since: run.started.max(args.since()),
        until: run.next,
        tail: args.lines(),
        follow: args.follow && run.running,
        after: None,
    };
    let told = |lost| match lost {
        Lost::Journal(source) => failed(source),
        Lost::Host(source) => source.into(),
    };
    let mut pump = Pump {
        place,
        sender,
        portion: Vec::new(),
        last: None,
        of: None,
        seen: OneRun::default(),
    };
    if query.follow {
        let mut reader = Reader::start(query.clone()).map_err(failed)?;
        pump.of = Some((host, run));
        tokio::select! {
            read = pump.run(&mut reader) => match read.map_err(told)? {
                Stop::NoMore => return Ok(()),
                Stop::NextRun => {}
            },
            over = end_of(host, run) => over?,
        }
        pump.of = None;
        // What the run wrote last may still be on its way: it is fetched from where the pump stopped.
        drop(reader);
        journal::sync().await;
        query.follow = false;
        query.after = pump.last.clone();
        // Meanwhile the next run may have begun, and if not it may while the rest is read.
        let moment = now();
        query.until = next_start(host, run).await?.or(Some(moment));
    }
    let mut reader = Reader::start(query).map_err(failed)?;
    pump.run(&mut reader).await.map(drop).map_err(told)
}

/// Why a pump has stopped.
enum Stop {
    /// There are no more entries, or nobody wants them.
    NoMore,
    /// What comes is of another run.
    NextRun,
}

/// Why a pump could not go on.
enum Lost {
    Journal(JournalError),
    Host(ViewError),
}

impl From<JournalError> for Lost {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<ViewError> for Lost {
    fn from(error: ViewError) -> Self {
        Self::Host(error)
    }
}

/// Moves entries from a reader to the printer. It may be dropped while it waits and run again, with another
/// reader that begins behind `last`, without a loss.
struct Pump<'a> {
    place: usize,
    sender: &'a Sender<Portion>,
    portion: Vec<Entry>,
    /// The cursor of the last entry taken.
    last: Option<String>,
    /// The run that is followed: what the next one writes may be there before anybody has told of it.
    of: Option<(&'a Host, &'a Run)>,
    /// What is known of it.
    seen: OneRun,
}

impl Pump<'_> {
    async fn run(&mut self, reader: &mut Reader) -> Result<Stop, Lost> {
        loop {
            let ready = match self.portion.len() {
                PORTION.. => None,
                _ => reader.take()?,
            };
            if ready.is_none() && !self.portion.is_empty() && !self.flush().await {
                return Ok(Stop::NoMore);
            }
            let entry = match ready {
                Some(entry) => Some(entry),
                None => reader.next().await?,
            };
            let Some(mut entry) = entry else {
                return Ok(Stop::NoMore);
            };
            if !self.is_ours(&entry).await? {
                return Ok(Stop::NextRun);
            }
            self.last = Some(std::mem::take(&mut entry.place).cursor.into());
            self.portion.push(entry);
        }
    }

    /// Whether an entry is of the run that is followed.
    async fn is_ours(&mut self, entry: &Entry) -> Result<bool, ViewError> {
        match self.of {
            Some((host, run)) => self.seen.has(entry, next_start(host, run)).await,
            None => Ok(true),
        }
    }

    /// Whether somebody listens.
    async fn flush(&mut self) -> bool {
        match self.sender.reserve().await {
            Ok(permit) => {
                permit.send((self.place, std::mem::take(&mut self.portion)));
                true
            }
            Err(_) => false,
        }
    }
}

/// When the run after this one began, as the host is now.
async fn next_start(host: &Host, run: &Run) -> Result<Option<Timestamp>, ViewError> {
    let view = host.running(&filter(run)).await?;
    let pod = view.pods.first();
    Ok(pod.and_then(|pod| choose::next_start(pod, &run.container, run.started)))
}

/// Returns when a run is over: its container has ended, runs anew or is gone.
async fn end_of(host: &Host, run: &Run) -> Result<(), ViewError> {
    let mut watch = host.watch(filter(run)).await?;
    loop {
        let view = watch.next().await?;
        let pod = view.pods.first();
        let now = pod.map(|pod| choose::run(pod, &run.container, false));
        if !matches!(now, Some(Ok(now)) if now.invocation == run.invocation && now.running) {
            return Ok(());
        }
    }
}

/// The pod of a run.
fn filter(run: &Run) -> Filter {
    Filter {
        namespace: Some(run.pod.namespace.clone()),
        names: vec![run.pod.name.clone()],
        ..Filter::default()
    }
}
