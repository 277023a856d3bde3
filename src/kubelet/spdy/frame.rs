//! Frames, and what their bytes are.

use super::headers::{Headers, Packer};

/// The largest piece of data that is sent or handed on at once.
pub const PIECE: usize = 16 << 10;
/// Bytes that may be on their way in a stream before its reader says that it took some (SPDY/3.1).
pub const WINDOW: u32 = 64 << 10;

/// `RST_STREAM` and `GOAWAY` codes.
pub mod status {
    /// The stream is not taken.
    pub const REFUSED: u32 = 3;
    /// The stream is not wanted any more.
    pub const CANCEL: u32 = 5;
    /// A number was used twice.
    pub const PROTOCOL: u32 = 1;
}

pub(super) mod kind {
    pub const SYN_STREAM: u16 = 1;
    pub const SYN_REPLY: u16 = 2;
    pub const RST_STREAM: u16 = 3;
    pub const SETTINGS: u16 = 4;
    pub const PING: u16 = 6;
    pub const GOAWAY: u16 = 7;
    pub const HEADERS: u16 = 8;
    pub const WINDOW_UPDATE: u16 = 9;
}

pub(super) const FIN: u8 = 1;

/// The number of the setting for the window that streams begin with.
pub(super) const INITIAL_WINDOW: u32 = 7;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A new stream.
    SynStream {
        /// Its number.
        id: u32,
        /// What it is for.
        headers: Headers,
        /// Its maker will say nothing on it.
        fin: bool,
    },
    /// The stream is taken.
    SynReply {
        /// Its number.
        id: u32,
        /// More about it.
        headers: Headers,
        /// We will say nothing on it.
        fin: bool,
    },
    /// The end of a stream, in both directions.
    Reset {
        /// Its number.
        id: u32,
        /// Why.
        status: u32,
    },
    /// Settings; of them, one matters.
    Settings {
        /// The window that our streams begin with.
        window: Option<u32>,
    },
    /// To be sent back by whoever did not make it.
    Ping {
        /// Odd from clients.
        id: u32,
    },
    /// No new streams, please.
    GoAway {
        /// The last one that was taken.
        last: u32,
    },
    /// More headers.
    Headers {
        /// The stream.
        id: u32,
        /// The headers.
        headers: Headers,
        /// No more comes on it.
        fin: bool,
    },
    /// So many bytes have been taken.
    Window {
        /// The stream.
        id: u32,
        /// How many.
        more: u32,
    },
    /// A piece of data.
    Data {
        /// The stream.
        id: u32,
        /// At most [`PIECE`] bytes.
        data: Vec<u8>,
        /// No more comes.
        fin: bool,
    },
    /// A kind that is not known: to be passed over.
    Unknown,
}

impl Frame {
    /// Appends the bytes of the frame.
    pub fn encode(&self, packer: &mut Packer, out: &mut Vec<u8>) {
        let flag = |fin: bool| if fin { FIN } else { 0 };
        match self {
            Self::Data { id, data, fin } => {
                out.extend_from_slice(&(id & 0x7fff_ffff).to_be_bytes());
                length(flag(*fin), data.len(), out);
                out.extend_from_slice(data);
            }
            Self::SynStream { id, headers, fin } => {
                control(kind::SYN_STREAM, flag(*fin), out, |out| {
                    numbers(&[*id, 0], out);
                    out.extend_from_slice(&[0, 0]);
                    packer.pack(headers, out);
                })
            }
            Self::SynReply { id, headers, fin } => {
                control(kind::SYN_REPLY, flag(*fin), out, |out| {
                    numbers(&[*id], out);
                    packer.pack(headers, out);
                })
            }
            Self::Headers { id, headers, fin } => control(kind::HEADERS, flag(*fin), out, |out| {
                numbers(&[*id], out);
                packer.pack(headers, out);
            }),
            Self::Reset { id, status } => {
                control(kind::RST_STREAM, 0, out, |out| {
                    numbers(&[*id, *status], out)
                });
            }
            Self::Settings { window } => control(kind::SETTINGS, 0, out, |out| match window {
                Some(window) => numbers(&[1, INITIAL_WINDOW, *window], out),
                None => numbers(&[0], out),
            }),
            Self::Ping { id } => control(kind::PING, 0, out, |out| numbers(&[*id], out)),
            Self::GoAway { last } => control(kind::GOAWAY, 0, out, |out| numbers(&[*last, 0], out)),
            Self::Window { id, more } => {
                control(kind::WINDOW_UPDATE, 0, out, |out| {
                    numbers(&[*id, *more], out)
                });
            }
            Self::Unknown => {}
        }
    }
}

fn control(kind: u16, flags: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&(0x8000_0000 | 3 << 16 | u32::from(kind)).to_be_bytes());
    let place = out.len();
    length(flags, 0, out);
    let start = out.len();
    body(out);
    let mut word = Vec::with_capacity(4);
    length(flags, out.len() - start, &mut word);
    out.splice(place..start, word);
}

/// Flags and a length of 24 bits; what we send is never longer.
fn length(flags: u8, length: usize, out: &mut Vec<u8>) {
    let length = u32::try_from(length).unwrap_or(u32::MAX) & 0x00ff_ffff;
    out.extend_from_slice(&(u32::from(flags) << 24 | length).to_be_bytes());
}

fn numbers(numbers: &[u32], out: &mut Vec<u8>) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}
