//! `vks launch [--root UNIT] [--uts] [--tty] [--stdin PATH [--once]] -- PROGRAM...`: gives a container what systemd has no setting
//! for, then becomes the program.
//!
//! | option | what the program gets |
//! |---|---|
//! | `--root UNIT` | the root directory, user and variables that the unit's `[X-kubernetes] Root=` says ([`super::root`]) |
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
use super::own_unit::{OwnUnit, OwnUnitError};
use super::root::{self, PrepareError, Prepared};
use super::run_as::{self, AsError};
use crate::host::namespace::{self, NamespaceError};
use crate::model::name::UnitName;
use crate::model::root::{ROOT_KEY, Root, unmasked};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What systemd exits with when it cannot execute a program: status then says `StartError`.
const EXIT_EXEC: u8 = 203;
/// What systemd exits with when it cannot change the directory.
const EXIT_CHDIR: u8 = 200;
/// What systemd exits with when it cannot become a user.
const EXIT_USER: u8 = 217;
/// What systemd exits with when it cannot change capabilities.
const EXIT_CAPABILITIES: u8 = 218;
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
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("cannot make the container's root directory")]
    Root(#[from] PrepareError),
    #[error("the container's capabilities are no number: {0:?}")]
    Capabilities(String),
    #[error("cannot use the working directory {path:?}")]
    Directory { path: String, source: io::Error },
    #[error(transparent)]
    Become(#[from] AsError),
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
        LaunchError::Uts(_)
        | LaunchError::Close(_)
        | LaunchError::OwnUnit(_)
        | LaunchError::Root(_) => EXIT_NAMESPACE,
        LaunchError::Capabilities(_) => EXIT_CAPABILITIES,
        LaunchError::Directory { .. } => EXIT_CHDIR,
        LaunchError::Become(_) => EXIT_USER,
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
        Allowed::Value("--root"),
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
    let rooted = match args.option::<UnitName>("--root")? {
        Some(unit) => {
            let root: Root = OwnUnit::read(&super::layout(), &unit)?.json(ROOT_KEY)?;
            let prepared = root::prepare(&root)?;
            Some((root, prepared))
        }
        None => None,
    };
    let input = args.option::<String>("--stdin")?.map(|path| Input {
        path: path.into(),
        once: args.flag("--once"),
    });
    if args.flag("--tty") {
        let owner = args.option::<Owner>("--owner")?;
        let terminals = rooted.as_ref().map(|(_, prepared)| prepared.terminals());
        let first = rooted.as_ref().map_or(0, |(_, own)| own.first_id());
        let owner = owner.or((first > 0).then_some(Owner(0, 0)));
        let owner = owner.map(|Owner(user, group)| Owner(first + user, first + group));
        terminal(input.as_ref(), owner, terminals)?;
        if std::env::var_os("TERM").is_none() {
            command.env("TERM", TERM);
        }
    } else if let Some(input) = &input {
        command.stdin(pipe(input)?);
    }
    if let Some((root, prepared)) = rooted {
        enter(&root, prepared, &mut command)?;
    }
    Ok(command)
}

/// Leaves the host's tree, and becomes who the program is.
fn enter(root: &Root, prepared: Prepared, command: &mut Command) -> Result<(), LaunchError> {
    prepared.enter()?;
    let path = &root.working_dir;
    std::env::set_current_dir(path).map_err(|source| LaunchError::Directory {
        path: path.clone(),
        source,
    })?;
    let told = |name: &OsString| root.variables.iter().any(|known| name == known.as_str());
    let own = std::env::vars_os().filter_map(|(name, value)| {
        let name = OsString::from(unmasked(name.to_str()?));
        told(&name).then_some((name, value))
    });
    // What `command` was given before stays: the terminal's name.
    let term = command.get_envs().find(|(name, _)| *name == "TERM");
    let term = term.and_then(|(_, value)| value.map(ToOwned::to_owned));
    let own: Vec<_> = own.collect();
    command.env_clear();
    command.envs(term.map(|term| ("TERM", term)));
    command.env("HOME", &root.home);
    command.envs(
        root.image_variables
            .iter()
            .map(|(name, value)| (name, value)),
    );
    command.envs(own);
    let capabilities = u64::from_str_radix(&root.capabilities, 16)
        .map_err(|_| LaunchError::Capabilities(root.capabilities.clone()))?;
    run_as::become_person((root.uid, root.gid), &root.groups, capabilities)?;
    Ok(())
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
fn terminal(
    input: Option<&Input>,
    owner: Option<Owner>,
    terminals: Option<PathBuf>,
) -> Result<(), LaunchError> {
    let failed = |errno: rustix::io::Errno| LaunchError::Terminal(errno.into());
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = match terminals {
        None => rustix::pty::openpt(flags),
        Some(path) => {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        }
    };
    let master = master.map_err(failed)?;
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
