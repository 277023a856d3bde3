//! Programs of the host that answer one question, within a time: credential helpers.
//!
//! Run as they are, without a shell, in a process group of their own: when the time is over, or they say more than anybody
//! needs, all that they have started is killed.

use super::process::{Process, ProcessError};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most bytes of an answer, and of what is said beside it.
const MOST: u64 = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The program could not be started.
    #[error("cannot run {0}")]
    Start(String, #[source] io::Error),
    /// It could not be read or waited for.
    #[error("cannot hear what {0} answers")]
    Read(String, #[source] io::Error),
    /// Its end could not be waited for.
    #[error("cannot wait for {0}")]
    Wait(String, #[source] ProcessError),
    /// It took too long.
    #[error("{name} has not answered within {} s", limit.as_secs())]
    Late {
        /// The program.
        name: String,
        /// How long it had.
        limit: Duration,
    },
    /// It said too much.
    #[error("{0} answers with more than 64 KiB")]
    Much(String),
}

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output: it may hold secrets.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: Vec<u8>,
}

/// Gives a program its input and waits for its answer. Blocks.
pub fn ask(command: &mut Command, input: &[u8], limit: Duration) -> Result<Answer, AskError> {
    let name = command.get_program().to_string_lossy();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| AskError::Start(name.clone(), error))?;
    let answer = hear(&mut child, input, (&name, limit));
    if answer.is_err() {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // Until it is waited for, its number is nobody else's.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = child.wait();
    }
    answer
}

fn hear(
    child: &mut Child,
    input: &[u8],
    (name, limit): (&str, Duration),
) -> Result<Answer, AskError> {
    let until = Instant::now() + limit;
    let late = || AskError::Late {
        name: name.to_owned(),
        limit,
    };
    let failed = |error| AskError::Read(name.to_owned(), error);
    let waiting = |error| AskError::Wait(name.to_owned(), error);
    let (out, err) = (listen(child.stdout.take()), listen(child.stderr.take()));
    if let Some(mut pipe) = child.stdin.take() {
        // One that does not read its input says what it thinks of it otherwise.
        let _ = pipe.write_all(input);
    }
    let take = |heard: &Receiver<io::Result<Vec<u8>>>| {
        let rest = until.saturating_duration_since(Instant::now());
        let bytes = heard.recv_timeout(rest).map_err(|_| late())?;
        let bytes = bytes.map_err(failed)?;
        match bytes.len() as u64 > MOST {
            true => Err(AskError::Much(name.to_owned())),
            false => Ok(bytes),
        }
    };
    let (out, err) = (take(&out)?, take(&err)?);
    if let Some(process) = Process::open(child.id()).map_err(waiting)? {
        let rest = until.saturating_duration_since(Instant::now());
        if !process.wait_exit(rest).map_err(waiting)? {
            return Err(late());
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok(Answer { status, out, err })
}

/// Reads to the end, and a byte more than is allowed, on a thread of its own. It ends when nobody has the other end any more.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<io::Result<Vec<u8>>> {
    let (heard, from) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = match pipe {
            Some(pipe) => pipe.take(MOST + 1).read_to_end(&mut bytes),
            None => Ok(0),
        };
        // Whoever asked may have gone.
        let _ = heard.send(read.map(|_| bytes));
    });
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: u64) -> Result<Answer, AskError> {
        let mut command = Command::new("sh");
        ask(
            command.args(["-c", script]),
            b"question",
            Duration::from_millis(limit),
        )
    }

    #[test]
    fn an_answer_has_its_time_and_size() {
        let answer = shell("cat; echo aside >&2; exit 3", 60_000).unwrap();
        assert_eq!(
            (answer.out.as_slice(), answer.err.as_slice()),
            (&b"question"[..], &b"aside\n"[..])
        );
        assert_eq!(answer.status.code(), Some(3));
        for script in [
            "exec sleep 1000",
            "sleep 1000 & echo {}",
            "exec >&- 2>&-; exec sleep 1000",
        ] {
            let error = shell(script, 50).unwrap_err();
            assert!(matches!(error, AskError::Late { .. }), "{script}: {error}");
        }
        let error = shell("exec yes", 60_000).unwrap_err();
        assert!(matches!(error, AskError::Much(_)), "{error}");
        let gone = ask(&mut Command::new("/nowhere"), b"", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(gone, AskError::Start(..)), "{gone}");
    }
}
