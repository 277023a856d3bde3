//! `/logs`: files below `/var/log`, and with `?query=` what units of the host have written to the journal.

use super::refusal::Refusal;
use super::remote::pairs;
use super::routes::Shared;
use crate::model::time::Timestamp;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery};
use axum::response::{Html, IntoResponse as _, Response};
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Where files are shown from.
const ROOT: &str = "/var/log";
/// Units of one query.
const MOST_UNITS: usize = 8;
/// The most lines that may be asked for (the kubelet's bound).
const MOST_LINES: u64 = 100_000;
/// Bytes that are read and sent at once.
const AT_ONCE: usize = 32 << 10;
/// How long a client may take nothing.
const SLOW: Duration = Duration::from_secs(30);
/// Entries of a directory that are listed.
const MOST_ENTRIES: usize = 4096;

/// `/logs/`: units by `?query=`, or the directory.
pub async fn get(state: Shared, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    match pairs.iter().any(|(name, _)| name == "query") {
        true => units(state, &pairs).await,
        false => show(String::new()).await,
    }
}

/// `/logs/PATH`: a file or directory.
pub async fn file(Path(path): Path<String>) -> Result<Response, Refusal> {
    show(path).await
}

/// The arguments of journalctl for a query.
fn arguments(pairs: &[(String, String)]) -> Result<Vec<String>, Refusal> {
    let mut arguments: Vec<String> = ["--utc", "--no-pager", "--output=short-precise", "--quiet"]
        .map(str::to_owned)
        .into();
    let wrong =
        |name: &str, value: &str| Refusal::bad(format!("invalid value {value:?} for {name}"));
    let mut units = 0;
    for (name, value) in pairs {
        match name.as_str() {
            "query" => {
                let letter = |c: char| c.is_ascii_alphanumeric() || "_.:@-\\".contains(c);
                let good =
                    !value.is_empty() && !value.starts_with('-') && value.chars().all(letter);
                units += 1;
                if !good || units > MOST_UNITS {
                    return Err(wrong(name, value));
                }
                arguments.push(format!("--unit={value}"));
            }
            "sinceTime" | "untilTime" => {
                let time = Timestamp::parse(value).ok_or_else(|| wrong(name, value))?;
                let option = if name == "sinceTime" {
                    "since"
                } else {
                    "until"
                };
                let micros = time.micros();
                arguments.push(format!(
                    "--{option}=@{}.{:06}",
                    micros / 1_000_000,
                    micros % 1_000_000
                ));
            }
            "tailLines" => {
                let lines = value
                    .parse()
                    .ok()
                    .filter(|lines| (1..=MOST_LINES).contains(lines));
                let lines = lines.ok_or_else(|| wrong(name, value))?;
                arguments.push(format!("--lines={lines}"));
            }
            "pattern" if !value.contains('\0') => arguments.push(format!("--grep={value}")),
            "boot" => {
                let boot: i32 = value.parse().map_err(|_| wrong(name, value))?;
                if boot > 0 {
                    return Err(wrong(name, value));
                }
                arguments.push(format!("--boot={boot}"));
            }
            _ => return Err(Refusal::bad(format!("unknown parameter {name:?}"))),
        }
    }
    Ok(arguments)
}

async fn units(state: Shared, pairs: &[(String, String)]) -> Result<Response, Refusal> {
    let arguments = arguments(pairs)?;
    let failed = |error: io::Error| Refusal::failed(&error);
    // Readers are processes: there are only so many at a time.
    let place = state.hub.reader().await;
    let mut child = Command::new("journalctl")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut output = child
        .stdout
        .take()
        .ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let (sender, receiver) = mpsc::channel(1);
    // It ends with the body: who does not listen is noticed at the next word, and journalctl goes with it.
    tokio::spawn(async move {
        let _place = place;
        let read = async {
            let mut bytes = vec![0; AT_ONCE];
            while let Ok(count @ 1..) = output.read(&mut bytes).await {
                let part = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
                // Who takes nothing for so long has no use for the rest.
                if !matches!(timeout(SLOW, sender.send(part)).await, Ok(Ok(()))) {
                    break;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = sender.closed() => {}
        }
        drop(child);
    });
    Ok(body(receiver))
}

fn body(receiver: mpsc::Receiver<Bytes>) -> Response {
    let parts = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let part = receiver.recv().await?;
        Some((Ok::<_, Infallible>(part), receiver))
    });
    Response::new(Body::from_stream(parts))
}

enum Shown {
    Directory(String),
    File(File),
}

async fn show(path: String) -> Result<Response, Refusal> {
    let absent = || Refusal::not_found("404 page not found");
    let opened = tokio::task::spawn_blocking(move || open(&path)).await;
    let shown = opened
        .map_err(|error| Refusal::failed(&error))?
        .map_err(|_| absent())?;
    let mut file = match shown {
        Shown::Directory(text) => return Ok(Html(text).into_response()),
        Shown::File(file) => file,
    };
    let (sender, receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; AT_ONCE];
        while let Ok(count @ 1..) = file.read(&mut bytes) {
            let part = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
            if sender.blocking_send(part).is_err() {
                return;
            }
        }
    });
    Ok(body(receiver))
}

/// Opens what is really below the directory: no link leads out of it.
fn open(path: &str) -> io::Result<Shown> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let root = rustix::fs::open(ROOT, flags | OFlags::DIRECTORY, Mode::empty())?;
    let below = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let path = path.trim_matches('/');
    let path = if path.is_empty() { "." } else { path };
    let found: OwnedFd = rustix::fs::openat2(root, path, flags, Mode::empty(), below)?;
    let file = File::from(found);
    let meta = file.metadata()?;
    match (meta.is_dir(), meta.is_file()) {
        (true, _) => Ok(Shown::Directory(list(&file)?)),
        (_, true) => Ok(Shown::File(file)),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn list(directory: &File) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)?.take(MOST_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let slash = if entry.file_type().is_dir() { "/" } else { "" };
        if name != "." && name != ".." {
            names.push(format!("{name}{slash}"));
        }
    }
    names.sort();
    let mut text = String::from("<!doctype html>\n<pre>\n");
    for name in names {
        let name = name
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        text += &format!("<a href=\"{name}\">{name}</a>\n");
    }
    text += "</pre>\n";
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_become_arguments() {
        let of = |query: &str| arguments(&pairs(query)).map(|found| found[4..].join(" "));
        assert_eq!(
            of("query=vks.service&query=ssh&tailLines=5&boot=-1&pattern=a%20b").unwrap(),
            "--unit=vks.service --unit=ssh --lines=5 --boot=-1 --grep=a b"
        );
        assert_eq!(
            of("query=a&sinceTime=2026-01-31T12:00:00Z").unwrap(),
            "--unit=a --since=@1769860800.000000"
        );
        for wrong in [
            "query=",
            "query=-a",
            "query=a/b",
            "query=a%20b",
            "query=a&tailLines=0",
            "query=a&tailLines=x",
            "query=a&boot=1",
            "query=a&sinceTime=x",
            "query=a&other=1",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_above_the_directory_is_shown() {
        for path in [
            "../../etc/passwd",
            "/../../etc/passwd",
            "a/../../../etc/passwd",
        ] {
            assert!(open(path).is_err(), "{path}");
        }
    }
}
