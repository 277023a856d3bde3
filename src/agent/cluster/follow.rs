//! Follows a set of objects: lists them, then watches, and lists again after every doubt.

use super::api::{CallError, Server};
use super::retry::Retry;
use futures_util::StreamExt as _;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

/// Failures in a row after which the server is said to be lost.
const PATIENCE: u32 = 2;

/// What has become known.
#[derive(Debug)]
pub enum News {
    /// All there are, in this state of the cluster.
    All {
        /// The list's resourceVersion.
        version: String,
        /// The objects.
        items: Vec<Value>,
    },
    /// One is new or has changed.
    Changed(Box<Value>),
    /// One was deleted; this is its last state.
    Deleted(Box<Value>),
    /// Nothing but that the cluster's state has this version now.
    Mark(String),
    /// The server cannot be asked; said once until it can be again.
    Lost(String),
}

/// Follows what `path`, with a query, lists, until nobody listens any more.
pub async fn follow(server: Server, path: String, news: Sender<News>) {
    let mut retry = Retry::default();
    loop {
        let Err(error) = round(&server, &path, &news, &mut retry).await else {
            return;
        };
        if let Some(error) = error {
            // A moment without an answer is nothing to tell of.
            let lost = News::Lost(crate::chain::line(&error));
            if retry.failures() == PATIENCE && news.send(lost).await.is_err() {
                return;
            }
            tokio::select! {
                () = retry.wait() => {}
                () = news.closed() => return,
            }
        }
    }
}

/// Lists, and watches for as long as that goes well. `Ok` when nobody listens; `Err(None)` to list again at once.
async fn round(
    server: &Server,
    path: &str,
    news: &Sender<News>,
    retry: &mut Retry,
) -> Result<(), Option<CallError>> {
    let mut list = server.get(path).await.map_err(Some)?;
    let version = list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let mut version = version.to_owned();
    let items = match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    retry.reset();
    let all = News::All {
        version: version.clone(),
        items,
    };
    if news.send(all).await.is_err() {
        return Ok(());
    }
    loop {
        let mut events = Box::pin(server.watch(path, &version).await.map_err(Some)?);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = news.closed() => return Ok(()),
            };
            let told = match event {
                None => break,
                Some(Err(error)) => return Err(Some(error)),
                // 410: what came between is not known any more.
                Some(Ok(WatchEvent::Error(status))) if status.code == 410 => return Err(None),
                Some(Ok(WatchEvent::Error(status))) => {
                    return Err(Some(CallError::Server(kube::Error::Api(status))));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    version = mark.metadata.resource_version;
                    News::Mark(version.clone())
                }
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    seen(&object, &mut version);
                    News::Changed(Box::new(object))
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    seen(&object, &mut version);
                    News::Deleted(Box::new(object))
                }
            };
            if news.send(told).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn seen(object: &Value, version: &mut String) {
    if let Some(new) = object["metadata"]["resourceVersion"].as_str() {
        new.clone_into(version);
    }
}
