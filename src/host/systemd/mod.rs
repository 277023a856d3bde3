//! systemd over D-Bus: typed acts and questions, no choices.
//!
//! Acts that make a job can be waited for; the end comes by signal ([`jobs`]), however long it takes.
//! Questions are in [`query`]. Nothing is cached and nothing is asked twice.

mod jobs;
pub(super) mod path;
mod proxy;
pub mod query;
mod reload;

use crate::model::name::UnitName;
pub use jobs::JobResult;
use jobs::{Jobs, Signals};
use proxy::ManagerProxy;
use reload::Reloads;
use std::sync::Arc;
use tokio::sync::Semaphore;
use zbus::OwnedObjectPath;

/// Acts and questions on their way at once. dbus-daemon refuses the 129th call that waits for its reply on a connection.
const ACTS: usize = 64;
const QUESTIONS: usize = 32;

/// The answer to who asks a second time on one connection (method_subscribe in src/core/dbus-manager.c).
const ALREADY_SUBSCRIBED: &str = "org.freedesktop.systemd1.AlreadySubscribed";

/// Why systemd did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SystemdError {
    /// The bus, or systemd on it, cannot be reached.
    #[error(
        "cannot reach systemd on {0}: check that dbus and systemd run here and that you are root"
    )]
    Connect(String, #[source] zbus::Error),
    /// An act on a unit was refused.
    #[error("systemd did not {act} {unit}")]
    Unit {
        /// The act.
        act: &'static str,
        /// The unit.
        unit: String,
        /// systemd's answer.
        source: zbus::Error,
    },
    /// A question, or an act on no unit, failed.
    #[error("systemd did not {0}")]
    Manager(&'static str, #[source] zbus::Error),
    /// An answer that does not look as documented.
    #[error("systemd gave an answer that vks does not understand: {0}")]
    Answer(String),
    /// The bus went away.
    #[error("the connection to systemd was lost")]
    Lost,
    /// systemd executed itself anew while a job was waited for.
    #[error("systemd was restarted (daemon-reexec) during a job of {0}, so its result is unknown")]
    Forgotten(String),
}

impl SystemdError {
    /// Whether systemd has no such unit loaded.
    pub fn is_no_such_unit(&self) -> bool {
        let (Self::Unit { source, .. } | Self::Manager(_, source)) = self else {
            return false;
        };
        matches!(source, zbus::Error::MethodError(name, ..)
            if name.as_str() == "org.freedesktop.systemd1.NoSuchUnit")
    }
}

/// Which processes of a unit get a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The main process.
    Main,
    /// Every process of the unit.
    All,
}

/// A connection to systemd. Clones share it.
#[derive(Debug, Clone)]
pub struct Systemd {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    manager: ManagerProxy<'static>,
    jobs: Arc<Jobs>,
    reloads: Reloads,
    permits: Permits,
    listener: tokio::task::AbortHandle,
}

/// How many calls may be on their way. Questions do not queue behind acts: the agent asks while it has hundreds of pods started,
/// and must not be held up by that.
#[derive(Debug)]
struct Permits {
    acts: Semaphore,
    questions: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        Self {
            acts: Semaphore::new(ACTS),
            questions: Semaphore::new(QUESTIONS),
        }
    }
}

impl Permits {
    /// Does this when there is a permit for an act.
    async fn act<T>(&self, call: impl Future<Output = T>) -> T {
        // The semaphores are never closed, so there is always a permit to wait for.
        let _permit = self.acts.acquire().await;
        call.await
    }

