//! `/statusz` and `/flagz`: what the agent is, for people who look.

use super::routes::{PATHS, Shared};
use crate::model::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Instant;

/// Scripts shall not read these pages: others exist for them.
const HEAD: &str = "For people: how this page looks may change at any time.\n";

/// When the API began to listen.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    at: Timestamp,
    since: Instant,
}

impl Begun {
    /// Now.
    pub fn now() -> Self {
        Self {
            at: crate::host::clock::timestamp(),
            since: Instant::now(),
        }
    }
}

/// `/statusz`: versions, and for how long it has been there.
pub async fn status(axum::extract::State(state): Shared) -> String {
    let begun = state.begun;
    page(&begun.at.to_string(), begun.since.elapsed().as_secs())
}

fn page(started: &str, seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "kubelet statusz\n{HEAD}\nStarted: {started}\nUp: {hours} hr {minutes:02} min {seconds:02} sec\n\
         Binary version: {}\nPaths: {}\n",
        env!("CARGO_PKG_VERSION"),
        PATHS.join(" ")
    )
}

/// `/flagz`: the settings of `/configz`, one a line.
pub async fn flags(axum::extract::State(state): Shared) -> String {
    lines(&state.config)
}

fn lines(config: &Value) -> String {
    let mut text = format!("kubelet flagz\n{HEAD}\n");
    for (name, value) in config.as_object().into_iter().flatten() {
        let value = match value {
            Value::String(value) => value.clone(),
            value => value.to_string(),
        };
        // A string takes it.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_for_people() {
        let text = page("2026-01-02T03:04:05Z", 3 * 3600 + 62);
        assert!(text.contains("\nStarted: 2026-01-02T03:04:05Z\nUp: 3 hr 01 min 02 sec\n"));
        assert!(text.contains(" /healthz"), "{text}");
        let text = lines(&json!({ "port": 10250, "name": "n1" }));
        assert!(text.ends_with("\nport=10250\nname=n1\n"), "{text}");
    }
}
