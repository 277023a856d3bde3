//! `/containerLogs`: one run of a container, and what it still writes.

use super::refusal::Refusal;
use super::remote::pod;
use super::routes::Shared;
use super::state::State;
use crate::host::log::hub::{Behind, Follower};
use crate::host::log::lines::Lines;
use crate::host::log::one_run::OneRun;
use crate::host::log::{Entry, JournalError, Place, Query, Reader, sync};
use crate::model::log_run::{self, Run};
use crate::model::name::ContainerName;
use crate::model::time::Timestamp;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery};
use axum::response::Response;
use hyper::header::CONTENT_TYPE;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a client may take nothing before what reads for it is ended.
const SLOW: Duration = Duration::from_secs(1);
/// Parts of the log that wait for the client. A part has at most as much as the reader has read at once.
const WAITING: usize = 1;
/// Bytes of text that are sent at once.
const PART: usize = 32 << 10;

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    since: Option<Since>,
    tail: Option<u64>,
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

/// Reads the query of a URL.
pub fn options(query: &str) -> Result<Options, Refusal> {
    let mut options = Options::default();
    let wrong = |name: &str, value: &str| {
        let text = format!("invalid value {value:?} for {name}");
        Refusal::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, text)
    };
    for (name, value) in super::remote::pairs(query) {
        let (name, value) = (name.as_str(), value.as_str());
        let flag = || match value {
            "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(wrong(name, value)),
        };
        let number = || value.parse::<u64>().map_err(|_| wrong(name, value));
        match name {
            "follow" => options.follow = flag()?,
            "previous" => options.previous = flag()?,
            "timestamps" => options.timestamps = flag()?,
            // The older name, with a word for "all of it".
            "tail" if value == "all" => options.tail = None,
            "tailLines" | "tail" => options.tail = Some(number()?),
            "limitBytes" => {
                options.limit = Some(number()?.max(1)).filter(|_| value != "0");
                options.limit.ok_or_else(|| wrong(name, value))?;
            }
            "sinceSeconds" if options.since.is_none() => {
                let seconds = number()?;
                if seconds == 0 {
                    return Err(wrong(name, value));
                }
                options.since = Some(Since::Ago(Duration::from_secs(seconds)));
            }
            "sinceTime" if options.since.is_none() => {
                let time = Timestamp::parse(value).ok_or_else(|| wrong(name, value))?;
                options.since = Some(Since::At(time));
            }
            "sinceSeconds" | "sinceTime" => {
                let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
                return Err(Refusal::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, text));
            }
            _ => {}
        }
    }
    Ok(options)
}

impl Options {
    fn since(&self, now: Timestamp) -> Option<Timestamp> {
        match self.since? {
            Since::At(time) => Some(time),
            Since::Ago(span) => {
                let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
                Timestamp::from_micros(now.micros().saturating_sub(micros))
            }
        }
    }
}

