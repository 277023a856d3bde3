//! The last lines of a run, for containers that say why they failed in their log only.

use crate::chain;
use crate::host::journald;
use crate::model::name::UnitName;
use crate::model::time::Timestamp;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How much of it counts (kubelet: MaxContainerTerminationMessageLogLines, MaxContainerTerminationMessageLogLength).
const LINES: &str = "80";
const BYTES: usize = 2048;

/// The end of what a unit has printed since its start; empty when it cannot be read, which is said.
pub(super) fn of(unit: &UnitName, started: Option<Timestamp>, patience: Duration) -> String {
    if let Err(error) = journald::synchronize(patience) {
        log::warn!("{}", chain::line(&error));
    }
    let mut journalctl = Command::new("journalctl");
    journalctl
        .args([
            "--quiet",
            "--no-pager",
            "--output=cat",
            "--reverse",
            "--lines",
            LINES,
        ])
        .arg(format!("_SYSTEMD_UNIT={unit}"))
        .arg("_TRANSPORT=stdout")
        .stdin(Stdio::null());
    if let Some(micros) = started.map(Timestamp::micros) {
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        journalctl.arg(format!("--since=@{seconds}.{micros:06}"));
    }
    match journalctl.output() {
        Ok(output) if output.status.success() => in_order(&output.stdout),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            log::warn!("the log of {unit} cannot be read: {}", why.trim());
            String::new()
        }
        Err(error) => {
            log::warn!("the log of {unit} cannot be read: cannot start journalctl: {error}");
            String::new()
        }
    }
}

/// Lines that came last first, in their order, as far as they fit from the end.
fn in_order(reversed: &[u8]) -> String {
    let text = String::from_utf8_lossy(reversed);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.reverse();
    let mut all: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let mut begin = all.len().saturating_sub(BYTES);
    while !all.is_char_boundary(begin) {
        begin += 1;
    }
    all.split_off(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_log_is_kept() {
        assert_eq!(in_order(b"three\ntwo\none\n"), "one\ntwo\nthree\n");
        assert_eq!(in_order(b""), "");
        let long = format!("{}\nfirst\n", "ä".repeat(2000));
        let kept = in_order(long.as_bytes());
        assert!(kept.len() <= BYTES && kept.ends_with("ä\n"));
    }
}
