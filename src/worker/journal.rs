//! What the verbs have to say goes to the journal by its own socket.
//!
//! Not to standard output or error: of a hook or a record, those are the container's own log, and `vks logs`
//! would show them as if the container had written them. A message sent to the socket is of the same unit, so
//! that it is found with it, but with `_TRANSPORT=journal` and the identifier `vks`. Where no unit's output is
//! connected to the journal (by hand, in tests), it goes to standard error too.

use crate::model::identity::Identity;
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
