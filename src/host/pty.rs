//! Pseudo-terminals, driven by the event loop.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A new pseudo-terminal: our end, and the end for the program.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(&*name, flags, Mode::empty())?;
    Ok((ours, theirs))
}

/// Our end of a terminal.
#[derive(Debug)]
pub struct Master {
    fd: AsyncFd<OwnedFd>,
}

impl Master {
    /// Must be called within a tokio runtime.
    #[expect(
        deprecated,
        reason = "what is to take its place is unsafe; of an OwnedFd, which nothing else closes, it is sound"
    )]
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self {
            fd: AsyncFd::new(fd)?,
        })
    }

    /// What was written on the terminal. When nobody has it open any more, that is an error. May be dropped while it waits.
    pub async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut *bytes)?);
        self.fd.async_io(Interest::READABLE, read).await
    }

    /// The same without waiting.
    pub fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, bytes)?)
    }

    /// Types.
    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, rest)?);
            let count = self.fd.async_io(Interest::WRITABLE, write).await?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Gives it a size, of which the program is told.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<(), Errno> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.fd, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[tokio::test]
    async fn what_goes_in_on_one_side_comes_out_on_the_other() {
        let (ours, theirs) = pair().unwrap();
        let master = Master::new(ours).unwrap();
        master.resize(9, 7).unwrap();
        assert_eq!(rustix::termios::tcgetwinsize(&theirs).unwrap().ws_col, 9);
        let mut theirs = std::fs::File::from(theirs);
        theirs.write_all(b"hi").unwrap();
        let mut got = [0; 16];
        assert_eq!(master.read(&mut got).await.unwrap(), 2);
        assert_eq!(&got[..2], b"hi");
        assert_eq!(
            master.try_read(&mut got).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        master.write_all(b"yes\n").await.unwrap();
        let count = theirs.read(&mut got).unwrap();
        assert_eq!(&got[..count], b"yes\n");
        drop(theirs);
        // Its echo, and then the kernel's way to say "end" here.
        while master.read(&mut got).await.is_ok() {}
    }
}
