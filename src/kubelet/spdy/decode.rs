//! Bytes to frames, as they come.

use super::SpdyError;
use super::frame::{FIN, Frame, INITIAL_WINDOW, PIECE, kind};
use super::headers::{LARGEST, Unpacker};

/// Length of what each frame begins with.
const HEAD: usize = 8;
/// The longest control frame that is taken.
const LONGEST: usize = 64 << 10;

/// Takes bytes and gives frames. Keeps no more than the longest control frame and what was pushed last.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Frames up to here have been given.
    at: usize,
    data: Option<Data>,
    unpacker: Unpacker,
}

/// A data frame that has been begun.
#[derive(Debug, Clone, Copy)]
struct Data {
    id: u32,
    fin: bool,
    left: usize,
}

impl Decoder {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame; `None` when more bytes are needed. A large data frame comes in pieces, of which the last one bears
    /// its end. After an error there is nothing to go on with.
    pub fn take(&mut self) -> Result<Option<Frame>, SpdyError> {
        loop {
            if let Some(data) = self.data {
                return Ok(self.piece(data));
            }
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some((head, body)) = rest.split_first_chunk::<HEAD>() else {
                return Ok(None);
            };
            let [a, b, c, d, flags, e, f, g] = *head;
            let first = u32::from_be_bytes([a, b, c, d]);
            let length = usize::try_from(u32::from_be_bytes([0, e, f, g])).unwrap_or(LONGEST + 1);
            if first & 0x8000_0000 == 0 {
                self.at += HEAD;
                self.data = Some(Data {
                    id: stream(first)?,
                    fin: flags & FIN != 0,
                    left: length,
                });
                continue;
            }
            if length > LONGEST {
                return Err(SpdyError::TooLong(length));
            }
            let version = u16::from_be_bytes([a & 0x7f, b]);
            if version != 3 {
                return Err(SpdyError::Version(version));
            }
            let Some(body) = body.get(..length) else {
                return Ok(None);
            };
            let kind = u16::from_be_bytes([c, d]);
            let frame = control(kind, flags & FIN != 0, body, &mut self.unpacker)?;
            self.at += HEAD + length;
            return Ok(Some(frame));
        }
    }

    fn piece(&mut self, data: Data) -> Option<Frame> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(data.left).min(PIECE);
        if taken == 0 && data.left > 0 {
            return None;
        }
        let piece = rest.get(..taken).unwrap_or_default().to_vec();
        self.at += taken;
        let left = data.left - taken;
        self.data = (left > 0).then_some(Data { left, ..data });
        Some(Frame::Data {
            id: data.id,
            data: piece,
            fin: data.fin && left == 0,
        })
    }
}

fn stream(number: u32) -> Result<u32, SpdyError> {
    match number & 0x7fff_ffff {
        0 => Err(SpdyError::NoStream),
        id => Ok(id),
    }
}

fn control(kind: u16, fin: bool, body: &[u8], unpacker: &mut Unpacker) -> Result<Frame, SpdyError> {
    let number = |place: usize| word(body, place).ok_or(SpdyError::TooShort(kind));
    let mut headers = |place: usize| {
        let block = body.get(place..).ok_or(SpdyError::TooShort(kind))?;
        unpacker.unpack(block)
    };
    let id = || stream(number(0)?);
    Ok(match kind {
        kind::SYN_STREAM => {
            let headers = headers(10)?;
            Frame::SynStream {
                id: id()?,
                headers,
                fin,
            }
        }
        kind::SYN_REPLY => {
            let headers = headers(4)?;
            Frame::SynReply {
                id: id()?,
                headers,
                fin,
            }
        }
        kind::HEADERS => {
            let headers = headers(4)?;
            Frame::Headers {
                id: id()?,
                headers,
                fin,
            }
        }
        kind::RST_STREAM => Frame::Reset {
            id: id()?,
            status: number(1)?,
        },
        kind::SETTINGS => {
            number(0)?;
            let window = settings(body, INITIAL_WINDOW);
            Frame::Settings { window }
        }
        kind::PING => Frame::Ping { id: number(0)? },
        kind::GOAWAY => Frame::GoAway {
            last: number(0)? & 0x7fff_ffff,
        },
        kind::WINDOW_UPDATE => Frame::Window {
            id: number(0)? & 0x7fff_ffff,
            more: number(1)? & 0x7fff_ffff,
        },
        _ => Frame::Unknown,
    })
}

