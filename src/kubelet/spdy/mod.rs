//! SPDY/3.1, as far as Kubernetes uses it: exec, attach and port-forward are streams of one connection.
//!
//! | file | what |
//! |---|---|
//! | `dictionary` | the constant that zlib begins with |
//! | `headers` | blocks of names and values, compressed |
//! | `frame` | frames, and their bytes |
//! | `decode` | bytes to frames |
//! | `session` | a connection: who reads, who writes, which streams there are |
//! | `stream` | the two ends of a stream |
//!
//! Bounds, for each connection: a control frame has at most 64 KiB, its headers no more than that unpacked, data are taken
//! in pieces of at most 16 KiB, of which 16 wait for each stream; 8 pieces wait to be sent; 256 control
//! frames do. Whoever reads a stream too slowly holds up the whole connection, which holds up its client by TCP: there is
//! nothing else to hold on to, since Kubernetes' own clients do not know the windows of the protocol.

pub mod decode;
mod dictionary;
pub mod frame;
pub mod headers;
pub mod session;
pub mod stream;

/// Why a peer's bytes are not SPDY, or more than is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpdyError {
    /// A control frame of another version than 3.
    #[error("a frame of version {0}, not 3")]
    Version(u16),
    /// A control frame that is longer than any needs to be.
    #[error("a control frame of {0} bytes, more than are taken")]
    TooLong(usize),
    /// A frame that is not as long as its kind is.
    #[error("a frame of kind {0} that is too short")]
    TooShort(u16),
    /// Stream number 0.
    #[error("a frame of no stream")]
    NoStream,
    /// Headers that zlib cannot read.
    #[error("headers that cannot be unpacked")]
    Packed,
    /// Headers that are too many, too long or not what they say they are.
    #[error("headers that are malformed or too large")]
    Headers,
}
