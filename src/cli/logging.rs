//! Where log lines go: to the journal with their fields when standard error leads there, else to standard error.

use log::{LevelFilter, Log, Metadata, Record};
use std::io::Write as _;

/// Starts logging, once. The agent tells what it does; commands tell only what goes wrong.
pub fn start(agent: bool, verbose: u8) {
    let level = match (agent, verbose) {
        (false, 0) => LevelFilter::Warn,
        (true, 0) | (false, 1) => LevelFilter::Info,
        (true, 1) | (false, 2) => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let journal = systemd_journal_logger::connected_to_journal();
    let logger = journal
        .then(systemd_journal_logger::JournalLog::new)
        .and_then(Result::ok);
    // A second start (tests) leaves the first logger in place.
    let _ = match logger {
        Some(logger) => logger.install(),
        None => log::set_logger(&Stderr),
    };
    log::set_max_level(level);
}

/// Lines on standard error without time: who reads them knows it.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.target().starts_with("vks") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_ascii_lowercase();
            // Where even that is closed, there is nobody to tell.
            let _ = writeln!(std::io::stderr().lock(), "{level}: {}", record.args());
        }
    }

    fn flush(&self) {}
}
