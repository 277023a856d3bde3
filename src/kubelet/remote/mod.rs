//! Programs in containers for those who are elsewhere: exec, attach and run.

mod attach;
pub mod client;
mod connect;
mod process;
pub mod status;

use super::refusal::Refusal;
use super::routes::Shared;
use super::state::State;
use crate::model::name::{ContainerName, PodKey};
use crate::model::view::{ContainerHandle, PodView};
use axum::extract::{Path, RawQuery, Request};
use axum::response::Response;
use hyper::StatusCode;
use std::sync::Arc;

pub use connect::{Upgrade, socket, spdy, taken, upgrade_of, version};

/// The most bytes that `/run` gives back.
const MOST_OUTPUT: usize = 1 << 20;

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// It types.
    pub stdin: bool,
    /// It wants to see standard output.
    pub stdout: bool,
    /// It wants to see standard error.
    pub stderr: bool,
    /// All that on a terminal.
    pub tty: bool,
}

/// The names and values of a query.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
        .collect()
}

/// Undoes the escapes of a query. What is no escape stays as it is.
fn unescape(text: &str) -> String {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, more @ ..]) => match digit(high).zip(digit(low)) {
                Some((high, low)) => {
                    bytes.push(high << 4 | low);
                    rest = more;
                }
                None => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Wanted {
    /// From a query, by the kubelet's names for them or by the API server's.
    fn of(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let is = |names: [&str; 2]| {
            let mut found = pairs
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()));
            found.any(|(_, value)| matches!(value.as_str(), "1" | "true"))
        };
        let tty = is(["tty", "tty"]);
        let wanted = Self {
            stdin: is(["input", "stdin"]),
            stdout: is(["output", "stdout"]),
            // A terminal has no two outputs.
            stderr: is(["error", "stderr"]) && !tty,
            tty,
        };
        match wanted.stdin || wanted.stdout || wanted.stderr {
            true => Ok(wanted),
            false => Err(Refusal::bad(
                "you must specify at least 1 of stdin, stdout, stderr",
            )),
        }
    }
}

/// The parts of a path.
#[derive(Debug, serde::Deserialize)]
pub struct Names {
    namespace: String,
    pod: String,
    uid: Option<String>,
    container: String,
}

/// The key of a pod; 404 for what is no name.
pub fn key(namespace: &str, name: &str) -> Result<PodKey, Refusal> {
    let absent = || Refusal::not_found(format!("pod \"{name}_{namespace}\" does not exist"));
    Ok(PodKey {
        namespace: namespace.parse().map_err(|_| absent())?,
        name: name.parse().map_err(|_| absent())?,
    })
}

/// A pod of this node; 404 when there is none, or another one of the same name.
pub async fn pod(
    state: &State,
    namespace: &str,
    name: &str,
    uid: Option<&str>,
) -> Result<Arc<PodView>, Refusal> {
    let found = state.pods.one(key(namespace, name)?).await?;
    let is = |pod: &Arc<PodView>| {
        let found = pod.report.uid.as_ref().map(|uid| uid.as_str());
        uid.is_none_or(|uid| found == Some(uid))
    };
    let absent = || Refusal::not_found(format!("pod \"{name}_{namespace}\" does not exist"));
    found.filter(is).ok_or_else(absent)
}

/// A container that runs.
fn running(pod: &PodView, names: &Names) -> Result<ContainerHandle, Refusal> {
    let parsed = names.container.parse::<ContainerName>().ok();
    let known = parsed.filter(|name| {
        pod.containers()
            .any(|(_, found)| found["name"] == name.as_str())
    });
    let Some(name) = known else {
        let text = format!("container not found (\"{}\")", names.container);
        return Err(Refusal::not_found(text));
    };
    let handle = pod.handle(&name).filter(|handle| handle.main_pid != 0);
    handle.ok_or_else(|| {
        let text = format!(
            "container {:?} in pod {:?} is not running",
            names.container, names.pod
        );
        Refusal::bad(text)
    })
}

