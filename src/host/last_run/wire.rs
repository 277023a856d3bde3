//! A conversation with systemd on its private socket: calls and their answers in order, blocking, no runtime.
//!
//! Written out because no client library takes it: there, systemd signs its messages with its well-known
//! name, where only a unique name is allowed (D-Bus specification, "Header Fields"). It also sends every
//! signal it has to everybody connected.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The largest message that is read: the answers asked for here have some hundred bytes, and the largest signals some
/// ten thousand.
const LARGEST: usize = 1 << 20;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// An open conversation.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// Connects and authenticates as the user of this process. Each read and write may take `limit`.
    pub fn connect(path: &Path, limit: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut wire = Self(stream);
        let user = rustix::process::geteuid().as_raw().to_string();
        let hex: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        // All in one, as systemctl does: in parts, systemd waits for more and never answers the first call.
        wire.0
            .write_all(format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n").as_bytes())?;
        let answer = wire.line()?;
        if !answer.starts_with("OK ") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, answer));
        }
        Ok(wire)
    }

    /// A line of the authentication.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Makes a call and gives the body of its answer.
    pub fn call(&mut self, call: &zbus::Message) -> io::Result<Body> {
        self.send(call)?;
        self.answer()
    }

    /// Makes a call without waiting for its answer, so that others can follow at once.
    pub fn send(&mut self, call: &zbus::Message) -> io::Result<()> {
        self.0.write_all(call.data())
    }

    /// The body of the next answer. They come in the order of the calls.
    pub fn answer(&mut self) -> io::Result<Body> {
        loop {
            let (kind, body) = self.message()?;
            match kind {
                METHOD_RETURN => return Ok(body),
                ERROR => {
                    let text = body.text(0).unwrap_or("an error without a text");
                    return Err(io::Error::other(text.to_owned()));
                }
                _ => {}
            }
        }
    }

    fn message(&mut self) -> io::Result<(u8, Body)> {
        let mut start = [0; 16];
        self.0.read_exact(&mut start)?;
        // systemd speaks in the byte order of its host, which is ours.
        let own = if cfg!(target_endian = "little") {
            b'l'
        } else {
            b'B'
        };
        if start[0] != own {
            return Err(malformed());
        }
        let number = |at: usize| Body(start.to_vec()).number(at);
        let body = number(4).ok_or_else(malformed)?;
        let fields = number(12).ok_or_else(malformed)?.next_multiple_of(8);
        if body > LARGEST || fields > LARGEST {
            return Err(malformed());
        }
        let mut rest = vec![0; fields + body];
        self.0.read_exact(&mut rest)?;
        Ok((start[1], Body(rest.split_off(fields))))
    }
}

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a malformed answer")
}

/// The body of a message. Offsets are from its beginning; `None` where there is not what is looked for.
#[derive(Debug)]
pub(super) struct Body(Vec<u8>);

impl Body {
    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    }

    /// A string or object path.
    pub fn text(&self, at: usize) -> Option<&str> {
        let length = self.number(at)?;
        let bytes = self.0.get(at + 4..(at + 4).checked_add(length)?)?;
        std::str::from_utf8(bytes).ok()
    }

    /// Where the value of a variant that is the whole body begins, if it has this type.
    fn value(&self, signature: &str) -> Option<usize> {
        let length = usize::from(*self.0.first()?);
        let found = self.0.get(1..1 + length)?;
        let alignment = match signature.as_bytes().first()? {
            b't' | b'(' => 8,
            _ => 4,
        };
        (found == signature.as_bytes()).then(|| (length + 2).next_multiple_of(alignment))
    }

    /// A variant of a string.
    pub fn variant_text(&self) -> Option<&str> {
        self.text(self.value("s")?)
    }

    /// A variant of an unsigned 64-bit number.
    pub fn variant_u64(&self) -> Option<u64> {
        let at = self.value("t")?;
        let bytes = self.0.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_ne_bytes(bytes))
    }

    /// A variant of a number and an object path.
    pub fn variant_number_and_path(&self) -> Option<(usize, &str)> {
        let at = self.value("(uo)")?;
        Some((self.number(at)?, self.text(at + 4)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use zbus::{Message, ObjectPath, Variant};

    /// What a real marshaller makes of a body.
    fn body(value: &(impl serde::Serialize + zbus::DynamicType)) -> Body {
        let message = Message::signal("/x", "a.b", "C").build(value).unwrap();
        Body(message.body().data().to_vec())
    }

    #[test]
    fn bodies_read_as_a_real_marshaller_wrote_them() {
        let path = ObjectPath::try_from("/org/x/job/7").unwrap();
        assert_eq!(body(&path).text(0), Some("/org/x/job/7"));
        let job = body(&Variant::from((7u32, path)));
        assert_eq!(job.variant_number_and_path(), Some((7, "/org/x/job/7")));
        assert_eq!(job.variant_text(), None);
        assert_eq!(body(&Variant::from("stop")).variant_text(), Some("stop"));
        assert_eq!(body(&Variant::from(u64::MAX)).variant_u64(), Some(u64::MAX));
        for cut in [&[][..], &[1], &[255, 0], &[1, b's', 0, 0, 9, 0, 0, 0]] {
            let cut = Body(cut.to_vec());
            assert_eq!((cut.variant_text(), cut.variant_u64()), (None, None));
        }
    }

    #[test]
    fn signals_are_passed_over_and_errors_are_told() {
        let directory = crate::config::scratch::Scratch::new("wire");
        let path = directory.path("private");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut wire = Wire(listener.accept().unwrap().0);
            let mut zero = [9];
            wire.0.read_exact(&mut zero).unwrap();
            assert!(wire.line().unwrap().starts_with("AUTH EXTERNAL 3"));
            wire.0.write_all(b"OK 0123\r\n").unwrap();
            assert_eq!(wire.line().unwrap(), "BEGIN");
            wire.message().unwrap();
            let call = Message::method_call("/", "M").build(&()).unwrap();
            let signal = Message::signal("/", "a.b", "C").build(&("no",)).unwrap();
            let reply = Message::method_return(&call.header())
                .build(&"yes")
                .unwrap();
            let error = Message::error(&call.header(), "a.b.E")
                .build(&"bad")
                .unwrap();
            for message in [&signal, &reply] {
                wire.0.write_all(message.data()).unwrap();
            }
            wire.message().unwrap();
            wire.0.write_all(error.data()).unwrap();
        });
        let mut wire = Wire::connect(&path, Duration::from_secs(20)).unwrap();
        let call = Message::method_call("/", "M").build(&()).unwrap();
        assert_eq!(wire.call(&call).unwrap().text(0), Some("yes"));
        assert_eq!(wire.call(&call).unwrap_err().to_string(), "bad");
        server.join().unwrap();
    }
}
