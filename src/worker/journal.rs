//! What the verbs have to say goes to the journal by its own socket.
//!
//! Not to standard output or error: of a hook or a record, those are the container's own log, and `vks logs`
//! would show them as if the container had written them. A message sent to the socket is of the same unit, so
//! that it is found with it, but with `_TRANSPORT=journal` and the identifier `vks`. Where no unit's output is
//! connected to the journal (by hand, in tests), it goes to standard error too.

use crate::model::identity::Identity;
use std::error::Error;
use std::io::Write as _;
use systemd_journal_logger::JournalLog;

/// The identifier of messages.
const IDENTIFIER: &str = "vks";

/// Sends what is logged to the journal, with the pod it is about. Of a container's unit, systemd adds the
/// pod by itself (`LogExtraFields=`): there is then no identity to give.
pub fn install(identity: Option<&Identity>) {
    log::set_max_level(log::LevelFilter::Info);
    let Ok(journal) = JournalLog::new() else {
        return install_terminal(None);
    };
    let mut journal = journal.with_syslog_identifier(IDENTIFIER.to_owned());
    if let Some(identity) = identity {
        journal = journal
            .add_extra_field("KUBERNETES_NAMESPACE", identity.pod.namespace.as_str())
            .add_extra_field("KUBERNETES_POD", identity.pod.name.as_str())
            .add_extra_field("KUBERNETES_POD_UID", identity.uid.as_str());
    }
    // Set by systemd when it connects a unit's output to the journal.
    if std::env::var_os("JOURNAL_STREAM").is_none() {
        return install_terminal(Some(journal));
    }
    // Fails only when a logger is there: one is enough.
    let _ = journal.install();
}

fn install_terminal(journal: Option<JournalLog>) {
    let _ = log::set_boxed_logger(Box::new(Terminal { journal }));
}

/// Standard error, for people at a terminal.
struct Terminal {
    journal: Option<JournalLog>,
}

impl log::Log for Terminal {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        // There is nowhere left to complain to.
        let _ = writeln!(std::io::stderr(), "vks: {}", record.args());
        if let Some(journal) = &self.journal {
            journal.log(record);
        }
    }

    fn flush(&self) {}
}

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    printable(line)
}

/// Text that may have parts of what others wrote, such as a damaged archive: what would move a terminal's cursor or
/// colour it is shown as U+FFFD.
pub fn printable(text: String) -> String {
    let bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    match text.contains(bad) {
        true => text.replace(bad, "\u{fffd}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_joined_in_order() {
        let inner = std::io::Error::other("\u{1b}[31mred\u{7}");
        let told = chain(&Outer(inner));
        assert_eq!(told, "outer: \u{fffd}[31mred\u{fffd}");
        let inner = std::io::Error::other("inner");
        assert_eq!(chain(&Outer(inner)), "outer: inner");
    }
}
