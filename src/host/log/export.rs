//! The journal's export format: fields as `NAME=text` lines, or `NAME`, a length and bytes; a blank line ends
//! an entry (systemd.io/JOURNAL_EXPORT_FORMATS).

use super::place::Place;
use crate::model::time::Timestamp;

/// One entry: a line that a container wrote, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the journal.
    pub place: Place,
    /// When it was received.
    pub time: Option<Timestamp>,
    /// The bytes, without a line break at the end.
    pub message: Vec<u8>,
    /// The line goes on in the next entry: it was too long for one.
    pub continues: bool,
    /// The unit it came from; empty where that was not asked for.
    pub unit: Box<str>,
    /// journald's name for the connection it came by, of which each run has one of its own and may open more; empty where
    /// the query has an end.
    pub stream: Box<str>,
}

/// Why an entry was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A binary field that does not end with a line break.
    #[error("field {0:?} does not end where it says")]
    Length(String),
}

/// The first entry in some bytes and its length; `None` when its end is not there yet.
pub fn entry(bytes: &[u8]) -> Result<Option<(Entry, usize)>, Malformed> {
    let mut entry = Entry::default();
    let mut messages = 0;
    let mut at = 0;
    while let Some(length) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        let line = &bytes[at..at + length];
        at += length + 1;
        if line.is_empty() {
            return Ok(Some((entry, at)));
        }
        let (name, value) = match line.iter().position(|&byte| byte == b'=') {
            Some(equals) => (&line[..equals], &line[equals + 1..]),
            None => {
                let Some(value) = binary(line, &bytes[at..])? else {
                    return Ok(None);
                };
                at += 8 + value.len() + 1;
                (line, value)
            }
        };
        let text = || String::from_utf8_lossy(value);
        match name {
            b"__CURSOR" => entry.place = Place::new(&text()),
            b"_SYSTEMD_UNIT" => entry.unit = text().into(),
            b"_STREAM_ID" => entry.stream = text().into(),
            b"__REALTIME_TIMESTAMP" => {
                entry.time = text().parse().ok().and_then(Timestamp::from_micros);
            }
            b"MESSAGE" => {
                if messages > 0 {
                    entry.message.push(b'\n');
                }
                messages += 1;
                entry.message.extend_from_slice(value);
            }
            b"_LINE_BREAK" => entry.continues = value == b"line-max",
            _ => {}
        }
    }
    Ok(None)
}

/// The value of a binary field: eight bytes of length, least first, and as many bytes before a line break.
fn binary<'a>(name: &[u8], rest: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    let Some((length, rest)) = rest.split_first_chunk() else {
        return Ok(None);
    };
    let malformed = || Malformed::Length(String::from_utf8_lossy(name).into_owned());
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| malformed())?;
    match rest.get(length) {
        Some(b'\n') => Ok(Some(&rest[..length])),
        Some(_) => Err(malformed()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000123456\n_BOOT_ID=x\n";

    fn binary_field(value: &[u8]) -> Vec<u8> {
        let length = u64::try_from(value.len()).unwrap().to_le_bytes();
        [b"MESSAGE\n", length.as_slice(), value, b"\n"].concat()
    }

    fn whole(fields: &[u8]) -> Entry {
        let bytes = [HEAD, fields, b"\nnext"].concat();
        let (entry, length) = entry(&bytes).unwrap().unwrap();
        assert_eq!(&bytes[length..], b"next");
        entry
    }

    #[test]
    fn messages_are_text_or_bytes_or_several() {
        let text = whole(b"MESSAGE=hello = \xc3\xa4\n");
        assert_eq!(text.message, "hello = ä".as_bytes());
        assert_eq!(&*text.place.cursor, "s=1");
        assert_eq!(
            text.time.map(Timestamp::micros),
            Some(1_700_000_000_123_456)
        );
        assert!(!text.continues);
        assert_eq!(
            whole(&binary_field(b"a\nb\xff\0\n\n")).message,
            b"a\nb\xff\0\n\n"
        );
        assert_eq!(whole(b"MESSAGE=a\nMESSAGE=b\n").message, b"a\nb");
        assert_eq!(whole(b"MESSAGE=\n").message, b"");
        assert_eq!(whole(b"").message, b"");
        assert!(whole(b"MESSAGE=x\n_LINE_BREAK=line-max\n").continues);
        assert!(!whole(b"MESSAGE=x\n_LINE_BREAK=eof\n").continues);
    }

    #[test]
    fn a_false_length_is_an_error_and_not_a_hang() {
        let mut field = binary_field(b"abc");
        field[8] = 2;
        assert_eq!(entry(&field), Err(Malformed::Length("MESSAGE".into())));
    }

    proptest! {
        #[test]
        fn an_entry_is_there_when_all_of_it_is(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let bytes = [HEAD, &binary_field(&message), b"\n"].concat();
            for end in 0..bytes.len() {
                prop_assert_eq!(entry(&bytes[..end]), Ok(None));
            }
            let (found, length) = entry(&bytes).unwrap().unwrap();
            prop_assert_eq!((found.message, length), (message, bytes.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = entry(&bytes);
        }
    }
}
