//! Waiting for jobs: one listener for JobRemoved and a table of who waits for which job.
//!
//! systemd may remove a job before its number reaches the caller. So while a call that makes a job is
//! on its way, the results of all jobs that end are kept; they are dropped when no such call is left.

use super::SystemdError;
use futures_util::StreamExt as _;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

use super::proxy::{JobRemovedStream, ManagerProxy};
use zbus::fdo::{DBusProxy, NameOwnerChangedStream};

/// How a job ended (JobRemoved in org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// As asked.
    Done,
    /// The unit failed.
    Failed,
    /// A unit that it requires failed.
    Dependency,
    /// Another job took its place, or somebody cancelled it.
    Canceled,
    /// It took longer than the unit's timeout.
    Timeout,
    /// Nothing was done: a condition of the unit, or its state, made it needless.
    Skipped,
    /// One of the rarer results, by systemd's name.
    Other(Box<str>),
}

impl JobResult {
    fn from_text(text: &str) -> Self {
        match text {
            "done" => Self::Done,
            "failed" => Self::Failed,
            "dependency" => Self::Dependency,
            "canceled" => Self::Canceled,
            "timeout" => Self::Timeout,
            "skipped" => Self::Skipped,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for JobResult {
    /// systemd's word for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Dependency => "dependency",
            Self::Canceled => "canceled",
            Self::Timeout => "timeout",
            Self::Skipped => "skipped",
            Self::Other(text) => text,
        })
    }
}

/// Who waits for which job.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u32, Vec<oneshot::Sender<JobResult>>>,
    /// Jobs that ended while calls were on their way.
    ended: HashMap<u32, JobResult>,
    calls: usize,
    lost: bool,
}

/// A call that makes a job, from before it is sent until its reply is processed.
#[derive(Debug)]
pub(super) struct Call<'a> {
    jobs: &'a Jobs,
}

impl Jobs {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A table is never left half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while a call is made whose reply names a job.
    pub(super) fn call(&self) -> Call<'_> {
        self.table().calls += 1;
        Call { jobs: self }
    }

    fn ended(&self, id: u32, result: &JobResult) {
        let mut table = self.table();
        for waiting in table.waiting.remove(&id).unwrap_or_default() {
            // Nobody listens any more when the waiting side was dropped.
            let _ = waiting.send(result.clone());
        }
        if table.calls > 0 {
            table.ended.insert(id, result.clone());
        }
    }

    /// Lets everybody who waits go without a result.
    fn forget(&self) {
        self.table().waiting.clear();
    }

    fn lose(&self) {
        let mut table = self.table();
        table.lost = true;
        table.waiting.clear();
    }

    fn is_lost(&self) -> bool {
        self.table().lost
    }
}

impl Call<'_> {
    /// Waits for the job that the reply named. `unit` is for the error.
    pub(super) async fn result(self, id: u32, unit: &str) -> Result<JobResult, SystemdError> {
        let result = self.receiver(id);
        let jobs = self.jobs;
        drop(self);
        result.await.map_err(|_| match jobs.is_lost() {
            true => SystemdError::Lost,
            false => SystemdError::Forgotten(unit.to_owned()),
        })
    }

    fn receiver(&self, id: u32) -> oneshot::Receiver<JobResult> {
        let (sender, receiver) = oneshot::channel();
        let mut table = self.jobs.table();
        match table.ended.get(&id) {
            Some(result) => {
                let _ = sender.send(result.clone());
            }
            // After the loss nobody would ever answer: dropping the sender ends the wait.
            None if table.lost => {}
            None => table.waiting.entry(id).or_default().push(sender),
        }
        receiver
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut table = self.jobs.table();
        table.calls -= 1;
        if table.calls == 0 {
            table.ended.clear();
            table.ended.shrink_to(64);
        }
    }
}

/// What the listener hears.
pub(super) struct Signals {
    removed: JobRemovedStream,
    owner: NameOwnerChangedStream,
}

impl Signals {
    /// Subscribed before the first call, so that no job is missed.
    pub(super) async fn subscribe(manager: &ManagerProxy<'static>) -> zbus::Result<Self> {
        let bus = DBusProxy::new(manager.inner().connection()).await?;
        let name = manager.inner().destination().as_str();
        Ok(Self {
            owner: bus
                .receive_name_owner_changed_with_args(&[(0, name)])
                .await?,
            removed: manager.receive_job_removed().await?,
        })
    }

    /// Runs until the bus is lost.
    pub(super) async fn serve(mut self, jobs: Arc<Jobs>) {
        loop {
            tokio::select! {
                // Both are streams: dropping one side of the select loses nothing.
                signal = self.removed.next() => {
                    let Some(signal) = signal else { break };
                    if let Ok(args) = signal.args() {
                        jobs.ended(args.id, &JobResult::from_text(args.result));
                    }
                }
                changed = self.owner.next() => {
                    if changed.is_none() { break }
                    // systemd executed itself anew: what ended meanwhile was told to nobody.
                    jobs.forget();
                }
            }
        }
        jobs.lose();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_ends_before_its_reply_is_not_lost() {
        let jobs = Jobs::default();
        let (first, second) = (jobs.call(), jobs.call());
        jobs.ended(7, &JobResult::Failed);
        assert_eq!(first.result(7, "a").await.unwrap(), JobResult::Failed);
        // Two calls may be given the same job.
        assert_eq!(second.result(7, "a").await.unwrap(), JobResult::Failed);
        assert!(jobs.table().ended.is_empty());
    }

    #[tokio::test]
    async fn all_who_wait_for_a_job_are_told() {
        let jobs = Jobs::default();
        let (first, second) = (jobs.call().result(7, "a"), jobs.call().result(7, "a"));
        let end = async { jobs.ended(7, &JobResult::Done) };
        let (first, second, ()) = tokio::join!(first, second, end);
        assert_eq!(
            (first.unwrap(), second.unwrap()),
            (JobResult::Done, JobResult::Done)
        );
    }

    #[tokio::test]
    async fn a_lost_bus_ends_every_wait() {
        let jobs = Jobs::default();
        let (early, ()) = tokio::join!(jobs.call().result(7, "a"), async { jobs.lose() });
        assert!(matches!(early, Err(SystemdError::Lost)));
        let late = jobs.call().result(8, "b").await;
        assert!(matches!(late, Err(SystemdError::Lost)));
    }

    #[tokio::test]
    async fn a_new_systemd_ends_the_waits_of_before() {
        let jobs = Jobs::default();
        let (before, ()) =
            tokio::join!(jobs.call().result(7, "a.service"), async { jobs.forget() });
        assert!(matches!(before, Err(SystemdError::Forgotten(unit)) if unit == "a.service"));
    }
}
