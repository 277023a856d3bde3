//! Streams as numbered channels of a WebSocket: the first byte of each message says which one it belongs to.
//!
//! | channel | what |
//! |---|---|
//! | 0 to 2 | standard input, output, error |
//! | 3 | how it ended |
//! | 4 | sizes of the terminal |
//! | 255 | from version 5 on: the next byte is a channel on which no more comes |
//!
//! The protocols with `base64` in their name have messages of text: the number as a digit, then base64.

pub mod base64;
pub mod socket;

/// Standard input.
pub const STDIN: u8 = 0;
/// Standard output.
pub const STDOUT: u8 = 1;
/// Standard error.
pub const STDERR: u8 = 2;
/// How it ended.
pub const ERROR: u8 = 3;
/// Sizes of the terminal.
pub const RESIZE: u8 = 4;
/// A channel ends.
const CLOSE: u8 = 255;

/// The longest message.
pub const LONGEST: usize = 128 << 10;

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// What it is called.
    pub name: &'static str,
    /// Messages are text.
    pub text: bool,
    /// The end is told as JSON (from version 4 on), not as words.
    pub json: bool,
    /// Channels can be closed one by one (from version 5 on).
    pub closes: bool,
}

/// The protocols of exec and attach, the best one first. The last one is that of clients that name none.
pub const PROTOCOLS: [Protocol; 6] = [
    protocol("v5.channel.k8s.io", false, true, true),
    protocol("v4.channel.k8s.io", false, true, false),
    protocol("v4.base64.channel.k8s.io", true, true, false),
    protocol("v3.channel.k8s.io", false, false, false),
    protocol("base64.channel.k8s.io", true, false, false),
    protocol("channel.k8s.io", false, false, false),
];

const fn protocol(name: &'static str, text: bool, json: bool, closes: bool) -> Protocol {
    Protocol {
        name,
        text,
        json,
        closes,
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes of a channel.
    Data(u8, Vec<u8>),
    /// No more comes on a channel.
    End(u8),
}

/// Why a message says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not even a channel.
    #[error("an empty message")]
    Empty,
    /// No base64.
    #[error("a message that is not base64")]
    Base64,
    /// The end of nothing.
    #[error("the end of a channel without its number")]
    End,
}

/// Reads a message.
pub fn decode(protocol: Protocol, message: &[u8]) -> Result<Event, Malformed> {
    let (channel, data) = message.split_first().ok_or(Malformed::Empty)?;
    if protocol.text {
        let data = base64::decode(data).ok_or(Malformed::Base64)?;
        // The digit; other characters are channels that nobody has.
        return Ok(Event::Data(channel.wrapping_sub(b'0'), data));
    }
    if protocol.closes && *channel == CLOSE {
        return data
            .first()
            .map(|channel| Event::End(*channel))
            .ok_or(Malformed::End);
    }
    Ok(Event::Data(*channel, data.to_vec()))
}

/// Writes a message.
pub fn encode(protocol: Protocol, channel: u8, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(1 + data.len());
    if protocol.text {
        message.push(b'0'.wrapping_add(channel));
        message.extend_from_slice(base64::encode(data).as_bytes());
    } else {
        message.push(channel);
        message.extend_from_slice(data);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str) -> Protocol {
        *PROTOCOLS
            .iter()
            .find(|protocol| protocol.name == name)
            .unwrap()
    }

    #[test]
    fn messages_are_read_by_protocol() {
        let cases: &[(&str, &[u8], Result<Event, Malformed>)] = &[
            (
                "channel.k8s.io",
                b"\x00hi",
                Ok(Event::Data(0, b"hi".to_vec())),
            ),
            ("channel.k8s.io", b"\x01", Ok(Event::Data(1, vec![]))),
            (
                "v4.channel.k8s.io",
                b"\xff\x00",
                Ok(Event::Data(255, vec![0])),
            ),
            ("v5.channel.k8s.io", b"\xff\x00", Ok(Event::End(0))),
            ("v5.channel.k8s.io", b"\xff", Err(Malformed::End)),
            ("v5.channel.k8s.io", b"", Err(Malformed::Empty)),
            (
                "base64.channel.k8s.io",
                b"0aGk=",
                Ok(Event::Data(0, b"hi".to_vec())),
            ),
            (
                "v4.base64.channel.k8s.io",
                b"4e30=",
                Ok(Event::Data(4, b"{}".to_vec())),
            ),
            ("base64.channel.k8s.io", b"0a*k=", Err(Malformed::Base64)),
        ];
        for (name, message, expected) in cases {
            assert_eq!(
                decode(named(name), message),
                *expected,
                "{name} {message:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(channel in 0u8..5, data in prop::collection::vec(any::<u8>(), 0..99)) {
            for protocol in PROTOCOLS {
                let message = encode(protocol, channel, &data);
                prop_assert_eq!(decode(protocol, &message), Ok(Event::Data(channel, data.clone())));
                prop_assert!(!protocol.text || message.is_ascii());
            }
        }

        #[test]
        fn no_message_makes_it_panic(message in prop::collection::vec(any::<u8>(), 0..99)) {
            for protocol in PROTOCOLS {
                let _ = decode(protocol, &message);
            }
        }
    }
}