    /// Does this when there is a permit for a question.
    async fn question<T>(&self, call: impl Future<Output = T>) -> T {
        let _permit = self.questions.acquire().await;
        call.await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Systemd {
    /// Connects to the system bus, or to the one at `address` (a D-Bus address), and begins to listen for
    /// the ends of jobs. Must be called in a tokio runtime.
    pub async fn connect(address: Option<&str>) -> Result<Self, SystemdError> {
        let failed = |source| {
            let bus = address.unwrap_or("the system bus").to_owned();
            SystemdError::Connect(bus, source)
        };
        let builder = match address {
            Some(address) => zbus::connection::Builder::address(address),
            None => zbus::connection::Builder::system(),
        };
        let connection = builder.build().await.map_err(failed)?;
        let manager = ManagerProxy::builder(&connection)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .map_err(failed)?;
        let signals = Signals::subscribe(&manager).await.map_err(failed)?;
        let jobs = Arc::new(Jobs::default());
        let listener = tokio::spawn(signals.serve(Arc::clone(&jobs))).abort_handle();
        Ok(Self {
            inner: Arc::new(Inner {
                manager,
                jobs,
                reloads: Reloads::default(),
                permits: Permits::default(),
                listener,
            }),
        })
    }

    /// Major version of systemd.
    pub async fn version(&self) -> Result<u32, SystemdError> {
        let text = self.inner.manager.version().await;
        let text = text.map_err(|source| SystemdError::Manager("tell its version", source))?;
        let digits = text.split(|c: char| !c.is_ascii_digit()).next();
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or(SystemdError::Answer(text))
    }

    /// Asks for the start of a unit and does not wait for it.
    pub async fn start(&self, unit: &UnitName) -> Result<(), SystemdError> {
        let job = self.inner.manager.start_unit(unit.as_str(), "replace");
        self.unit_call("start", unit, job).await.map(drop)
    }

    /// Starts a unit and waits for the end of the job.
    pub async fn start_and_wait(&self, unit: &UnitName) -> Result<JobResult, SystemdError> {
        let job = self.inner.manager.start_unit(unit.as_str(), "replace");
        self.job("start", unit, job).await
    }

    /// Stops a unit and waits for the end of the job. A unit that is not loaded is stopped: `Done`.
    pub async fn stop_and_wait(&self, unit: &UnitName) -> Result<JobResult, SystemdError> {
        let job = self.inner.manager.stop_unit(unit.as_str(), "replace");
        match self.job("stop", unit, job).await {
            Err(error) if error.is_no_such_unit() => Ok(JobResult::Done),
            result => result,
        }
    }

    /// Restarts a unit, or starts it, and waits for the end of the job.
    pub async fn restart_and_wait(&self, unit: &UnitName) -> Result<JobResult, SystemdError> {
        let job = self.inner.manager.restart_unit(unit.as_str(), "replace");
        self.job("restart", unit, job).await
    }

    /// Has a unit that runs take its settings again, or starts it, and waits for the end of the job.
    pub async fn reload_or_start_and_wait(
        &self,
        unit: &UnitName,
    ) -> Result<JobResult, SystemdError> {
        let job = self
            .inner
            .manager
            .reload_or_restart_unit(unit.as_str(), "replace");
        self.job("reload", unit, job).await
    }

    /// Asks a unit to read its configuration again (`ExecReload=`) and does not wait for it. A unit that is to be stopped
    /// is left to that: a reload in mode "replace" would take the place of the stop (org.freedesktop.systemd1(5)).
    ///
    /// # Errors
    /// Also when it is not running, is being stopped, or cannot.
    pub async fn reload_unit(&self, unit: &UnitName) -> Result<(), SystemdError> {
        let job = self.inner.manager.reload_unit(unit.as_str(), "fail");
        self.unit_call("reload", unit, job).await.map(drop)
    }

    /// daemon-reload: systemd reads all unit files again. Returns after one that began after this call;
    /// callers at the same time share it.
    pub async fn reload(&self) -> Result<(), SystemdError> {
        let reload = async || {
            let call = self.inner.manager.reload();
            let reply = self.inner.permits.act(call).await;
            reply.map_err(|source| SystemdError::Manager("reload its unit files", source))
        };
        self.inner.reloads.share(reload).await
    }

    /// Takes a unit out of the failed state. Nothing to do, and no error, when it is not loaded.
    pub async fn reset_failed(&self, unit: &UnitName) -> Result<(), SystemdError> {
        let call = self.inner.manager.reset_failed_unit(unit.as_str());
        match self
            .unit_call("reset the failed state of", unit, call)
            .await
        {
            Err(error) if error.is_no_such_unit() => Ok(()),
            result => result,
        }
    }

    /// Sends a signal to processes of a unit.
    pub async fn kill(&self, unit: &UnitName, whom: Whom, signal: i32) -> Result<(), SystemdError> {
        let whom = match whom {
            Whom::Main => "main",
            Whom::All => "all",
        };
        let call = self.inner.manager.kill_unit(unit.as_str(), whom, signal);
        self.unit_call("send a signal to", unit, call).await
    }

    /// Sets numbers among the properties of a unit, until the next boot.
    pub async fn set_properties(
        &self,
        unit: &UnitName,
        properties: &[(&str, u64)],
    ) -> Result<(), SystemdError> {
        let values: Vec<(&str, zbus::Variant)> = properties
            .iter()
            .map(|(name, value)| (*name, (*value).into()))
            .collect();
        let manager = &self.inner.manager;
        let call = manager.set_unit_properties(unit.as_str(), true, &values);
        self.unit_call("set properties of", unit, call).await
    }

    /// Asks systemd to announce changes of all units.
    pub(super) async fn subscribe(&self) -> Result<(), SystemdError> {
        match self.inner.permits.act(self.inner.manager.subscribe()).await {
            // Once for a connection: whoever else asks on it hears them already.
            Err(zbus::Error::MethodError(name, ..)) if name.as_str() == ALREADY_SUBSCRIBED => {
                Ok(())
            }
            reply => {
                let failed =
                    |source| SystemdError::Manager("announce changes of its units", source);
                reply.map_err(failed)
            }
        }
    }

    pub(super) fn connection(&self) -> &zbus::Connection {
        self.inner.manager.inner().connection()
    }

    /// Makes a call that is answered by the path of a job, and waits for that job.
    async fn job(
        &self,
        act: &'static str,
        unit: &UnitName,
        call: impl Future<Output = zbus::Result<OwnedObjectPath>>,
    ) -> Result<JobResult, SystemdError> {
        let waiting = self.inner.jobs.call();
        let path = self.unit_call(act, unit, call).await?;
        let id = path.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
        let id = id.ok_or_else(|| SystemdError::Answer(path.to_string()))?;
        waiting.result(id, unit.as_str()).await
    }

    async fn unit_call<T>(
        &self,
        act: &'static str,
        unit: &UnitName,
        call: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, SystemdError> {
        self.inner
            .permits
            .act(call)
            .await
            .map_err(refused(act, unit))
    }

    /// The same for what changes nothing.
    async fn unit_question<T>(
        &self,
        act: &'static str,
        unit: &UnitName,
        call: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, SystemdError> {
        self.inner
            .permits
            .question(call)
            .await
            .map_err(refused(act, unit))
    }
}

fn refused(act: &'static str, unit: &UnitName) -> impl FnOnce(zbus::Error) -> SystemdError {
    move |source| SystemdError::Unit {
        act,
        unit: unit.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::{pending, ready};

    #[test]
    fn questions_do_not_wait_for_acts() {
        let permits = Permits::default();
        let mut acts: Vec<_> = (0..=ACTS)
            .map(|_| Box::pin(permits.act(pending::<()>())))
            .collect();
        for act in &mut acts {
            assert!(act.as_mut().now_or_never().is_none());
        }
        assert!(permits.act(ready(())).now_or_never().is_none());
        assert!(permits.question(ready(())).now_or_never().is_some());
        drop(acts);
        assert!(permits.act(ready(())).now_or_never().is_some());
    }
}
