//! `vks exec`: a program beside a container's own, in its namespaces and with its identity.
//!
//! The program is started by the hidden verb `enter`, in a process of its own. Without `-t` it gets our own
//! standard streams: nothing is copied, so nothing can be lost. With `-t` it gets a pseudo-terminal, and
//! bytes are copied both ways until the last program lets go of it.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::logs::choose::{self, ChooseError};
use super::target::Target;
use super::terminal::{RawMode, pair};
use super::view::{Filter, Host};
use crate::model::name::{ContainerName, ObjectName};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Run a program in a container
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # One program
  vks exec web -- date

  # In a container of its choice, with our input
  vks exec web -c proxy -i -- tar -x < files.tar

  # A shell
  vks exec -it web -- bash

The exit status is that of the program, or 128 and the number of the signal that ended it.")]
pub struct Args {
    /// The pod: web or pod/web
    #[arg(value_name = "POD")]
    pod: String,
    /// What stands between the pod and --: nothing should
    #[arg(value_name = "COMMAND", hide = true)]
    stray: Vec<OsString>,
    /// The container (default: the one the pod's annotation names, else the first)
    #[arg(short, long)]
    container: Option<ContainerName>,
    /// Pass our standard input on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Why a program could not be run in a container.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No such container.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// There is nothing to enter.
    #[error("container {container:?} in pod {:?} is not running", pod.as_str())]
    NotRunning {
        /// The pod.
        pod: ObjectName,
        /// The container.
        container: String,
    },
    /// The program could not be started.
    #[error("start a program in container {0:?}")]
    Start(String, #[source] io::Error),
    /// The terminal could not be made or set.
    #[error("set up a terminal")]
    Terminal(#[source] io::Error),
    /// The end of the program could not be seen.
    #[error("wait for the program")]
    Wait(#[source] io::Error),
}

/// Runs the program and returns its exit code.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    check(args)?;
    let name = Target::parse_pod(&args.pod)?;
    let host = Host::open(&context.settings).await?;
    let filter = Filter {
        namespace: Some(context.namespace.clone()),
        names: vec![name.clone()],
        ..Filter::default()
    };
    let view = host.running(&filter).await?;
    let Some(pod) = view.pods.first() else {
        let namespace = context.namespace.clone();
        let kind = "pods";
        return Err(CliError::NotFound {
            kind,
            name,
            namespace,
        });
    };
    let (container, note) = choose::one(pod, args.container.as_ref()).map_err(ExecError::from)?;
    if let Some(note) = note {
        context.tell(note);
    }
    let handle = container.parse().ok().and_then(|name| pod.handle(&name));
    let pid = handle.map_or(0, |handle| handle.main_pid);
    if pid == 0 {
        return Err(ExecError::NotRunning {
            pod: name,
            container,
        }
        .into());
    }
    let status = match args.tty {
        true => with_terminal(args, pid, &container, context).await?,
        false => plain(args, pid, &container).await?,
    };
    Ok(Outcome::Code(code(status)))
}

/// The arguments fit together.
fn check(args: &Args) -> Result<(), CliError> {
    let words = |words: &[OsString]| -> Vec<String> {
        words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    };
    match (args.stray.is_empty(), args.command.is_empty()) {
        (true, false) => Ok(()),
        (false, _) => Err(CliError::Usage(format!(
            "put -- before the program: vks exec {} -- {}",
            args.pod,
            [words(&args.stray), words(&args.command)]
                .concat()
                .join(" ")
        ))),
        (true, true) => Err(CliError::Usage(format!(
            "say which program to run: vks exec {} -- PROGRAM [ARGUMENT...]",
            args.pod
        ))),
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255)
}

fn enter(args: &Args, pid: u32) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("enter").arg("--pid").arg(pid.to_string());
    if args.tty {
        command.arg("--tty");
    }
    command.arg("--").args(&args.command);
    command
}

/// With our own streams.
async fn plain(args: &Args, pid: u32, container: &str) -> Result<ExitStatus, ExecError> {
    let stdin = if args.stdin {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    let mut child = enter(args, pid)
        .stdin(stdin)
        .spawn()
        .map_err(|error| ExecError::Start(container.to_owned(), error))?;
    wait(&mut child).await
}

/// Waits for the program; a request to end goes to it instead of us. Ctrl-C reaches it from the terminal.
async fn wait(child: &mut Child) -> Result<ExitStatus, ExecError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ExecError::Wait)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ExecError::Wait)?;
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(ExecError::Wait),
            _ = terminate.recv() => pass_on(child),
            _ = interrupt.recv() => {}
        }
    }
}

