//! A command in the container: `vks enter` as a child.

use super::{CheckError, Target};
use std::process::Stdio;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Output of a command that is kept for the log (kubelet: maxReadLength).
const KEPT: u64 = 10 << 10;

/// This program, also when its file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// Runs a command; exit code 0 is success. When this is dropped before its end, the command is killed with its
/// children; what it leaves running at its end stays, as in Kubernetes.
pub(super) async fn run(command: &[String], target: Target) -> Result<(), CheckError> {
    let mut child = Command::new(PROGRAM)
        .arg0("vks")
        .args(["enter", "--pid", &target.pid.to_string(), "--"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(CheckError::failed)?;
    let group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut text = Vec::new();
    let mut more = Vec::new();
    // Both are drained to their end, so that the command never waits for a reader.
    let (_, _) = tokio::join!(drain(out, &mut text), drain(err, &mut more));
    let status = child.wait().await.map_err(CheckError::failed)?;
    group.disarm();
    if status.success() {
        return Ok(());
    }
    text.extend(more);
    let said = String::from_utf8_lossy(&text);
    Err(CheckError::Failed(match said.trim() {
        "" => status.to_string(),
        said => format!("{status}: {said}"),
    }))
}

async fn drain(pipe: Option<impl tokio::io::AsyncRead + Unpin>, text: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    // What cannot be read is missing from a message, nothing else.
    let _ = (&mut pipe).take(KEPT).read_to_end(text).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
}

/// The process group of a command, killed when it is dropped: a time-out must not leave children behind.
struct Group(Option<u32>);

impl Group {
    /// The command has ended: its group may be another's by and by.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            // Gone already is the good case.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}
