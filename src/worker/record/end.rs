//! How a run ended, in systemd's words, and what follows from it. Pure.

use crate::model::pod::ContainerRole;
use crate::model::restart::Restarts;
use crate::model::time::Timestamp;
use nix::sys::signal::Signal;
use std::str::FromStr as _;
use std::time::Duration;

/// A container that ran for this long was well: its back-off begins anew (kubelet: twice the greatest delay).
const WELL: Duration = Duration::from_secs(600);

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Exit code, when the main process exited.
    pub exit_code: Option<i32>,
    /// Signal, when it was killed.
    pub signal: Option<i32>,
    /// systemd's result.
    pub result: String,
    /// Nobody needs to be asked whether a stop was asked for: there was none.
    pub by_itself_for_sure: bool,
}

impl End {
    /// Of an init container whose unit goes on to be active: it exited with 0.
    pub fn good() -> Self {
        Self {
            exit_code: Some(0),
            signal: None,
            result: "success".to_owned(),
            by_itself_for_sure: true,
        }
    }

    /// From `SERVICE_RESULT`, `EXIT_CODE` and `EXIT_STATUS` (systemd.exec(5)). The last two are empty when
    /// no main process was started.
    pub fn from_systemd(result: &str, code: &str, status: &str) -> Self {
        let exited = code == "exited";
        Self {
            exit_code: exited.then(|| status.parse().ok()).flatten(),
            signal: match code {
                "killed" | "dumped" => signal_number(status),
                _ => None,
            },
            result: result.to_owned(),
            by_itself_for_sure: false,
        }
    }

    /// Whether there was a run at all: not when a condition, or the limit of starts, kept it from starting.
    pub fn ran(&self) -> bool {
        !matches!(
            self.result.as_str(),
            "exec-condition" | "start-limit-hit" | ""
        )
    }

    /// Whether the container has ended for good and must not run at the next boot. Init containers run again
    /// at each boot, and a stop that was asked for is no end.
    pub fn is_final(&self, role: ContainerRole, restarts: &Restarts, asked: bool) -> bool {
        role == ContainerRole::Main && !asked && !self.runs_again(restarts)
    }
}

impl End {
    /// Whether systemd starts the container again after this end, unless a stop was asked for.
    pub fn runs_again(&self, restarts: &Restarts) -> bool {
        restarts.again(self.code(), self.is_well())
    }

    /// Exit code 0, and no hook or probe failed.
    pub fn is_well(&self) -> bool {
        self.result == "success" && self.exit_code == Some(0)
    }

    /// The exit code as the API has it: 128 and the number of a signal, and 128 when there is neither.
    pub fn code(&self) -> i32 {
        let killed = self.signal.map(|signal| 128 + signal);
        self.exit_code.or(killed).unwrap_or(128)
    }
}

/// Whether a run was so long that the delay before the next start goes back to the first one.
pub(super) fn was_well(started: Option<Timestamp>, finished: Timestamp) -> bool {
    let lasted = started.map(|started| finished.since(started));
    lasted.is_some_and(|lasted| lasted >= WELL)
}

/// The number of a signal by the name that systemd gives it: `KILL`, `RTMIN+3`, or a number.
fn signal_number(name: &str) -> Option<i32> {
    // glibc keeps the first two real-time signals for itself.
    let realtime = |offset: &str| offset.parse::<i32>().ok().map(|offset| 34 + offset);
    let named = |name: &str| Signal::from_str(&format!("SIG{name}")).map(|signal| signal as i32);
    match name.strip_prefix("RTMIN") {
        Some("") => Some(34),
        Some(offset) => realtime(offset.trim_start_matches('+')),
        None => named(name).ok().or_else(|| name.parse().ok()),
    }
}

/// The last bytes of a termination message as text of at most `limit` bytes: what is not UTF-8 becomes
/// U+FFFD, also a character whose beginning was cut off.
pub(super) fn message(bytes: &[u8], limit: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod::RestartPolicy::{self, Always, Never, OnFailure};

    fn restarts(policy: RestartPolicy) -> Restarts {
        Restarts {
            policy,
            rules: vec![],
        }
    }

    #[test]
    fn systemds_words_become_numbers() {
        let end = |code, status| End::from_systemd("x", code, status);
        assert_eq!(end("exited", "3").exit_code, Some(3));
        assert_eq!(end("exited", "3").signal, None);
        assert_eq!(end("killed", "KILL").signal, Some(9));
        assert_eq!(end("dumped", "ABRT").signal, Some(6));
        assert_eq!(end("killed", "RTMIN+3").signal, Some(37));
        assert_eq!(end("killed", "RTMIN").signal, Some(34));
        assert_eq!(end("killed", "64").signal, Some(64));
        assert_eq!(end("killed", "KILL").exit_code, None);
        assert_eq!((end("", "").exit_code, end("", "").signal), (None, None));
    }

    #[test]
    fn what_never_started_is_no_run() {
        assert!(!End::from_systemd("exec-condition", "", "").ran());
        assert!(!End::from_systemd("start-limit-hit", "", "").ran());
        for result in ["success", "exit-code", "resources", "oom-kill", "timeout"] {
            assert!(End::from_systemd(result, "", "").ran(), "{result}");
        }
    }

    #[test]
    fn only_an_end_by_itself_that_the_policy_accepts_is_final() {
        let good = End::from_systemd("success", "exited", "0");
        let bad = End::from_systemd("exit-code", "exited", "1");
        let killed = End::from_systemd("success", "killed", "TERM");
        let hook = End::from_systemd("exit-code", "exited", "0");
        let cases = [
            (&good, Always, false, false),
            (&good, OnFailure, false, true),
            (&good, OnFailure, true, false),
            (&bad, OnFailure, false, false),
            (&killed, OnFailure, false, false),
            (&hook, OnFailure, false, false),
            (&bad, Never, false, true),
            (&killed, Never, false, true),
            (&good, Never, true, false),
        ];
        for (end, policy, asked, is_final) in cases {
            let role = ContainerRole::Main;
            assert_eq!(
                end.is_final(role, &restarts(policy), asked),
                is_final,
                "{end:?} {policy:?}"
            );
            for role in [ContainerRole::Init, ContainerRole::Sidecar] {
                assert!(!end.is_final(role, &restarts(policy), asked));
            }
        }
    }

    #[test]
    fn ten_minutes_end_the_back_off() {
        let at = |seconds: u64| Timestamp::from_micros((1 << 40) + seconds * 1_000_000).unwrap();
        assert!(was_well(Some(at(0)), at(600)));
        assert!(!was_well(Some(at(0)), at(599)));
        assert!(!was_well(None, at(0)));
        // A clock that was set back.
        assert!(!was_well(Some(at(700)), at(0)));
    }

    #[test]
    fn a_message_is_text_of_limited_length() {
        assert_eq!(message(b"all well\n", 4096), "all well\n");
        assert_eq!(message(b"\xa4\xc3\xa4", 4096), "\u{fffd}ä");
        assert_eq!(message(&[0xff; 4], 7), "\u{fffd}\u{fffd}");
        assert_eq!(message("ää".as_bytes(), 3), "ä");
    }
}