/// The log as a body that comes as it is read.
pub async fn get(
    axum::extract::State(state): Shared,
    Path((namespace, name, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let options = options(query.as_deref().unwrap_or_default())?;
    let pod = pod(&state, &namespace, &name, None).await?;
    let container_name = container.parse::<ContainerName>().ok();
    let known = container_name.filter(|name| pod.container_status(name.as_str()).is_some());
    if known.is_none() {
        let text = format!("container {container:?} not found in pod {name:?}");
        return Err(Refusal::not_found(text));
    }
    let run = log_run::run(&pod, &container, options.previous);
    let run = run.map_err(|error| Refusal::bad(error.to_string()))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let log = Log {
        state,
        lines: Lines::new(String::new(), options.timestamps, options.limit),
        options,
        run,
        seen: OneRun::default(),
        over: None,
        last: None,
        sender,
    };
    // The task is the body's: when nobody wants that any more, it ends at its next word.
    let writing = tokio::spawn(log.write());
    let body =
        futures_util::stream::unfold((receiver, writing), |(mut receiver, writing)| async move {
            let part: Bytes = receiver.recv().await?;
            Some((Ok::<_, Infallible>(part), (receiver, writing)))
        });
    let mut response = Response::new(Body::from_stream(body));
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Ok(response)
}

/// The client has gone, or has all it wanted.
struct Enough;

enum Stop {
    Enough,
    Journal(JournalError),
}

impl From<Enough> for Stop {
    fn from(_: Enough) -> Self {
        Self::Enough
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// A log that is being written to a client.
struct Log {
    state: Arc<State>,
    options: Options,
    run: Run,
    lines: Lines,
    /// What is known of the run while it is followed.
    seen: OneRun,
    /// The run is over: what the next one writes has been seen, which began then.
    over: Option<Timestamp>,
    /// Where the last entry stands that was looked at.
    last: Option<Place>,
    sender: mpsc::Sender<Bytes>,
}

impl Log {
    async fn write(mut self) {
        let sender = self.sender.clone();
        let result = tokio::select! {
            result = self.all() => result,
            () = sender.closed() => return,
        };
        if let Err(Stop::Journal(error)) = result {
            let (pod, container) = (&self.run.pod, &self.run.container);
            log::warn!(
                "the log of {container} in pod {pod}: {}",
                crate::chain::line(&error)
            );
        }
    }

    async fn all(&mut self) -> Result<(), Stop> {
        if !(self.options.follow && self.run.running) {
            // Of a run that has just ended, some may still be on its way.
            sync().await;
            return self.read(self.run.next).await;
        }
        let key = self.run.pod.clone();
        let Ok(mut changes) = self.state.pods.follow(key).await else {
            return Ok(());
        };
        // First, so that nothing falls between what is read and what is heard.
        let mut follower = self.state.hub.follow(&self.run.unit);
        self.read(None).await?;
        let next = loop {
            if self.over.is_some() {
                break self.over;
            }
            tokio::select! {
                news = follower.next() => self.hear(news, &mut follower).await?,
                next = over(&mut changes, &self.run) => break next,
            }
        };
        // What the run wrote last may still be on its way.
        sync().await;
        let until = next.or(Some(crate::host::clock::timestamp()));
        drop(follower);
        self.over = None;
        self.read(until).await
    }

    async fn hear(
        &mut self,
        news: Result<Vec<Arc<Entry>>, Behind>,
        follower: &mut Follower,
    ) -> Result<(), Stop> {
        let Ok(entries) = news else {
            // More was written than is kept for those who are slow: it is all in the journal.
            follower.forget();
            return self.read(None).await;
        };
        let since = self.since();
        let mut text = Vec::new();
        for entry in &entries {
            let last = self.last.as_ref();
            if !last.is_none_or(|last| entry.place.is_after(last)) {
                continue;
            }
            if !self.is_ours(entry).await {
                break;
            }
            self.last = Some(entry.place.clone());
            if entry.time >= since {
                text.append(&mut self.lines.text([&**entry]));
            }
        }
        Ok(self.send(text).await?)
    }

    /// Whether an entry is of this run, or of the next one, which has begun then.
    async fn is_ours(&mut self, entry: &Entry) -> bool {
        let mut began = None;
        let next = async {
            began = next_start(&self.state, &self.run).await;
            Ok::<_, Infallible>(began)
        };
        let Ok(ours) = self.seen.has(entry, next).await;
        if !ours {
            self.over = began;
        }
        ours
    }

    fn since(&self) -> Option<Timestamp> {
        self.run
            .started
            .max(self.options.since(crate::host::clock::timestamp()))
    }

    /// Sends what the journal has, from where we are. While a client takes nothing, nobody reads for it.
    async fn read(&mut self, until: Option<Timestamp>) -> Result<(), Stop> {
        if self.options.tail == Some(0) && self.last.is_none() {
            return self.skip(until).await;
        }
        while let Some(text) = self.stretch(until).await? {
            self.send(text).await?;
        }
        Ok(())
    }

    fn query(&self, until: Option<Timestamp>) -> Query {
        Query {
            unit: Some(self.run.unit.clone()),
            since: self.since(),
            until,
            tail: self.options.tail.filter(|_| self.last.is_none()),
            follow: false,
            after: self.last.as_ref().map(|last| last.cursor.to_string()),
        }
    }

    /// Reads and sends until all has been read (`None`), or the client takes no more: gives what it is to have next.
    async fn stretch(&mut self, until: Option<Timestamp>) -> Result<Option<Vec<u8>>, Stop> {
        if self.over.is_some() {
            return Ok(None);
        }
        // Readers are processes: there are only so many at a time.
        let _place = self.state.hub.reader().await;
        let mut reader = Reader::start(self.query(until))?;
        let mut text = Vec::new();
        loop {
            let ready = reader.take()?;
            if text.len() >= PART || (ready.is_none() && !text.is_empty()) {
                match timeout(SLOW, self.sender.reserve()).await {
                    Ok(Ok(place)) => place.send(std::mem::take(&mut text).into()),
                    Ok(Err(_)) => return Err(Stop::Enough),
                    Err(_) => return Ok(Some(text)),
                }
            }
            let entry = match ready {
                Some(entry) => Some(entry),
                None => reader.next().await?,
            };
            let Some(entry) = entry else { return Ok(None) };
            // Where the end is known, the reader keeps to it.
            if until.is_none() && !self.is_ours(&entry).await {
                return Ok((!text.is_empty()).then_some(text));
            }
            text.append(&mut self.lines.text([&entry]));
            self.last = Some(entry.place);
            if self.lines.is_full() {
                // Sending finds that it is the end.
                return Ok(Some(text));
            }
        }
    }

    /// None of the lines that are there: only where the last one stands.
    async fn skip(&mut self, until: Option<Timestamp>) -> Result<(), Stop> {
        let _place = self.state.hub.reader().await;
        let tail = Some(1);
        let mut reader = Reader::start(Query {
            tail,
            ..self.query(until)
        })?;
        while let Some(entry) = reader.next().await? {
            self.last = Some(entry.place);
        }
        Ok(())
    }

    async fn send(&mut self, text: Vec<u8>) -> Result<(), Enough> {
        let done = self.lines.is_full();
        if !text.is_empty() {
            self.sender.send(text.into()).await.map_err(|_| Enough)?;
        }
        if done { Err(Enough) } else { Ok(()) }
    }
}

/// When the run after this one began. The agent may hear of it later than of what that writes, so systemd is asked too.
async fn next_start(state: &State, run: &Run) -> Option<Timestamp> {
    let told = state.pods.one(run.pod.clone()).await.ok().flatten();
    let told = told.and_then(|pod| log_run::next_start(&pod, &run.container, run.started));
    let now = match state.systemd.run_of(&run.unit).await {
        Ok(now) => now.and_then(|now| now.started),
        Err(error) => {
            log::debug!(
                "{}; what the agent knows counts",
                crate::chain::line(&error)
            );
            None
        }
    };
    let later = now.filter(|now| run.started.is_some_and(|started| *now > started));
    told.into_iter().chain(later).min()
}

/// Waits until a run is over, and gives the time at which the next one began.
async fn over(changes: &mut super::pods::Followed, run: &Run) -> Option<Timestamp> {
    loop {
        {
            let pod = changes.borrow_and_update();
            let now = pod
                .as_ref()
                .map(|pod| log_run::run(pod, &run.container, false));
            if !matches!(now, Some(Ok(now)) if now.invocation == run.invocation && now.running) {
                return log_run::next_start(pod.as_ref()?, &run.container, run.started);
            }
        }
        // Without an agent, nobody tells of ends.
        changes.changed().await.ok()?;
    }
}

#[cfg(test)]
mod tests;
