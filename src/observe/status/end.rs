//! How a run ended, from its record or from systemd, and what Kubernetes calls that.

use crate::model::observed::{CurrentRun, RunRecord};
use crate::model::status::Terminated;
use crate::model::time::Timestamp;
use std::time::Duration;

/// The exit codes that systemd uses when it fails before the program begins (systemd.exec(5), "Process Exit
/// Codes").
const SYSTEMD_CODES: std::ops::RangeInclusive<i32> = 200..=245;
/// A run that lasted this long has begun, so that its exit code is its own.
const BEGUN: Duration = Duration::from_secs(10);
/// The exit code where there is none: what containerd reports for a program that could not be started.
const NO_CODE: i32 = 128;

/// A finished run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End<'a> {
    pub(super) invocation: &'a str,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    code: Option<i32>,
    signal: Option<i32>,
    result: &'a str,
    message: &'a str,
    /// The end was asked for.
    pub(super) stopped: bool,
    /// The hash of the spec that ran; of a run without a record it is not known.
    pub(super) spec: Option<&'a str>,
}

impl<'a> End<'a> {
    pub(super) fn of_record(record: &'a RunRecord) -> Self {
        Self {
            invocation: &record.invocation,
            started: record.started,
            finished: Some(record.finished),
            code: record.exit_code,
            signal: record.signal,
            result: &record.result,
            message: &record.message,
            stopped: record.stopped,
            spec: Some(&record.spec),
        }
    }

    /// The end of what systemd has as the last run of a unit in which nothing runs; `None` when there was none.
    pub(super) fn of_run(run: &'a CurrentRun) -> Option<Self> {
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED of siginfo_t.
        let (code, signal) = match run.exit_code_kind {
            1 => (Some(run.exit_status), None),
            2 | 3 => (None, Some(run.exit_status)),
            _ => (None, None),
        };
        let failed_before = run.started.is_none() && !matches!(&*run.result, "" | "success");
        let ended = run.finished.is_some() && (code.is_some() || signal.is_some());
        (ended || failed_before).then_some(Self {
            invocation: &run.invocation,
            started: run.started,
            finished: run.finished,
            code,
            signal,
            result: &run.result,
            message: "",
            stopped: false,
            spec: None,
        })
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.spec.is_some()
    }

    /// Exit code 0 and nothing else.
    pub(super) fn is_good(&self) -> bool {
        self.exit_code() == 0
    }

    /// What systemd decides by whether it starts the unit again.
    pub(super) fn code_of_systemd(&self) -> i32 {
        self.code.unwrap_or_else(|| self.exit_code())
    }

    /// As a kubelet with containerd has it: a program that did not begin has no code of its own, and systemd's for that
    /// could be mistaken for one.
    pub(super) fn exit_code(&self) -> i32 {
        match (self.code, self.signal) {
            (Some(code), _) if self.not_begun(code) => NO_CODE,
            (Some(code), _) => code,
            (None, Some(signal)) => 128 + signal,
            (None, None) if self.result == "oom-kill" => 128 + 9,
            (None, None) => NO_CODE,
        }
    }

    pub(super) fn terminated(&self) -> Terminated {
        let (reason, why) = self.reason();
        let message = match self.message {
            "" => why,
            message => Some(message.to_owned()),
        };
        Terminated {
            exit_code: self.exit_code(),
            reason: reason.to_owned(),
            message,
            started_at: self.started,
            finished_at: self.finished,
            container_id: container_id(self.invocation),
        }
    }

    /// Kubernetes' word, and a sentence where the word does not say enough.
    fn reason(&self) -> (&'static str, Option<String>) {
        if self.result == "oom-kill" {
            return ("OOMKilled", None);
        }
        match (self.code, self.signal) {
            (Some(0), _) => ("Completed", None),
            (Some(code), _) if self.not_begun(code) => ("StartError", Some(step(code))),
            (None, None) => {
                let result = self.result;
                let why = format!("systemd could not start the program: {result}");
                ("StartError", Some(why))
            }
            _ => ("Error", None),
        }
    }

    /// Whether the code is systemd's, for something that failed before the program.
    fn not_begun(&self, code: i32) -> bool {
        SYSTEMD_CODES.contains(&code) && !self.lasted()
    }

    fn lasted(&self) -> bool {
        let span = self.finished.zip(self.started);
        span.is_some_and(|(finished, started)| finished.since(started) >= BEGUN)
    }
}

