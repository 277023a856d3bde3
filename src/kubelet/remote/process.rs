//! A program in a container, and the streams between it and a client.

use super::client::{Client, Input, Output, Size, Sizes};
use super::status::End;
use crate::host::pty::{Master, pair};
use crate::host::usher::{Running, Usher, UsherError};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::watch;

/// Bytes that are copied at once.
const AT_ONCE: usize = 16 << 10;
/// The end-of-file character of a terminal.
const END_OF_FILE: u8 = 4;

/// Why a program did not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no pipe or terminal for it.
    #[error("cannot make pipes or a terminal for the program")]
    Streams(#[from] io::Error),
    /// The usher.
    #[error(transparent)]
    Usher(#[from] UsherError),
}

/// Runs a program to its end. `None` when the client has gone before.
pub async fn run(
    usher: &Usher,
    pid: u32,
    command: Vec<String>,
    tty: bool,
    client: &mut Client,
) -> Option<End> {
    let result = match tty {
        true => on_terminal(usher, pid, command, client).await,
        false => on_pipes(usher, pid, command, client).await,
    };
    match result {
        Ok(Some(0)) => Some(End::Good),
        Ok(Some(code)) => Some(End::Code(code)),
        Ok(None) => None,
        Err(error) => Some(End::Failed(crate::chain::line(&error))),
    }
}

/// A pipe whose reading end is ours; or nothing, and what is written goes nowhere.
fn output(wanted: bool) -> io::Result<(Option<Receiver>, OwnedFd)> {
    if !wanted {
        return Ok((None, File::options().write(true).open("/dev/null")?.into()));
    }
    let (ours, theirs) = io::pipe()?;
    Ok((Some(Receiver::from_owned_fd(ours.into())?), theirs.into()))
}

fn input(wanted: bool) -> io::Result<(Option<Sender>, OwnedFd)> {
    if !wanted {
        return Ok((None, File::open("/dev/null")?.into()));
    }
    let (theirs, ours) = io::pipe()?;
    Ok((Some(Sender::from_owned_fd(ours.into())?), theirs.into()))
}

async fn on_pipes(
    usher: &Usher,
    pid: u32,
    command: Vec<String>,
    client: &mut Client,
) -> Result<Option<u8>, ProcessError> {
    let (to, stdin) = input(client.stdin.is_some())?;
    let (from, stdout) = output(client.stdout.is_some())?;
    let (errors, stderr) = output(client.stderr.is_some())?;
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let mut running = usher.run(pid, false, command, streams).await?;
    // Only the program has them now: their end is its end.
    drop((stdin, stdout, stderr));
    let (tell, ended) = watch::channel(false);
    let all = async {
        let (code, (), ()) = tokio::join!(
            end(&mut running, tell),
            copy(from, client.stdout.as_mut(), ended.clone()),
            copy(errors, client.stderr.as_mut(), ended.clone()),
        );
        code
    };
    tokio::select! {
        code = all => Ok(Some(code?)),
        () = feed(client.stdin.as_mut(), to) => Ok(None),
        () = client.end.gone() => Ok(None),
    }
}

async fn end(running: &mut Running, tell: watch::Sender<bool>) -> Result<u8, UsherError> {
    let code = running.end().await;
    tell.send_replace(true);
    code
}

/// Copies what the program writes, until nobody has the pipe open any more or the program has ended: then all it wrote is
/// in the pipe, and what others do with it who have it still is not waited for.
async fn copy(from: Option<Receiver>, to: Option<&mut Output>, mut ended: watch::Receiver<bool>) {
    let (Some(mut from), Some(to)) = (from, to) else {
        return;
    };
    let mut bytes = vec![0; AT_ONCE];
    loop {
        let count = tokio::select! {
            biased;
            count = from.read(&mut bytes) => count,
            _ = ended.wait_for(|ended| *ended) => from.try_read(&mut bytes),
        };
        let Ok(count @ 1..) = count else { break };
        if to
            .write(bytes.get(..count).unwrap_or_default())
            .await
            .is_err()
        {
            return;
        }
    }
    let _ = to.finish().await;
}

/// Hands on what is typed, to the end, and then waits for ever. What the program does not want is thrown away: it must not
/// hold up what else the client has to say.
async fn feed(from: Option<&mut Input>, mut to: Option<Sender>) {
    if let Some(from) = from {
        while let Some(bytes) = from.read().await {
            if let Some(pipe) = &mut to
                && pipe.write_all(&bytes).await.is_err()
            {
                to = None;
            }
        }
    }
    drop(to);
    std::future::pending().await
}

async fn on_terminal(
    usher: &Usher,
    pid: u32,
    command: Vec<String>,
    client: &mut Client,
) -> Result<Option<u8>, ProcessError> {
    let (ours, theirs) = pair()?;
    let master = Master::new(ours)?;
    let streams = [theirs.as_fd(), theirs.as_fd(), theirs.as_fd()];
    let mut running = usher.run(pid, true, command, streams).await?;
    drop(theirs);
    let (tell, ended) = watch::channel(false);
    let all = async {
        let (code, ()) = tokio::join!(
            end(&mut running, tell),
            copy_terminal(&master, client.stdout.as_mut(), ended),
        );
        code
    };
    tokio::select! {
        code = all => Ok(Some(code?)),
        () = type_in(client.stdin.as_mut(), &master) => Ok(None),
        () = resize(client.sizes.as_mut(), &master) => Ok(None),
        () = client.end.gone() => Ok(None),
    }
}

/// The same as [`copy`]; what nobody wants to see is read all the same, so that the program can write.
pub(super) async fn copy_terminal(
    master: &Master,
    mut to: Option<&mut Output>,
    mut ended: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; AT_ONCE];
    loop {
        let count = tokio::select! {
            biased;
            count = master.read(&mut bytes) => count,
            _ = ended.wait_for(|ended| *ended) => master.try_read(&mut bytes),
        };
        // The end of a terminal is an error.
        let Ok(count @ 1..) = count else { break };
        if let Some(to) = &mut to
            && to
                .write(bytes.get(..count).unwrap_or_default())
                .await
                .is_err()
        {
            return;
        }
    }
    if let Some(to) = to {
        let _ = to.finish().await;
    }
}

