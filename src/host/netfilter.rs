//! Messages of the kernel's packet filter as bytes: what its interfaces (linux/netfilter/nfnetlink.h) have in common.
//!
//! No choices here, and no runtime: these calls wait for the kernel alone.

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;

/// Request, answer by an acknowledgement, all of a list (linux/netlink.h).
pub const REQUEST: u16 = 1;
/// An answer is wanted.
pub const ACK: u16 = 4;
/// All of a list is wanted.
pub const DUMP: u16 = 0x300;
/// Make what is not there.
pub const CREATE: u16 = 0x400;
/// Bytes of the header of netlink, and of the one of netfilter after it.
pub const HEADERS: usize = 16 + 4;
/// Bytes that a socket takes at once in any case.
const USUAL_BUFFER: usize = 64 << 10;
const NESTED: u16 = 1 << 15;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Interrupted by a change: the list may not be whole.
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
const UNSPECIFIED: u8 = 0;

/// A message that is being written.
#[derive(Debug)]
pub struct Message(Vec<u8>);

impl Message {
    /// Of a subsystem, a kind and an address family. `resource` is what a batch is about.
    pub fn new(subsystem: u8, kind: u8, flags: u16, family: u8, resource: u16) -> Self {
        let kind = u16::from(subsystem) << 8 | u16::from(kind);
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([family, 0]);
        bytes.extend(resource.to_be_bytes());
        Self(bytes)
    }

    /// An attribute with a value.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An attribute with a text, ended by a zero byte.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// An attribute that holds others.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.0.extend([0; 4]);
        fill(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        if let Some(place) = self.0.get_mut(start..start + 4) {
            let [l0, l1] = length.to_ne_bytes();
            let [k0, k1] = (kind | NESTED).to_ne_bytes();
            place.copy_from_slice(&[l0, l1, k0, k1]);
        }
        self
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is in it, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        for (place, value) in [(0, length), (8, sequence)] {
            if let Some(place) = self.0.get_mut(place..place + 4) {
                place.copy_from_slice(&value.to_ne_bytes());
            }
        }
        self.0
    }
}

/// The attributes in a piece of a message, by kind.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1, ..] = *rest else {
            return None;
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind = u16::from_ne_bytes([k0, k1]) & 0x3fff;
        Some((kind, value))
    })
}

/// The first attribute of a kind.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// A way to the kernel's packet filter, in the thread's network namespace.
pub struct Netfilter(Socket);

impl Netfilter {
    /// Opens one.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Asks for a list and gives what `take` makes of the attributes of each entry, with its address family.
    pub fn list<T>(
        &self,
        message: Message,
        mut take: impl FnMut(u8, &[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.send(&message.finish(1))?;
        let mut found = Vec::new();
        loop {
            let (bytes, _) = self.0.recv_from_full()?;
            for (kind, body) in messages(&bytes) {
                match kind {
                    DONE => return Ok(found),
                    ERROR => return error(body).map(|()| found),
                    _ => {
                        let family = body.first().copied().unwrap_or_default();
                        found.extend(take(family, body.get(4..).unwrap_or_default()));
                    }
                }
            }
        }
    }

    /// Asks for one thing each, and waits for what has become of them. `allowed` says of an error whether it is none.
    ///
    /// # Errors
    /// The first that failed; those after it may have been done.
    pub fn each(
        &self,
        messages: Vec<Message>,
        allowed: impl Fn(&io::Error) -> bool,
    ) -> io::Result<()> {
        for (sequence, message) in (1..).zip(messages) {
            self.send(&message.finish(sequence))?;
            match self.acknowledged() {
                Err(error) if !allowed(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Has a subsystem do all of it, or nothing.
    ///
    /// # Errors
    /// What the kernel refused first.
    pub fn batch(&self, subsystem: u8, messages: Vec<Message>) -> io::Result<()> {
        let resource = u16::from(subsystem);
        let mut bytes = Message::new(0, 0, 0, UNSPECIFIED, resource);
        bytes.kind(BEGIN);
        let mut all = bytes.finish(0);
        let last = messages.len();
        for (index, message) in messages.into_iter().enumerate() {
            let mut message = message;
            // One answer for all: that of the last one. An error comes by itself.
            if index + 1 == last {
                message.flag(ACK);
            }
            all.extend(message.finish(u32::try_from(index + 1).unwrap_or_default()));
        }
        let mut end = Message::new(0, 0, 0, UNSPECIFIED, resource);
        end.kind(END);
        all.extend(end.finish(0));
        // A transaction comes in one piece, whatever its size; the usual limit is 208 KiB. Where more is not allowed, sending
        // fails.
        if all.len() > USUAL_BUFFER {
            let size = all.len().saturating_add(USUAL_BUFFER);
            let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&self.0, size);
        }
        self.send(&all)?;
        self.acknowledged()
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.send_to(bytes, &SocketAddr::new(0, 0), 0).map(drop)
    }

    fn acknowledged(&self) -> io::Result<()> {
        loop {
            let (bytes, _) = self.0.recv_from_full()?;
            if let Some((_, body)) = messages(&bytes).find(|(kind, _)| *kind == ERROR) {
                return error(body);
            }
        }
    }
}

impl Message {
    fn kind(&mut self, kind: u16) {
        if let Some(place) = self.0.get_mut(4..6) {
            place.copy_from_slice(&kind.to_ne_bytes());
        }
    }

    fn flag(&mut self, flag: u16) {
        if let Some([low, high]) = self.0.get_mut(6..8) {
            let flags = u16::from_ne_bytes([*low, *high]) | flag;
            [*low, *high] = flags.to_ne_bytes();
        }
    }
}

/// The kind and the body, without netlink's header, of each message.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [l0, l1, l2, l3, k0, k1, ..] = *rest else {
            return None;
        };
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = rest.get(16..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]), body))
    })
}

/// What an answer says: a negative number is an error.
fn error(body: &[u8]) -> io::Result<()> {
    let [a, b, c, d, ..] = *body else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    match i32::from_ne_bytes([a, b, c, d]) {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(-number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut message = Message::new(1, 2, 0, 2, 0);
        message.put(7, &[1, 2, 3]).nest(8, |inner| {
            inner.text(1, "vks").put(2, &[9]);
        });
        let bytes = message.finish(5);
        let found: Vec<_> = messages(&bytes).collect();
        assert_eq!(found.len(), 1);
        let body = &found[0].1[4..];
        assert_eq!(found[0].0, 0x102);
        assert_eq!(attribute(body, 7).unwrap(), [1, 2, 3]);
        let inner = attribute(body, 8).unwrap();
        assert_eq!(attribute(inner, 1).unwrap(), b"vks\0");
        assert_eq!(attribute(inner, 2).unwrap(), [9]);
        assert_eq!(attribute(inner, 3), None);
        assert_eq!(attributes(&[1, 2]).count(), 0);
        assert_eq!(attributes(&[200, 0, 1, 0, 5]).count(), 0);
    }
}