fn pass_on(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // It may have ended just now: then there is nobody to tell.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// On a terminal of its own.
async fn with_terminal(
    args: &Args,
    pid: u32,
    container: &str,
    context: &Context,
) -> Result<ExitStatus, ExecError> {
    let (ours, theirs) = pair().map_err(ExecError::Terminal)?;
    let raw = match args.stdin {
        true => RawMode::enter().map_err(ExecError::Terminal)?,
        false => None,
    };
    if let Some(raw) = &raw {
        raw.copy_size(&ours).map_err(ExecError::Terminal)?;
    } else if args.stdin {
        context.tell("The input is not a terminal: keys and window size cannot be passed on.");
    }
    let mut child = start_on(args, pid, theirs)
        .map_err(|error| ExecError::Start(container.to_owned(), error))?;
    let input = ours.try_clone().map_err(ExecError::Terminal)?;
    let output = ours.try_clone().map_err(ExecError::Terminal)?;
    if args.stdin {
        std::thread::spawn(move || copy_input(input));
    }
    let (done, all_written) = oneshot::channel();
    std::thread::spawn(move || {
        copy_output(output);
        let _ = done.send(());
    });
    let status = follow(&mut child, &ours, raw.as_ref()).await?;
    // The program has ended; what it wrote last is still read from its terminal.
    let _ = all_written.await;
    Ok(status)
}

fn start_on(args: &Args, pid: u32, terminal: OwnedFd) -> io::Result<Child> {
    let mut command = enter(args, pid);
    command
        .stdin(terminal.try_clone()?)
        .stdout(terminal.try_clone()?)
        .stderr(terminal);
    // Dropped with its copies of the descriptors: only the program holds the terminal then.
    command.spawn()
}

/// Waits for the program and passes changes of the window's size on.
async fn follow(
    child: &mut Child,
    ours: &File,
    raw: Option<&RawMode>,
) -> Result<ExitStatus, ExecError> {
    let mut resized = signal(SignalKind::window_change()).map_err(ExecError::Wait)?;
    // What changed before this was heard of is taken along now.
    let _ = raw.map(|raw| raw.copy_size(ours));
    let ended = wait(child);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            status = &mut ended => return status,
            _ = resized.recv() => {
                // A size that cannot be passed on is no reason to end the session.
                let _ = raw.map(|raw| raw.copy_size(ours));
            }
        }
    }
}

/// Our input to the terminal. At the end of the input the program is told by the terminal's end-of-file character.
fn copy_input(mut terminal: File) {
    const END_OF_FILE: u8 = 4;
    let mut bytes = [0; 4096];
    let mut stdin = io::stdin().lock();
    while let Ok(count) = stdin.read(&mut bytes) {
        let end = count == 0;
        let text: &[u8] = if end { &[END_OF_FILE] } else { &bytes[..count] };
        if terminal.write_all(text).is_err() || end {
            return;
        }
    }
}

/// What appears on the terminal to our output, until nobody has the terminal open: reading is an error then.
fn copy_output(mut terminal: File) {
    let mut bytes = [0; 1 << 16];
    let mut stdout = io::stdout();
    let mut heard = true;
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        // With our output closed, go on reading: the program must not block.
        heard = heard
            && stdout
                .write_all(&bytes[..count])
                .and_then(|()| stdout.flush())
                .is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_shells() {
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
    }
}
