//! Attaching to what runs: its standard input through the pipe that `vks hold` reads, its output from the journal, line
//! by line, from now on.

use super::client::{Client, Input, Output};
use super::status::End;
use crate::host::log::hub::Follower;
use crate::host::log::lines::Lines;
use crate::kubelet::pods::Followed;
use crate::kubelet::refusal::Refusal;
use crate::kubelet::state::State;
use crate::model::layout::Layout;
use crate::model::log_run::{self, Run};
use crate::model::name::ContainerName;
use crate::model::view::PodView;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::OpenOptions;

/// What is attached to.
pub struct Target {
    run: Run,
    /// The named pipe to its standard input, if it has one.
    stdin: Option<PathBuf>,
}

impl Target {
    /// A container that runs.
    pub fn of(pod: &PodView, container: &str, layout: &Layout) -> Result<Self, Refusal> {
        let run = log_run::run(pod, container, false);
        let run = run.map_err(|error| Refusal::bad(error.to_string()))?;
        let mut specs = pod.containers().map(|(_, spec)| spec);
        let takes = specs.any(|spec| spec["name"] == container && spec["stdin"] == true);
        let name = container.parse::<ContainerName>().ok().filter(|_| takes);
        let stdin = name.zip(pod.report.uid.as_ref());
        Ok(Self {
            run,
            stdin: stdin.map(|(name, uid)| layout.stdin(uid, &name)),
        })
    }

    /// Until the container ends; `None` when the client has gone before.
    pub async fn attach(self, state: &State, client: &mut Client) -> Option<End> {
        let changes = state.pods.follow(self.run.pod.clone()).await;
        let Ok(mut changes) = changes else {
            return Some(End::Failed("the agent is shutting down".to_owned()));
        };
        let mut follower = state.hub.follow(&self.run.unit);
        let since = Some(crate::host::clock::timestamp());
        let run = Run {
            started: self.run.started.max(since),
            ..self.run
        };
        // Only one of them: where a container's line came from is not known.
        let out = client.stdout.as_mut().or(client.stderr.as_mut());
        tokio::select! {
            () = over(&mut changes, &run) => Some(End::Good),
            () = show(&mut follower, &run, out) => None,
            () = feed(client.stdin.as_mut(), self.stdin) => None,
            () = client.end.gone() => None,
        }
    }
}

/// Shows what is written, until the client is gone.
async fn show(follower: &mut Follower, run: &Run, out: Option<&mut Output>) {
    let Some(out) = out else {
        return std::future::pending().await;
    };
    let mut lines = Lines::new(String::new(), false, None);
    loop {
        match follower.next().await {
            Ok(entries) => {
                let new = entries.iter().filter(|entry| entry.time >= run.started);
                let text = lines.text(new.map(|entry| &**entry));
                if out.write(&text).await.is_err() {
                    return;
                }
            }
            // Whoever is too slow misses some, as at a terminal that scrolls.
            Err(_) => follower.forget(),
        }
    }
}

/// Hands on what is typed; never ends.
async fn feed(from: Option<&mut Input>, pipe: Option<PathBuf>) {
    if let Some(from) = from {
        // Without a reader this is an error, and nobody hears what is typed.
        let mut pipe = pipe.and_then(|path| OpenOptions::new().open_sender(path).ok());
        while let Some(bytes) = from.read().await {
            if let Some(open) = &mut pipe
                && open.write_all(&bytes).await.is_err()
            {
                pipe = None;
            }
        }
    }
    std::future::pending().await
}

async fn over(changes: &mut Followed, run: &Run) {
    loop {
        {
            let pod = changes.borrow_and_update();
            let now = pod
                .as_ref()
                .map(|pod| log_run::run(pod, &run.container, false));
            if !matches!(now, Some(Ok(now)) if now.invocation == run.invocation && now.running) {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
