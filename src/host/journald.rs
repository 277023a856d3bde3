//! journald's progress with what units print: whether it is behind, and the wait until it is not.
//!
//! A program's output lies in journald's sockets until journald reads it. It reads whose output that is, and which
//! rate limit holds for it, from files that systemd takes away when the unit is inactive: the lines of a unit that
//! was quicker than journald fall to the limit for all (some 30,000 of 60,000 lines were seen to come through).

mod diag;

use super::namespace::{NamespaceError, visit_network};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where units' output goes. Connections bear the name of the socket they were made to.
const OUTPUT: &[u8] = b"/run/systemd/journal/stdout";
/// journald's Varlink socket (io.systemd.Journal, since systemd 240).
const SOCKET: &str = "/run/systemd/journal/io.systemd.journal";
const CALL: &[u8] = b"{\"method\":\"io.systemd.Journal.Synchronize\"}\0";
/// The host's network namespace, where journald's sockets are.
const HOST_NETWORK: &str = "/proc/1/ns/net";

/// Why journald could not be waited for.
#[derive(Debug, thiserror::Error)]
pub enum JournaldError {
    /// The kernel did not tell of its sockets.
    #[error("cannot list the sockets of the journal")]
    Sockets(#[source] io::Error),
    /// The host's network namespace could not be visited.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// journald did not answer.
    #[error("journald did not answer on {SOCKET}")]
    Synchronize(#[source] io::Error),
}

/// Waits until journald has read what was printed so far, but no longer than `limit`. One look when it has.
pub fn catch_up(limit: Duration) -> Result<(), JournaldError> {
    match is_behind()? {
        true => synchronize(limit),
        false => Ok(()),
    }
}

/// Waits until journald has read what was printed so far and has written it to disk, but no longer than `limit`.
pub fn synchronize(limit: Duration) -> Result<(), JournaldError> {
    ask(Path::new(SOCKET), limit).map_err(JournaldError::Synchronize)
}

fn ask(socket: &Path, limit: Duration) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(CALL)?;
    let mut answer = Vec::new();
    while answer.last() != Some(&0) {
        let mut part = [0; 256];
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&part[..count]),
        }
    }
    match answer.windows(7).any(|part| part == b"\"error\"") {
        true => Err(io::Error::other(
            String::from_utf8_lossy(&answer).into_owned(),
        )),
        false => Ok(()),
    }
}

/// Whether there is output that journald has not read, or a connection that it has not taken.
fn is_behind() -> Result<bool, JournaldError> {
    let look = || diag::has_unread(OUTPUT).map_err(JournaldError::Sockets);
    // Only sockets of one's own network namespace are told of.
    match in_host_network() {
        true => look(),
        false => visit_network(Path::new(HOST_NETWORK), look)?,
    }
}

fn in_host_network() -> bool {
    let id = |path: &str| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    id(HOST_NETWORK) == id("/proc/self/ns/net")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_answer_says_whether_it_went_well() {
        let scratch = Scratch::new();
        std::fs::create_dir_all(&scratch.0).unwrap();
        let path = scratch.0.join("varlink");
        let listener = UnixListener::bind(&path).unwrap();
        let answers = ["{\"parameters\":{}}\0", "{\"error\":\"x.No\"}\0", "{"];
        let server = std::thread::spawn(move || {
            for answer in answers {
                let mut stream = listener.accept().unwrap().0;
                let mut call = [0; CALL.len()];
                stream.read_exact(&mut call).unwrap();
                assert_eq!(call, CALL);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        assert!(ask(&path, Duration::from_secs(20)).is_ok());
        assert!(
            ask(&path, Duration::from_secs(20))
                .unwrap_err()
                .to_string()
                .contains("x.No")
        );
        assert!(ask(&path, Duration::from_secs(20)).is_err());
        server.join().unwrap();
    }
}
