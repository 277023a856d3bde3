//! Asking `vks usher` to do something inside a pod: the agent itself is shut in and could not.
//!
//! A connection to its socket is one errand: a line of JSON with the descriptors that belong to it, answered by lines
//! of JSON, one of which may bring a descriptor. Hanging up ends the errand.

use crate::model::layout::Layout;
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

/// The longest line.
pub const LONGEST: usize = 256 << 10;
/// The most descriptors of an errand.
pub const MOST_FDS: usize = 3;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// Run a program beside the main process of a container; standard input, output and error are the descriptors that
    /// come along. Answered by [`Answer::Ended`].
    Run {
        /// The main process.
        pid: u32,
        /// They are a terminal, which is to be the program's own.
        tty: bool,
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// Connect to a port of the loopback interface of a network namespace. Answered by [`Answer::Connected`].
    Dial {
        /// The namespace.
        namespace: PathBuf,
        /// The port.
        port: u16,
    },
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The program has ended with this code; 128 and the signal's number when a signal ended it.
    Ended(u8),
    /// The connection is the descriptor that comes along.
    Connected,
    /// It could not be done.
    Failed(String),
}

/// Why an errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum UsherError {
    /// The usher is not there.
    #[error("cannot reach vks usher on {path}: start vks-usher.socket", path = path.display())]
    Unreachable {
        /// Its socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It broke off.
    #[error("vks usher broke off")]
    Broken(#[source] io::Error),
    /// It could not do it.
    #[error("{0}")]
    Failed(String),
}

/// Sends the usher.
#[derive(Debug, Clone)]
pub struct Usher {
    socket: PathBuf,
}

impl Usher {
    /// The one of this host.
    pub fn new(layout: &Layout) -> Self {
        Self {
            socket: layout.usher(),
        }
    }

    async fn send(
        &self,
        errand: &Errand,
        fds: &[BorrowedFd<'_>],
    ) -> Result<UnixStream, UsherError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| UsherError::Unreachable {
            path: self.socket.clone(),
            source,
        })?;
        say(&stream, errand, fds)
            .await
            .map_err(UsherError::Broken)?;
        Ok(stream)
    }

    /// Begins to run a program. [`Running::end`] tells its end; dropped before, the program is hung up on.
    pub async fn run(
        &self,
        pid: u32,
        tty: bool,
        command: Vec<String>,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Running, UsherError> {
        let errand = Errand::Run { pid, tty, command };
        let stream = self.send(&errand, &streams).await?;
        Ok(Running { stream })
    }

    /// Connects to a port inside a network namespace.
    pub async fn dial(
        &self,
        namespace: PathBuf,
        port: u16,
    ) -> Result<std::net::TcpStream, UsherError> {
        let stream = self.send(&Errand::Dial { namespace, port }, &[]).await?;
        match hear(&stream).await.map_err(UsherError::Broken)? {
            (Answer::Connected, mut fds) => {
                let missing = || UsherError::Broken(io::ErrorKind::InvalidData.into());
                Ok(fds.pop().ok_or_else(missing)?.into())
            }
            (Answer::Failed(why), _) => Err(UsherError::Failed(why)),
            (Answer::Ended(_), _) => Err(UsherError::Broken(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    stream: UnixStream,
}

impl Running {
    /// Waits for its end: its exit code. May be dropped while it waits and called again.
    pub async fn end(&mut self) -> Result<u8, UsherError> {
        match hear(&self.stream).await.map_err(UsherError::Broken)? {
            (Answer::Ended(code), _) => Ok(code),
            (Answer::Failed(why), _) => Err(UsherError::Failed(why)),
            (Answer::Connected, _) => Err(UsherError::Broken(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// Says something in one line, with descriptors.
pub async fn say<T: Serialize>(
    stream: &UnixStream,
    what: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    // The descriptors go with the first bytes.
    let mut sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            let bytes = [IoSlice::new(&line)];
            Ok(sendmsg(stream, &bytes, &mut control, SendFlags::NOSIGNAL)?)
        })
        .await?;
    while let Some(rest) = line.get(sent..).filter(|rest| !rest.is_empty()) {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Hears a line, and takes the descriptors that came with it. Answers are so short that they come whole.
pub async fn hear<T: for<'a> Deserialize<'a>>(
    stream: &UnixStream,
) -> io::Result<(T, Vec<OwnedFd>)> {
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    while line.last() != Some(&b'\n') {
        let mut bytes = [0; 4096];
        let count = stream
            .async_io(Interest::READABLE, || receive(stream, &mut bytes, &mut fds))
            .await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(bytes.get(..count).unwrap_or_default());
        if line.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok((serde_json::from_slice(&line)?, fds))
}

fn receive(stream: &UnixStream, bytes: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(bytes)];
    let received = recvmsg(
        stream.as_fd(),
        &mut parts,
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            fds.extend(sent);
        }
    }
    Ok(received.bytes)
}

/// Waits until the other end has hung up. Nothing more is expected of it.
pub async fn hung_up(stream: &mut UnixStream) {
    let mut byte = [0];
    while let Ok(1..) = stream.read(&mut byte).await {}
}

/// Hangs up in order.
pub async fn hang_up(mut stream: UnixStream) {
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[tokio::test]
    async fn errands_come_with_their_descriptors() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let errand = Errand::Run {
            pid: 7,
            tty: false,
            command: vec!["x".repeat(LONGEST / 2), "a\nb".into()],
        };
        let both = [writer.as_fd(), writer.as_fd()];
        let sending = say(&here, &errand, &both);
        let (sent, heard) = tokio::join!(sending, hear::<Errand>(&there));
        sent.unwrap();
        let (found, fds) = heard.unwrap();
        assert_eq!((found, fds.len()), (errand, 2));
        drop(writer);
        for fd in fds {
            std::fs::File::from(fd).write_all(b"x").unwrap();
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xx");
    }

    #[tokio::test]
    async fn who_hangs_up_is_noticed() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        let answer = hear::<Answer>(&here).await;
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
