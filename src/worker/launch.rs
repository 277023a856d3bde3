//! `vks launch [--uts] [--tty] [--stdin PATH [--once]] -- PROGRAM...`: gives a container what systemd has no setting
//! for, then becomes the program.
//!
//! | option | what the program gets |
//! |---|---|
//! | `--uts` | the UTS namespace that systemd opened (`OpenFile=`): the pod's host name (systemd 257 joins none) |
//! | `--tty` | a pseudo terminal of its own as standard input, output, error and controlling terminal |
//! | `--owner UID:GID` | that user's terminal |
//! | `--stdin PATH` | as standard input, what is written into the named pipe at the path |
//! | `--once` | the end of the file after the first writer has gone |
//!
//! The other end of terminal and input is held by `vks hold` ([`super::hold`]), a process of the same unit that is no
//! child of the program's, so that the program waits for no process it has not started.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use crate::host::namespace::{self, NamespaceError};
use rustix::pty::OpenptFlags;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What systemd exits with when it cannot execute a program: status then says `StartError`.
const EXIT_EXEC: u8 = 203;
/// What systemd exits with when it cannot set up standard input and output.
const EXIT_STDIN: u8 = 208;
/// What systemd exits with when it cannot set up namespaces.
const EXIT_NAMESPACE: u8 = 226;
/// The first descriptor that systemd passes, and its name in a process' own view.
const OPENED_FD: i32 = 3;
const OPENED: &str = "/proc/self/fd/3";
/// The terminal that programs are told they have (as container runtimes do).
const TERM: &str = "xterm";

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error("cannot understand the arguments of vks launch")]
    Arguments(#[from] ArgumentError),
    #[error("cannot give the container the pod's host name")]
    Uts(#[from] NamespaceError),
    #[error("cannot close the descriptor of a namespace")]
    Close(#[source] io::Error),
    #[error("cannot make a terminal")]
    Terminal(#[source] io::Error),
    #[error("cannot make standard input")]
    Input(#[source] io::Error),
    #[error("cannot start vks hold")]
    Holder(#[source] io::Error),
    #[error("cannot execute {}", program.display())]
    Execute {
        program: OsString,
        source: io::Error,
    },
}

/// Runs the verb; returns only on failure.
pub fn main(args: &[OsString]) -> ExitCode {
    let error = run(args);
    journal::install(None);
    let code = match &error {
        LaunchError::Arguments(_) => return super::fail(&error, true),
        LaunchError::Uts(_) | LaunchError::Close(_) => EXIT_NAMESPACE,
        LaunchError::Terminal(_) | LaunchError::Input(_) | LaunchError::Holder(_) => EXIT_STDIN,
        LaunchError::Execute { .. } => EXIT_EXEC,
    };
    super::fail(&error, false);
    code.into()
}

fn run(args: &[OsString]) -> LaunchError {
    let mut command = match prepare(args) {
        Ok(command) => command,
        Err(error) => return error,
    };
    let source = command.exec();
    LaunchError::Execute {
        program: command.get_program().to_owned(),
        source,
    }
}

fn prepare(args: &[OsString]) -> Result<Command, LaunchError> {
    let allowed = [
        Allowed::Flag("--uts"),
        Allowed::Flag("--tty"),
        Allowed::Value("--owner"),
        Allowed::Value("--stdin"),
        Allowed::Flag("--once"),
    ];
    let args = Arguments::parse(args, &allowed)?;
    args.end()?;
    let (program, arguments) = args
        .rest
        .split_first()
        .ok_or(ArgumentError::Missing("a program after --"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    if args.flag("--uts") {
        namespace::join_uts(Path::new(OPENED))?;
        // The program gets neither the descriptor nor word of it.
        nix::unistd::close(OPENED_FD).map_err(|errno| LaunchError::Close(errno.into()))?;
        for name in [
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_PIDFDID",
            "LISTEN_FDNAMES",
        ] {
            command.env_remove(name);
        }
    }
    let input = args.option::<String>("--stdin")?.map(|path| Input {
        path: path.into(),
        once: args.flag("--once"),
    });
    if args.flag("--tty") {
        let owner = args.option::<Owner>("--owner")?;
        terminal(input.as_ref(), owner)?;
        if std::env::var_os("TERM").is_none() {
            command.env("TERM", TERM);
        }
    } else if let Some(input) = &input {
        command.stdin(pipe(input)?);
    }
    Ok(command)
}

/// Where standard input comes from.
struct Input {
    path: PathBuf,
    once: bool,
}

struct Owner(u32, u32);

impl std::str::FromStr for Owner {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .split_once(':')
            .and_then(|(user, group)| Some(Self(user.parse().ok()?, group.parse().ok()?)));
        numbers.ok_or("write two numbers")
    }
}

/// Makes a new terminal the one of this process, and has the other end held.
fn terminal(input: Option<&Input>, owner: Option<Owner>) -> Result<(), LaunchError> {
    let failed = |errno: rustix::io::Errno| LaunchError::Terminal(errno.into());
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).map_err(failed)?;
    rustix::pty::grantpt(&master).map_err(failed)?;
    rustix::pty::unlockpt(&master).map_err(failed)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(failed)?;
    if let Some(Owner(user, group)) = owner {
        let (user, group) = (
            rustix::fs::Uid::from_raw(user),
            rustix::fs::Gid::from_raw(group),
        );
        // Without the capability for it, the terminal stays root's: the program has it open all the same.
        let _ = rustix::fs::fchown(&slave, Some(user), Some(group));
    }
    hold("--tty", master, input)?;
    // Fails when it leads a session already, as what systemd starts does.
    let _ = rustix::process::setsid();
    rustix::process::ioctl_tiocsctty(&slave).map_err(failed)?;
    rustix::stdio::dup2_stdin(&slave)
        .and_then(|()| rustix::stdio::dup2_stdout(&slave))
        .and_then(|()| rustix::stdio::dup2_stderr(&slave))
        .map_err(failed)
}

/// A pipe whose other end is held.
fn pipe(input: &Input) -> Result<Stdio, LaunchError> {
    let (reader, writer) = io::pipe().map_err(LaunchError::Input)?;
    hold("--pipe", writer.into(), Some(input))?;
    Ok(reader.into())
}

/// Starts `vks hold` with what is to be held as its standard input. It lets go of this process before it goes on.
fn hold(kind: &str, held: OwnedFd, input: Option<&Input>) -> Result<(), LaunchError> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("hold").arg(kind);
    if let Some(input) = input {
        command.arg("--input").arg(&input.path);
        if input.once {
            command.arg("--once");
        }
    }
    let status = command.stdin(held).status().map_err(LaunchError::Holder)?;
    match status.success() {
        true => Ok(()),
        false => Err(LaunchError::Holder(io::Error::other(status.to_string()))),
    }
}