/// Types on a terminal; never ends.
async fn type_in(from: Option<&mut Input>, master: &Master) {
    if let Some(from) = from {
        let mut open = true;
        while let Some(bytes) = from.read().await {
            open = open && master.write_all(&bytes).await.is_ok();
        }
        let _ = master.write_all(&[END_OF_FILE]).await;
    }
    std::future::pending().await
}

async fn resize(sizes: Option<&mut Sizes>, master: &Master) {
    let Some(sizes) = sizes else {
        return std::future::pending().await;
    };
    loop {
        let Size { width, height } = sizes.next().await;
        // A size that cannot be set is no reason to end the session.
        let _ = master.resize(width, height);
    }
}

/// Runs a program and gives what it writes, up to so many bytes, and its exit code.
pub async fn collect(
    usher: &Usher,
    pid: u32,
    command: Vec<String>,
    most: usize,
) -> Result<(Vec<u8>, u8), ProcessError> {
    let (_, stdin) = input(false)?;
    let (from, stdout) = output(true)?;
    let streams = [stdin.as_fd(), stdout.as_fd(), stdout.as_fd()];
    let mut running = usher.run(pid, false, command, streams).await?;
    drop((stdin, stdout));
    let (tell, mut ended) = watch::channel(false);
    let mut text = Vec::new();
    let gather = async {
        let Some(mut from) = from else { return };
        let mut bytes = vec![0; AT_ONCE];
        loop {
            let count = tokio::select! {
                biased;
                count = from.read(&mut bytes) => count,
                _ = ended.wait_for(|ended| *ended) => from.try_read(&mut bytes),
            };
            let Ok(count @ 1..) = count else { return };
            let room = most.saturating_sub(text.len());
            text.extend_from_slice(bytes.get(..count.min(room)).unwrap_or_default());
        }
    };
    let (code, ()) = tokio::join!(end(&mut running, tell), gather);
    Ok((text, code?))
}