/// `/exec`: a program of its own.
pub async fn exec(
    axum::extract::State(state): Shared,
    Path(names): Path<Names>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Refusal> {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    let wanted = Wanted::of(&pairs)?;
    let command = pairs.into_iter().filter(|(name, _)| name == "command");
    let command: Vec<String> = command.map(|(_, value)| value).collect();
    if command.is_empty() {
        return Err(Refusal::bad(
            "you must specify a command: add command= to the query",
        ));
    }
    let pod = pod(&state, &names.namespace, &names.pod, names.uid.as_deref()).await?;
    let pid = running(&pod, &names)?.main_pid;
    let place = state.sessions.place().ok_or_else(too_many)?;
    let (response, connecting) = connect::connect(request, wanted).await?;
    let usher = state.usher.clone();
    state.sessions.begin(place, async move {
        if let Some(mut client) = connecting.await {
            let end = process::run(&usher, pid, command, wanted.tty, &mut client).await;
            finish(client, end).await;
        }
    });
    Ok(response)
}

/// `/attach`: the container's own main process.
pub async fn attach(
    axum::extract::State(state): Shared,
    Path(names): Path<Names>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&pairs(query.as_deref().unwrap_or_default()))?;
    let pod = pod(&state, &names.namespace, &names.pod, names.uid.as_deref()).await?;
    running(&pod, &names)?;
    let target = attach::Target::of(&pod, &names.container, &state.layout)?;
    let place = state.sessions.place().ok_or_else(too_many)?;
    let (response, connecting) = connect::connect(request, wanted).await?;
    let shared = Arc::clone(&state);
    state.sessions.begin(place, async move {
        if let Some(mut client) = connecting.await {
            let end = target.attach(&shared, &mut client).await;
            finish(client, end).await;
        }
    });
    Ok(response)
}

/// Tells the client how it ended, if it is still there.
async fn finish(mut client: client::Client, end: Option<status::End>) {
    for output in [&mut client.stdout, &mut client.stderr]
        .into_iter()
        .flatten()
    {
        let _ = output.finish().await;
    }
    if let Some(end) = end {
        let text = end.text(client.json);
        if !text.is_empty() {
            let _ = client.end.write(&text).await;
        }
        let _ = client.end.finish().await;
        client.carrier.close().await;
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "this node has as many sessions as it can: close some",
    )
}

/// `/run`: a program, and what it wrote when it has ended.
pub async fn run(
    axum::extract::State(state): Shared,
    Path(names): Path<Names>,
    RawQuery(query): RawQuery,
) -> Result<Vec<u8>, Refusal> {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    let line = pairs.into_iter().find(|(name, _)| name == "cmd");
    let line = line.map(|(_, value)| value).unwrap_or_default();
    let command: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Refusal::bad(
            "you must specify a command: add cmd= to the query",
        ));
    }
    let pod = pod(&state, &names.namespace, &names.pod, names.uid.as_deref()).await?;
    let pid = running(&pod, &names)?.main_pid;
    let _place = state.sessions.place().ok_or_else(too_many)?;
    let result = process::collect(&state.usher, pid, command, MOST_OUTPUT).await;
    match result.map_err(|error| Refusal::failed(&error))? {
        (text, 0) => Ok(text),
        (text, code) => {
            let text = String::from_utf8_lossy(&text);
            let text = format!("command terminated with exit code {code}: {text}");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_unescaped() {
        let found = pairs("command=a%20b&command=c+d&x&=y&command=%zz%4&e=%C3%A4");
        let text: Vec<String> = found
            .iter()
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        assert_eq!(
            text,
            [
                "command:a b",
                "command:c d",
                "x:",
                ":y",
                "command:%zz%4",
                "e:ä"
            ]
        );
    }

    #[test]
    fn streams_are_asked_for_by_both_names() {
        let wanted = |query| Wanted::of(&pairs(query)).map_err(|refusal| refusal.status.as_u16());
        let all = Wanted {
            stdin: true,
            stdout: true,
            stderr: true,
            tty: false,
        };
        assert_eq!(wanted("input=1&output=1&error=1"), Ok(all));
        assert_eq!(wanted("stdin=true&stdout=true&stderr=true&tty=0"), Ok(all));
        let tty = Wanted {
            stderr: false,
            tty: true,
            ..all
        };
        assert_eq!(wanted("input=1&output=1&error=1&tty=1"), Ok(tty));
        assert_eq!(wanted("input=0"), Err(400));
    }
}
