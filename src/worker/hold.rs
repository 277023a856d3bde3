//! `vks hold --tty|--pipe [--input PATH [--once]]`: holds the other end of a container's terminal or standard input,
//! which it gets as its own standard input.
//!
//! What the container writes to its terminal goes to standard output, the journal. What somebody writes into the named
//! pipe at PATH goes to the container. It starts itself again with `--detached` and ends, so that
//! nobody is its parent but systemd, and it ends when nobody has the container's end open any more.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Why nothing is held.
#[derive(Debug, thiserror::Error)]
enum HoldError {
    #[error("cannot understand the arguments of vks hold")]
    Arguments(#[from] ArgumentError),
    #[error("cannot go to the background")]
    Detach(#[source] io::Error),
    #[error("cannot hold the terminal or standard input of the container")]
    Held(#[source] io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let arguments = matches!(error, HoldError::Arguments(_));
            super::fail(&error, arguments)
        }
    }
}

fn run(args: &[OsString]) -> Result<(), HoldError> {
    let allowed = [
        Allowed::Flag("--tty"),
        Allowed::Flag("--pipe"),
        Allowed::Value("--input"),
        Allowed::Flag("--once"),
        Allowed::Flag("--detached"),
    ];
    let parsed = Arguments::parse(args, &allowed)?;
    parsed.end()?;
    if !parsed.flag("--detached") {
        let mut again = Command::new("/proc/self/exe");
        again.arg("hold").args(args).arg("--detached");
        return wait_until_it_holds(again).map_err(HoldError::Detach);
    }
    // Out of the session of the container, whose terminal's signals (SIGHUP at its end, ^C) are not for this process.
    rustix::process::setsid().map_err(|errno| HoldError::Detach(errno.into()))?;
    let held = || -> io::Result<File> { Ok(io::stdin().as_fd().try_clone_to_owned()?.into()) };
    let once = parsed.flag("--once");
    let input: Option<PathBuf> = parsed.option::<String>("--input")?.map(PathBuf::from);
    let (done, end) = channel();
    let tty = parsed.flag("--tty");
    if let Some(path) = input {
        let to = held().map_err(HoldError::Held)?;
        // With its input at the end, a terminal has still something to say.
        let done = (!tty).then(|| done.clone());
        thread::spawn(move || feed(&path, to, once, done));
    }
    let own = held().map_err(HoldError::Held)?;
    thread::spawn(move || {
        match tty {
            true => drain(own),
            false => wait_for_readers_to_go(&own),
        }
        // Whoever waits is there as long as the process is.
        let _ = done.send(());
    });
    say_that_it_holds().map_err(HoldError::Held)?;
    // A sender that is gone is as good as its word. What still runs ends with the process.
    let _ = end.recv();
    Ok(())
}

/// Starts the one that holds, and waits for its word: before it the container must not start, whose end would end it.
fn wait_until_it_holds(mut again: Command) -> io::Result<()> {
    let mut child = again.stderr(Stdio::piped()).spawn()?;
    let mut word = [0];
    match child.stderr.take().map(|mut pipe| pipe.read(&mut word)) {
        Some(Ok(1)) => Ok(()),
        Some(Err(error)) => Err(error),
        _ => Err(io::Error::other("it ended at once")),
    }
}

/// The word. Standard error then is what standard output is.
fn say_that_it_holds() -> io::Result<()> {
    io::stderr().write_all(b"+")?;
    Ok(rustix::stdio::dup2_stderr(io::stdout())?)
}

/// Copies what the container writes until nobody has the terminal open.
fn drain(mut master: File) {
    let mut buffer = vec![0; 16 << 10];
    let mut out = io::stdout();
    // The end of a terminal is an error (EIO).
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        let written = buffer.get(..count).unwrap_or_default();
        if out.write_all(written).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn wait_for_readers_to_go(pipe: &File) {
    // A pipe without readers is in error, which is always told.
    let mut fds = [PollFd::new(pipe, PollFlags::empty())];
    while poll(&mut fds, None).is_err() {}
}

/// Copies what is written into the named pipe, by one writer or by all that come.
fn feed(path: &Path, mut to: File, once: bool, done: Option<Sender<()>>) {
    loop {
        // Waits for a writer.
        let copied = File::open(path).and_then(|mut from| io::copy(&mut from, &mut to));
        if copied.is_err() || once {
            break;
        }
    }
    if let Some(done) = done {
        // Nobody listens any more when the container has ended already.
        let _ = done.send(());
    }
}
