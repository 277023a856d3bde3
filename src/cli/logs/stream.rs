//! One run as a stream of entries: what is there, then what comes until the run is over.

use super::choose::{self, Run};
use super::{Args, LogsError};
use crate::cli::journal::{self, Entry, JournalError, Query, Reader};
use crate::cli::view::{Filter, Host, ViewError};
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
        unit: run.unit.clone(),
        since: run.started.max(args.since()),
        until: run.next,
        tail: args.lines(),
        follow: args.follow && run.running,
        after: None,
    };
    let mut pump = Pump {
        place,
        sender,
        portion: Vec::new(),
        last: None,
    };
    if query.follow {
        let mut reader = Reader::start(query.clone()).map_err(failed)?;
        tokio::select! {
            read = pump.run(&mut reader) => return read.map_err(failed),
            next = end_of(host, run) => query.until = next?,
        }
        // What the run wrote last may still be on its way: it is fetched from where the pump stopped.
        drop(reader);
        journal::sync().await;
        query.follow = false;
        query.after = pump.last.clone();
    }
    let mut reader = Reader::start(query).map_err(failed)?;
    pump.run(&mut reader).await.map_err(failed)
}

/// Moves entries from a reader to the printer. It may be dropped while it waits and run again, with another
/// reader that begins behind `last`, without a loss.
struct Pump<'a> {
    place: usize,
    sender: &'a Sender<Portion>,
    portion: Vec<Entry>,
    /// The cursor of the last entry taken.
    last: Option<String>,
}

impl Pump<'_> {
    async fn run(&mut self, reader: &mut Reader) -> Result<(), JournalError> {
        loop {
            let ready = match self.portion.len() {
                PORTION.. => None,
                _ => reader.take()?,
            };
            if ready.is_none() && !self.portion.is_empty() && !self.flush().await {
                return Ok(());
            }
            let entry = match ready {
                Some(entry) => Some(entry),
                None => reader.next().await?,
            };
            let Some(mut entry) = entry else {
                return Ok(());
            };
            self.last = Some(std::mem::take(&mut entry.cursor));
            self.portion.push(entry);
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

/// Returns when a run is over: its container has ended, runs anew or is gone. With it comes the start of the
/// run that follows, if it has one already.
async fn end_of(host: &Host, run: &Run) -> Result<Option<Timestamp>, ViewError> {
    let filter = Filter {
        namespace: Some(run.pod.namespace.clone()),
        names: vec![run.pod.name.clone()],
        ..Filter::default()
    };
    let mut watch = host.watch(filter).await?;
    loop {
        let view = watch.next().await?;
        let now = view
            .pods
            .first()
            .map(|pod| choose::run(pod, &run.container, false));
        match now {
            Some(Ok(now)) if now.invocation == run.invocation && now.running => {}
            Some(Ok(now)) if now.invocation != run.invocation => return Ok(now.started),
            _ => return Ok(None),
        }
    }
}
