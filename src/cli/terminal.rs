//! The user's terminal in raw mode, and a terminal of its own for a program.

use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Standard input in raw mode for as long as this lives: whatever happens, its drop restores the old mode.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Sets raw mode; `None` when standard input is no terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let guard = Self {
            terminal: stdin.as_fd().try_clone_to_owned()?,
            before: before.clone(),
        };
        let mut raw = before;
        raw.make_raw();
        tcsetattr(&guard.terminal, OptionalActions::Drain, &raw)?;
        Ok(Some(guard))
    }

    /// Gives a terminal the size of this one.
    pub fn copy_size(&self, to: impl AsFd) -> io::Result<()> {
        Ok(tcsetwinsize(to, tcgetwinsize(&self.terminal)?)?)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// A new pseudo-terminal: our end, and the end for the program.
pub fn pair() -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = crate::host::pty::pair()?;
    Ok((ours.into(), theirs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::termios::Winsize;
    use std::io::{Read, Write};

    #[test]
    fn what_goes_in_on_one_side_comes_out_on_the_other() {
        let (mut ours, theirs) = pair().unwrap();
        let size = Winsize {
            ws_row: 7,
            ws_col: 9,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).unwrap();
        assert_eq!(tcgetwinsize(&theirs).unwrap().ws_col, 9);
        File::from(theirs.try_clone().unwrap())
            .write_all(b"hi")
            .unwrap();
        let mut got = [0; 2];
        ours.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"hi");
        drop(theirs);
        // The other side is closed: the kernel's way to say "end" here.
        assert!(ours.read(&mut got).is_err());
    }
}
