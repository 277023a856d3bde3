//! Entries as lines on standard output.

use super::choose::Run;
use super::stream::{self, Portion};
use super::{Args, LogsError};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::journal::Entry;
use crate::cli::view::Host;
use futures_util::future::try_join_all;
use std::io::{self, Write};
use tokio::sync::mpsc::{self, Receiver};

/// Portions that may wait for the printer.
const WAITING: usize = 4;

/// Prints the runs: one after the other, or all at the same time when they are followed.
pub async fn all(args: &Args, _: &Context, host: &Host, runs: Vec<Run>) -> Result<(), CliError> {
    let mut printer = Printer::new(args, &runs, io::stdout());
    let (sender, receiver) = mpsc::channel(WAITING);
    let produce = async move {
        let streams = runs.iter().enumerate();
        let streams = streams.map(|run| stream::read(args, host, run, &sender));
        if args.follow {
            try_join_all(streams).await?;
        } else {
            for stream in streams {
                stream.await?;
            }
        }
        Ok::<(), LogsError>(())
    };
    let consume = printer.consume(receiver);
    tokio::pin!(consume);
    tokio::select! {
        printed = &mut consume => printed.map_err(CliError::Output),
        produced = produce => {
            consume.await.map_err(CliError::Output)?;
            Ok(produced?)
        }
    }
}

/// What is known of the output of one run.
struct Line {
    prefix: String,
    /// The last entry was the first part of a line.
    open: bool,
    /// Bytes that may still be printed.
    left: u64,
}

struct Printer<W: Write> {
    out: W,
    timestamps: bool,
    lines: Vec<Line>,
}

impl<W: Write> Printer<W> {
    fn new(args: &Args, runs: &[Run], out: W) -> Self {
        let line = |run: &Run| Line {
            prefix: match args.prefix {
                true => format!("[pod/{}/{}] ", run.pod.name, run.container),
                false => String::new(),
            },
            open: false,
            left: args.limit_bytes.unwrap_or(u64::MAX),
        };
        Self {
            out,
            timestamps: args.timestamps,
            lines: runs.iter().map(line).collect(),
        }
    }

    /// Prints until there is no more, or no more may be printed.
    async fn consume(&mut self, mut receiver: Receiver<Portion>) -> io::Result<()> {
        while self.lines.iter().any(|line| line.left > 0) {
            let Some((place, entries)) = receiver.recv().await else {
                break;
            };
            let text = self.text(place, &entries);
            self.out.write_all(&text)?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// The bytes to print for some entries of a run.
    fn text(&mut self, place: usize, entries: &[Entry]) -> Vec<u8> {
        let mut text = Vec::new();
        let Some(line) = self.lines.get_mut(place) else {
            return text;
        };
        for entry in entries {
            if line.left == 0 {
                break;
            }
            if !line.open {
                text.extend_from_slice(line.prefix.as_bytes());
            }
            let start = text.len();
            if let (false, true, Some(time)) = (line.open, self.timestamps, entry.time) {
                text.extend_from_slice(time.to_rfc3339_nano().as_bytes());
                text.push(b' ');
            }
            text.extend_from_slice(&entry.message);
            line.open = entry.continues;
            if !line.open {
                text.push(b'\n');
            }
            let written = u64::try_from(text.len() - start).unwrap_or(u64::MAX);
            if written > line.left {
                let left = usize::try_from(line.left).unwrap_or(usize::MAX);
                text.truncate(start.saturating_add(left));
            }
            line.left = line.left.saturating_sub(written);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn entry(message: &str, continues: bool) -> Entry {
        Entry {
            cursor: String::new(),
            time: Timestamp::from_micros(1_700_000_000_123_456),
            message: message.into(),
            continues,
        }
    }

    fn printer(prefix: &str, timestamps: bool, left: u64) -> Printer<Vec<u8>> {
        let (prefix, open) = (prefix.to_owned(), false);
        Printer {
            out: Vec::new(),
            timestamps,
            lines: vec![Line { prefix, open, left }],
        }
    }

    fn text(mut printer: Printer<Vec<u8>>, entries: &[Entry]) -> String {
        String::from_utf8(printer.text(0, entries)).unwrap()
    }

    #[test]
    fn split_lines_are_put_together() {
        let entries = [
            entry("a", true),
            entry("b", false),
            entry("", false),
            entry("c", false),
        ];
        let max = u64::MAX;
        assert_eq!(text(printer("", false, max), &entries), "ab\n\nc\n");
        assert_eq!(
            text(printer("[x] ", false, max), &entries),
            "[x] ab\n[x] \n[x] c\n"
        );
        let time = "2023-11-14T22:13:20.123456000Z ";
        assert_eq!(
            text(printer("[x] ", true, max), &entries[..2]),
            format!("[x] {time}ab\n")
        );
    }

    #[test]
    fn output_ends_at_the_limit() {
        let entries = [
            entry("abc", false),
            entry("def", false),
            entry("ghi", false),
        ];
        assert_eq!(text(printer("", false, 6), &entries), "abc\nde");
        assert_eq!(text(printer("", false, 4), &entries), "abc\n");
        assert_eq!(text(printer("", false, 0), &entries), "");
        assert_eq!(text(printer("[x] ", false, 5), &entries), "[x] abc\n[x] d");
    }
}
