//! How the process of a container is wired and ended: standard input, terminal, stop signal, devices.

use super::name::ContainerName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Standard input and terminal. The default is neither: reads give the end of the file at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stdio {
    /// `stdin`: input is open until somebody has written to it and gone, or for ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
    /// `stdinOnce`: it ends with the first writer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// `tty`: input and output are a terminal of the container's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
}

impl Stdio {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The signal that asks a container to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StopSignal(i32);

/// Names of Linux' signals that are not of the real-time kind, with their numbers on every platform that vks runs on.
const NAMED: [(&str, i32); 31] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];
/// The first real-time signal that the C library leaves to programs, and the last.
const REAL_TIME: (i32, i32) = (34, 64);

impl StopSignal {
    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The signal of a number, if programs can be sent it.
    pub fn numbered(number: i32) -> Option<Self> {
        let named = NAMED.iter().any(|(_, known)| *known == number);
        let real_time = (REAL_TIME.0..=REAL_TIME.1).contains(&number);
        (named || real_time).then_some(Self(number))
    }

    /// Whether it is SIGTERM.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is of the real-time kind.
    pub fn is_real_time(self) -> bool {
        self.0 >= REAL_TIME.0
    }
}

impl Default for StopSignal {
    /// SIGTERM.
    fn default() -> Self {
        Self(15)
    }
}

/// No signal has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no signal: write a name such as SIGTERM, SIGUSR1, SIGRTMIN+3 or SIGRTMAX-1")]
pub struct NoSignal(String);

impl FromStr for StopSignal {
    type Err = NoSignal;
    /// As the API writes them: `SIGTERM`, `SIGRTMIN`, `SIGRTMIN+1` to `SIGRTMIN+15`, `SIGRTMAX-14` to `SIGRTMAX`.
    fn from_str(text: &str) -> Result<Self, NoSignal> {
        let wrong = || NoSignal(text.to_owned());
        let aliases = [("SIGPOLL", 29), ("SIGIOT", 6), ("SIGCLD", 17)];
        let named = NAMED.iter().chain(&aliases);
        if let Some((_, number)) = named.into_iter().find(|(name, _)| *name == text) {
            return Ok(Self(*number));
        }
        let (first, last) = REAL_TIME;
        let offset = |digits: &str, sign: char, most: i32| -> Option<i32> {
            if digits.is_empty() {
                return Some(0);
            }
            let number = digits.strip_prefix(sign)?;
            let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
            number.parse().ok().filter(|n| plain && *n <= most)
        };
        if let Some(rest) = text.strip_prefix("SIGRTMIN") {
            return Ok(Self(first + offset(rest, '+', 15).ok_or_else(wrong)?));
        }
        if let Some(rest) = text.strip_prefix("SIGRTMAX") {
            return Ok(Self(last - offset(rest, '-', 14).ok_or_else(wrong)?));
        }
        Err(wrong())
    }
}

impl fmt::Display for StopSignal {
    /// As systemd takes it: `SIGUSR1`, `SIGRTMIN+3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "SIGRTMIN+{}", self.0 - REAL_TIME.0),
        }
    }
}

impl TryFrom<String> for StopSignal {
    type Error = NoSignal;
    fn try_from(text: String) -> Result<Self, NoSignal> {
        // What Display writes may be further from SIGRTMIN than the API goes.
        let far = text.strip_prefix("SIGRTMIN+").and_then(|n| n.parse().ok());
        match far.filter(|n: &i32| (0..=REAL_TIME.1 - REAL_TIME.0).contains(n)) {
            Some(offset) => Ok(Self(REAL_TIME.0 + offset)),
            None => text.parse(),
        }
    }
}

impl From<StopSignal> for String {
    fn from(signal: StopSignal) -> Self {
        signal.to_string()
    }
}

/// A device of the host that containers may use (annotation `vks.io/device`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The container; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// Its node: a path below `/dev`.
    pub path: String,
    /// What of reading (`r`), writing (`w`) and making nodes (`m`) is allowed.
    pub access: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number, shown) in [
            ("SIGTERM", 15, "SIGTERM"),
            ("SIGUSR1", 10, "SIGUSR1"),
            ("SIGPOLL", 29, "SIGIO"),
            ("SIGRTMIN", 34, "SIGRTMIN+0"),
            ("SIGRTMIN+15", 49, "SIGRTMIN+15"),
            ("SIGRTMAX-14", 50, "SIGRTMIN+16"),
            ("SIGRTMAX", 64, "SIGRTMIN+30"),
        ] {
            let signal: StopSignal = text.parse().unwrap();
            assert_eq!(signal.number(), number, "{text}");
            assert_eq!(signal.to_string(), shown);
            let json = serde_json::to_string(&signal).unwrap();
            assert_eq!(serde_json::from_str::<StopSignal>(&json).unwrap(), signal);
        }
        for bad in [
            "TERM",
            "15",
            "SIGRTMIN+16",
            "SIGRTMAX-15",
            "SIGRTMIN+01",
            "SIGRTMIN3",
            "SIGFOO",
            "",
        ] {
            assert!(bad.parse::<StopSignal>().is_err(), "{bad}");
        }
    }
}
