//! The other end of an exec or attach, however its streams are carried.

use crate::kubelet::channels::socket::{Incoming, Outgoing, Socket};
use crate::kubelet::spdy::session::Session;
use crate::kubelet::spdy::stream::{Gone, StreamReader, StreamWriter};
use serde::Deserialize;

/// A client and what it wants to send and see.
#[derive(Debug)]
pub struct Client {
    /// What it types.
    pub stdin: Option<Input>,
    /// Where standard output goes.
    pub stdout: Option<Output>,
    /// Where standard error goes.
    pub stderr: Option<Output>,
    /// The sizes of its terminal.
    pub sizes: Option<Sizes>,
    /// Where it is told of the end.
    pub end: Output,
    /// It understands JSON there.
    pub json: bool,
    /// What carries all this.
    pub carrier: Carrier,
}

/// What carries the streams.
#[derive(Debug)]
pub enum Carrier {
    /// SPDY.
    Spdy(Session),
    /// A WebSocket.
    Socket(Socket),
}

impl Carrier {
    /// Sends what is still to be sent and hangs up in order.
    pub async fn close(self) {
        match self {
            Self::Spdy(session) => session.close().await,
            Self::Socket(socket) => socket.close().await,
        }
    }
}

/// Bytes that come.
#[derive(Debug)]
pub enum Input {
    /// As a stream.
    Spdy(StreamReader),
    /// As a channel.
    Channel(Incoming),
}

impl Input {
    /// The next bytes; `None` at the end, or when the client is gone. May be dropped while it waits.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Spdy(reader) => reader.read().await.ok().flatten(),
            Self::Channel(incoming) => incoming.recv().await,
        }
    }
}

/// Bytes that go.
#[derive(Debug)]
pub enum Output {
    /// As a stream.
    Spdy(StreamWriter),
    /// As a channel.
    Channel(Outgoing),
}

impl Output {
    /// Sends bytes; waits as long as the client takes none.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Spdy(writer) => writer.write(bytes).await,
            Self::Channel(outgoing) => outgoing.write(bytes).await.then_some(()).ok_or(Gone),
        }
    }

    /// Says that no more comes. Channels have no word for that.
    pub async fn finish(&mut self) -> Result<(), Gone> {
        match self {
            Self::Spdy(writer) => writer.finish().await,
            Self::Channel(_) => Ok(()),
        }
    }

    /// Waits until the client is gone.
    pub async fn gone(&self) {
        match self {
            Self::Spdy(writer) => writer.broken_off().await,
            Self::Channel(outgoing) => outgoing.gone().await,
        }
    }
}

/// The sizes of a terminal, each a JSON object.
#[derive(Debug)]
pub struct Sizes {
    input: Input,
    bytes: Vec<u8>,
}

/// A size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// The longest text that may be a size.
const LONGEST_SIZE: usize = 4096;

impl Sizes {
    /// From their stream.
    pub fn new(input: Input) -> Self {
        let bytes = Vec::new();
        Self { input, bytes }
    }

    /// The next size; waits for ever when there will be none. May be dropped while it waits.
    pub async fn next(&mut self) -> Size {
        loop {
            if let Some(size) = take_size(&mut self.bytes) {
                return size;
            }
            match self.input.read().await {
                Some(more) => self.bytes.extend(more),
                None => std::future::pending().await,
            }
        }
    }
}

/// Takes a size off the beginning. What is no size is passed over.
fn take_size(bytes: &mut Vec<u8>) -> Option<Size> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter();
    let (size, taken) = match values.next()? {
        Ok(size) => (Some(size), values.byte_offset()),
        Err(error) if error.is_eof() && bytes.len() <= LONGEST_SIZE => return None,
        Err(_) => (None, bytes.len()),
    };
    bytes.drain(..taken);
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_in_pieces() {
        let size = |width, height| Some(Size { width, height });
        let mut bytes = br#"{"Width":80,"Height":24}{"Width":1,"#.to_vec();
        assert_eq!(take_size(&mut bytes), size(80, 24));
        assert_eq!(take_size(&mut bytes), None);
        bytes.extend_from_slice(br#""Height":2}"#);
        assert_eq!(take_size(&mut bytes), size(1, 2));
        assert_eq!(take_size(&mut bytes), None);
        bytes.extend_from_slice(b"rubbish{");
        assert_eq!(take_size(&mut bytes), None);
        assert!(bytes.is_empty());
        bytes = vec![b' '; LONGEST_SIZE + 1];
        bytes.push(b'{');
        assert_eq!(take_size(&mut bytes), None);
        assert!(bytes.is_empty());
    }
}
