//! `vks usher`: does inside pods what the agent, which is shut in, is asked for by the node's API.
//!
//! It is the service of `vks-usher.socket`, which it gets as its standard input, is started by the first errand, and ends
//! when there has been none for a while. What it starts moves to the container's control group; what
//! runs still when it ends goes on.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use crate::host::namespace::visit_network;
use crate::host::usher::{Answer, Errand, hang_up, hear, hung_up, say};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long it waits for the next errand.
const IDLE: Duration = Duration::from_secs(60);
/// How long whoever has connected may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a port may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Open files: four for each errand.
const FILES: u64 = 16_384;
/// Connections that are being made at the same time: each is a thread.
const DIALING: usize = 64;

/// Why there is no usher.
#[derive(Debug, thiserror::Error)]
enum UsherError {
    #[error("cannot understand the arguments of vks usher")]
    Arguments(#[from] ArgumentError),
    #[error("standard input is not the socket: it is started by vks-usher.socket")]
    Socket(#[source] io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, matches!(error, UsherError::Arguments(_))),
    }
}

fn run(args: &[OsString]) -> Result<(), UsherError> {
    let allowed: [Allowed; 0] = [];
    Arguments::parse(args, &allowed)?.end()?;
    // What is started takes on the limits of its container.
    crate::host::limits::more_files(FILES);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DIALING)
        .build()
        .map_err(UsherError::Socket)?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), UsherError> {
    let socket = || -> io::Result<UnixListener> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    };
    let listener = socket().map_err(UsherError::Socket)?;
    let mut errands = JoinSet::new();
    loop {
        let idle = errands.is_empty();
        tokio::select! {
            Some(_) = errands.join_next() => {}
            accepted = listener.accept() => {
                let (stream, _) = accepted.map_err(UsherError::Socket)?;
                errands.spawn(errand(stream));
            }
            () = sleep(IDLE), if idle => return Ok(()),
        }
    }
}

async fn errand(mut stream: UnixStream) {
    let Ok(Ok((errand, fds))) = timeout(PATIENCE, hear(&stream)).await else {
        return;
    };
    let told = match errand {
        Errand::Run { pid, tty, command } => {
            let answer = match start(pid, tty, &command, fds) {
                Ok(child) => end(child, &mut stream).await,
                Err(error) => Answer::Failed(format!("start vks enter: {error}")),
            };
            say(&stream, &answer, &[]).await
        }
        Errand::Dial { namespace, port } => {
            let dialing = tokio::task::spawn_blocking(move || dial(&namespace, port)).await;
            let failed = |error: String| Answer::Failed(error);
            match dialing
                .map_err(|error| error.to_string())
                .and_then(|dialed| dialed)
            {
                Ok(connection) => say(&stream, &Answer::Connected, &[connection.as_fd()]).await,
                Err(error) => say(&stream, &failed(error), &[]).await,
            }
        }
    };
    // Whoever has hung up does not want to know.
    if told.is_ok() {
        hang_up(stream).await;
    }
}

fn start(pid: u32, tty: bool, command: &[String], fds: Vec<OwnedFd>) -> io::Result<Child> {
    let Ok([input, output, error]) = <[OwnedFd; 3]>::try_from(fds) else {
        return Err(io::Error::other("three descriptors were expected"));
    };
    let mut enter = Command::new("/proc/self/exe");
    enter.arg("enter").arg("--pid").arg(pid.to_string());
    if tty {
        enter.arg("--tty").env("TERM", "xterm");
    }
    enter.arg("--").args(command);
    enter.stdin(input).stdout(output).stderr(error).spawn()
    // Our copies of the descriptors go here: an end of them must be the program's end.
}

/// Waits for the end of a program. Whoever wanted it may hang up before: then it is hung up on, as at the end of a terminal.
async fn end(mut child: Child, stream: &mut UnixStream) -> Answer {
    let status = tokio::select! {
        status = child.wait() => status,
        () = hung_up(stream) => {
            hang_up_on(&child);
            child.wait().await
        }
    };
    match status {
        Ok(status) => Answer::Ended(code(status)),
        Err(error) => Answer::Failed(format!("wait for the program: {error}")),
    }
}

fn hang_up_on(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid {
        // It has not been waited for: the number is its own.
        let _ = kill(Pid::from_raw(pid), Signal::SIGHUP);
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}

/// Connects on a thread that may block; the socket stays in its namespace.
fn dial(namespace: &Path, port: u16) -> Result<TcpStream, String> {
    let connect = || {
        let to =
            |address: IpAddr| TcpStream::connect_timeout(&SocketAddr::new(address, port), CONNECT);
        // What neither answers is told for the first.
        to(Ipv4Addr::LOCALHOST.into())
            .or_else(|error| to(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))
    };
    match visit_network(namespace, connect) {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("connect to port {port} of the pod: {error}")),
        Err(error) => Err(crate::chain::line(&error)),
    }
}