/// A number of 32 bits, by its place among them.
fn word(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place * 4..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The last value of a setting: pairs follow the first word.
fn settings(body: &[u8], wanted: u32) -> Option<u32> {
    let pairs = body.get(4..).unwrap_or_default().chunks_exact(8);
    let mut found =
        pairs.filter(|pair| word(pair, 0).is_some_and(|key| key & 0x00ff_ffff == wanted));
    found
        .next_back()
        .and_then(|pair| word(pair, 1))
        .map(|value| value & 0x7fff_ffff)
}

const _: () = assert!(LARGEST >= LONGEST);

#[cfg(test)]
mod tests {
    use super::super::headers::Packer;
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], step: usize) -> Result<Vec<Frame>, SpdyError> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for part in bytes.chunks(step.max(1)) {
            decoder.push(part);
            while let Some(frame) = decoder.take()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn wrong_frames_are_refused() {
        let control = |kind: u16, body: &[u8]| {
            let [high, low] = kind.to_be_bytes();
            [
                &[
                    0x80,
                    3,
                    high,
                    low,
                    0,
                    0,
                    0,
                    u8::try_from(body.len()).unwrap(),
                ],
                body,
            ]
            .concat()
        };
        let cases = [
            (vec![0x80, 2, 0, 1, 0, 0, 0, 0], SpdyError::Version(2)),
            (vec![0x80, 3, 0, 1, 0, 1, 0, 1], SpdyError::TooLong(65537)),
            (vec![0, 0, 0, 0, 0, 0, 0, 0], SpdyError::NoStream),
            (control(6, &[1]), SpdyError::TooShort(6)),
            (control(3, &[0, 0, 0, 1]), SpdyError::TooShort(3)),
            (control(3, &[0; 8]), SpdyError::NoStream),
            (control(1, &[0, 0, 0, 1]), SpdyError::TooShort(1)),
            (control(1, &[1; 20]), SpdyError::Packed),
        ];
        for (bytes, error) in cases {
            assert_eq!(all(&bytes, 64), Err(error), "{bytes:?}");
        }
        assert_eq!(all(&control(77, b"x"), 64), Ok(vec![Frame::Unknown]));
    }

    #[test]
    fn large_data_come_in_pieces_and_end_once() {
        let size = PIECE * 2 + 5;
        let mut bytes = vec![0, 0, 0, 5, 1];
        bytes.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes()[1..]);
        bytes.resize(bytes.len() + size, b'x');
        let pieces = all(&bytes, bytes.len()).unwrap();
        let shape: Vec<(usize, bool)> = pieces
            .iter()
            .map(|frame| match frame {
                Frame::Data { id: 5, data, fin } => (data.len(), *fin),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shape, [(PIECE, false), (PIECE, false), (5, true)]);
        let empty = all(&[0, 0, 0, 5, 1, 0, 0, 0], 3).unwrap();
        assert_eq!(
            empty,
            [Frame::Data {
                id: 5,
                data: vec![],
                fin: true
            }]
        );
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let id = 1u32..0x7fff_ffff;
        let headers = prop::collection::btree_map("[a-z:]{1,5}", "[ -~]{0,9}", 0..4)
            .prop_map(|pairs| pairs.into_iter().collect::<Vec<_>>());
        prop_oneof![
            (id.clone(), headers.clone(), any::<bool>())
                .prop_map(|(id, headers, fin)| Frame::SynStream { id, headers, fin }),
            (id.clone(), headers.clone(), any::<bool>())
                .prop_map(|(id, headers, fin)| Frame::SynReply { id, headers, fin }),
            (id.clone(), headers, any::<bool>()).prop_map(|(id, headers, fin)| Frame::Headers {
                id,
                headers,
                fin
            }),
            (id.clone(), any::<u32>()).prop_map(|(id, status)| Frame::Reset { id, status }),
            prop::option::of(0u32..0x7fff_ffff).prop_map(|window| Frame::Settings { window }),
            any::<u32>().prop_map(|id| Frame::Ping { id }),
            id.clone().prop_map(|last| Frame::GoAway { last }),
            (id.clone(), id.clone()).prop_map(|(id, more)| Frame::Window { id, more }),
            (id, prop::collection::vec(any::<u8>(), 0..50), any::<bool>())
                .prop_map(|(id, data, fin)| Frame::Data { id, data, fin }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frames in prop::collection::vec(frames(), 0..8), step in 1usize..200) {
            let (mut packer, mut bytes) = (Packer::default(), Vec::new());
            for frame in &frames {
                frame.encode(&mut packer, &mut bytes);
            }
            prop_assert_eq!(all(&bytes, bytes.len()).unwrap(), frames.clone());
            // Data may come in more pieces, when their bytes do.
            let (mut whole, mut data) = (Vec::new(), Vec::new());
            for frame in all(&bytes, step).unwrap() {
                match frame {
                    Frame::Data { data: more, fin, id } => {
                        data.extend(more);
                        let length = frames.get(whole.len()).map(|frame| match frame {
                            Frame::Data { data, .. } => data.len(),
                            _ => 0,
                        });
                        if Some(data.len()) == length {
                            whole.push(Frame::Data { data: std::mem::take(&mut data), fin, id });
                        }
                    }
                    frame => whole.push(frame),
                }
            }
            prop_assert_eq!(whole, frames);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..99), step in 1usize..50) {
            let _ = all(&bytes, step);
        }
    }
}