/// The API's form of an InvocationID.
pub(super) fn container_id(invocation: &str) -> Option<String> {
    (!invocation.is_empty()).then(|| format!("systemd://{invocation}"))
}

/// What systemd was at when it failed, in words.
fn step(code: i32) -> String {
    let (name, what) = match code {
        200 => (
            "CHDIR",
            "the working directory is not there or cannot be entered",
        ),
        203 => ("EXEC", "the program is not there or cannot be executed"),
        205 => ("LIMITS", "a resource limit could not be set"),
        209 => ("STDOUT", "standard output could not be connected"),
        210 => ("CHROOT", "the root directory could not be entered"),
        216 => ("GROUP", "the group could not be taken on"),
        217 => ("USER", "the user could not be taken on"),
        218 => ("CAPABILITIES", "capabilities could not be set"),
        219 => ("CGROUP", "the control group could not be set up"),
        225 => ("NETWORK", "the network namespace could not be joined"),
        226 => (
            "NAMESPACE",
            "the mounts could not be made: is every path there?",
        ),
        228 => ("SECCOMP", "the system call filter could not be set"),
        243 => ("CREDENTIALS", "the credentials could not be read"),
        _ => ("systemd.exec(5)", "setting up the process failed"),
    };
    format!("could not be started: {what} ({code}/{name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(code: Option<i32>, signal: Option<i32>, result: &str) -> RunRecord {
        let time = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        RunRecord {
            invocation: "abc".into(),
            started: Some(time(100)),
            finished: time(103),
            exit_code: code,
            signal,
            result: result.into(),
            message: "".into(),
            spec: "h".into(),
            stopped: false,
        }
    }

    #[test]
    fn ends_have_kubernetes_words() {
        let cases = [
            (Some(0), None, "success", 0, "Completed"),
            (Some(3), None, "exit-code", 3, "Error"),
            (None, Some(9), "signal", 137, "Error"),
            (None, Some(11), "core-dump", 139, "Error"),
            (None, Some(15), "timeout", 143, "Error"),
            (None, Some(9), "oom-kill", 137, "OOMKilled"),
            (None, None, "oom-kill", 137, "OOMKilled"),
            (Some(203), None, "exit-code", 128, "StartError"),
            (Some(226), None, "exit-code", 128, "StartError"),
            (Some(199), None, "exit-code", 199, "Error"),
            (None, None, "resources", 128, "StartError"),
        ];
        for (code, signal, result, exit_code, reason) in cases {
            let record = record(code, signal, result);
            let found = End::of_record(&record).terminated();
            assert_eq!(
                (found.exit_code, &*found.reason),
                (exit_code, reason),
                "{record:?}"
            );
            assert_eq!(found.container_id.as_deref(), Some("systemd://abc"));
            assert_eq!(found.message.is_some(), reason == "StartError");
        }
    }

    #[test]
    fn a_program_that_ran_has_its_own_exit_code() {
        let mut long = record(Some(203), None, "exit-code");
        long.finished = Timestamp::from_micros(200_000_000).unwrap();
        let ended = End::of_record(&long).terminated();
        assert_eq!((ended.exit_code, &*ended.reason), (203, "Error"));
        let mut record = record(Some(203), None, "exit-code");
        assert!(
            End::of_record(&record)
                .terminated()
                .message
                .unwrap()
                .contains("203/EXEC")
        );
        record.message = "said so".into();
        assert_eq!(
            End::of_record(&record).terminated().message.as_deref(),
            Some("said so")
        );
    }

    #[test]
    fn runs_of_systemd_are_ends_only_when_they_have_ended() {
        let run = CurrentRun {
            started: Timestamp::from_micros(1),
            result: "success".into(),
            ..CurrentRun::default()
        };
        assert_eq!(End::of_run(&run), None);
        assert_eq!(End::of_run(&CurrentRun::default()), None);
        let killed = CurrentRun {
            finished: Timestamp::from_micros(2),
            exit_code_kind: 2,
            exit_status: 9,
            ..run
        };
        assert_eq!(End::of_run(&killed).unwrap().terminated().exit_code, 137);
        let unstarted = CurrentRun {
            result: "resources".into(),
            ..CurrentRun::default()
        };
        assert_eq!(
            End::of_run(&unstarted).unwrap().terminated().reason,
            "StartError"
        );
    }
}
