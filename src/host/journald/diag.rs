//! Unread bytes in Unix sockets, asked of the kernel (sock_diag(7)).

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use std::io;

/// `SOCK_DIAG_BY_FAMILY`, `AF_UNIX`, `NLM_F_REQUEST | NLM_F_DUMP`, `NLMSG_DONE`, `NLMSG_ERROR`.
const BY_FAMILY: u16 = 20;
const UNIX: u8 = 1;
const DUMP: u16 = 0x301;
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// States: `TCP_ESTABLISHED` and `TCP_LISTEN`; what is shown: `UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN`.
const STATES: u32 = 1 << 1 | 1 << 10;
const SHOW: u32 = 0x01 | 0x10;
/// Lengths of `nlmsghdr` and of `unix_diag_msg`, and the attributes with the name and the queues.
const HEADER: usize = 16;
const MESSAGE: usize = 16;
const NAME: u16 = 0;
const QUEUES: u16 = 4;

/// Whether a socket of this name has something to read: bytes, or of a listening one, connections.
pub(super) fn has_unread(name: &[u8]) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(), 0)?;
    let mut unread = false;
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        match scan(&bytes, name)? {
            Scan { done: true, found } => return Ok(unread | found),
            Scan { found, .. } => unread |= found,
        }
    }
}

fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 24);
    bytes.extend_from_slice(&40u32.to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&DUMP.to_ne_bytes());
    // Sequence and port.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[UNIX, 0, 0, 0]);
    bytes.extend_from_slice(&STATES.to_ne_bytes());
    // Any inode.
    bytes.extend_from_slice(&0u32.to_ne_bytes());
    bytes.extend_from_slice(&SHOW.to_ne_bytes());
    // No cookie.
    bytes.extend_from_slice(&[0xff; 8]);
    bytes
}

#[derive(Debug, PartialEq)]
struct Scan {
    found: bool,
    done: bool,
}

/// Looks through the messages of one datagram.
fn scan(bytes: &[u8], name: &[u8]) -> io::Result<Scan> {
    let mut rest = bytes;
    let mut found = false;
    while rest.len() >= HEADER {
        let length = number(rest, 0)?.clamp(HEADER, rest.len());
        let kind = short(rest, 4)?;
        if kind == DONE {
            return Ok(Scan { found, done: true });
        }
        if kind == ERROR {
            let code = i32::try_from(number(rest, HEADER)?.wrapping_neg() & 0xffff).unwrap_or(0);
            return Err(io::Error::from_raw_os_error(code));
        }
        found |= is_unread(rest.get(HEADER + MESSAGE..length).unwrap_or_default(), name)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Scan { found, done: false })
}

/// Looks at the attributes of one socket.
fn is_unread(attributes: &[u8], name: &[u8]) -> io::Result<bool> {
    let (mut named, mut waiting) = (false, false);
    let mut rest = attributes;
    while rest.len() >= 4 {
        let length = usize::from(short(rest, 0)?).clamp(4, rest.len());
        let value = &rest[4..length];
        match short(rest, 2)? {
            NAME => named = value.strip_suffix(b"\0").unwrap_or(value) == name,
            QUEUES => waiting = number(value, 0)? > 0,
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(named && waiting)
}

fn number(bytes: &[u8], at: usize) -> io::Result<usize> {
    let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
    let value = part
        .map(u32::from_ne_bytes)
        .ok_or(io::ErrorKind::InvalidData)?;
    usize::try_from(value).map_err(io::Error::other)
}

fn short(bytes: &[u8], at: usize) -> io::Result<u16> {
    let part = bytes.get(at..at + 2).and_then(|part| part.try_into().ok());
    Ok(part
        .map(u16::from_ne_bytes)
        .ok_or(io::ErrorKind::InvalidData)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;
    use std::io::{Read as _, Write as _};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn what_was_sent_and_not_read_is_seen() {
        let scratch = Scratch::new();
        std::fs::create_dir_all(&scratch.0).unwrap();
        let path = scratch.0.join("s");
        let name = path.as_os_str().as_bytes();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(!has_unread(name).unwrap());
        let mut client = UnixStream::connect(&path).unwrap();
        assert!(has_unread(name).unwrap(), "a connection that was not taken");
        let mut server = listener.accept().unwrap().0;
        assert!(!has_unread(name).unwrap());
        client.write_all(b"x").unwrap();
        drop(client);
        assert!(has_unread(name).unwrap(), "also when the writer is gone");
        server.read_exact(&mut [0]).unwrap();
        assert!(!has_unread(name).unwrap());
    }

    #[test]
    fn damaged_answers_are_no_panic() {
        for length in 0..64 {
            let _ = scan(&vec![0; length], b"x");
            let _ = scan(&vec![0xff; length], b"x");
        }
    }
}
