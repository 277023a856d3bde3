//! Entries as the text of a log: lines put together again, with what stands before them, up to a limit.

use super::Entry;

/// The text of one run's log, as it goes on.
#[derive(Debug)]
pub struct Lines {
    /// What stands before each line; does not count for the limit.
    prefix: String,
    /// Each line with its time.
    timestamps: bool,
    /// The last entry was the first part of a line.
    open: bool,
    /// Bytes that may still be written.
    left: u64,
}

impl Lines {
    /// Nothing written yet. No `limit` is no limit.
    pub fn new(prefix: String, timestamps: bool, limit: Option<u64>) -> Self {
        Self {
            prefix,
            timestamps,
            open: false,
            left: limit.unwrap_or(u64::MAX),
        }
    }

    /// No more may be written.
    pub fn is_full(&self) -> bool {
        self.left == 0
    }

    /// The bytes of some entries.
    pub fn text<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
        let mut text = Vec::new();
        for entry in entries {
            if self.left == 0 {
                break;
            }
            if !self.open {
                text.extend_from_slice(self.prefix.as_bytes());
            }
            let start = text.len();
            if let (false, true, Some(time)) = (self.open, self.timestamps, entry.time) {
                text.extend_from_slice(time.to_rfc3339_nano().as_bytes());
                text.push(b' ');
            }
            text.extend_from_slice(&entry.message);
            self.open = entry.continues;
            if !self.open {
                text.push(b'\n');
            }
            let written = u64::try_from(text.len() - start).unwrap_or(u64::MAX);
            if written > self.left {
                let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                text.truncate(start.saturating_add(left));
            }
            self.left = self.left.saturating_sub(written);
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
            time: Timestamp::from_micros(1_700_000_000_123_456),
            message: message.into(),
            continues,
            ..Entry::default()
        }
    }

    fn text(prefix: &str, timestamps: bool, left: u64, entries: &[Entry]) -> String {
        let mut lines = Lines::new(prefix.to_owned(), timestamps, Some(left));
        String::from_utf8(lines.text(entries)).unwrap()
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
        assert_eq!(text("", false, max, &entries), "ab\n\nc\n");
        assert_eq!(text("[x] ", false, max, &entries), "[x] ab\n[x] \n[x] c\n");
        let time = "2023-11-14T22:13:20.123456000Z ";
        assert_eq!(
            text("[x] ", true, max, &entries[..2]),
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
        assert_eq!(text("", false, 6, &entries), "abc\nde");
        assert_eq!(text("", false, 4, &entries), "abc\n");
        assert_eq!(text("", false, 0, &entries), "");
        assert_eq!(text("[x] ", false, 5, &entries), "[x] abc\n[x] d");
    }
}
