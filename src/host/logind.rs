//! The login manager, as far as it knows of the host's shutdown: it says when one begins, and waits with it for those who
//! hold a lock (org.freedesktop.login1(5), systemd's "inhibitor locks").

use super::files::{Dir, FileError};
use super::systemd::{Systemd, SystemdError};
use crate::model::name::KnownUnit;
use futures_util::StreamExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, OwnedFd, Variant};

const DESTINATION: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
/// Where it looks for settings that are gone after a boot.
const SETTINGS: &str = "/run/systemd/logind.conf.d";
const FILE: &str = "99-vks.conf";
const UNIT: KnownUnit = KnownUnit::new("systemd-logind.service");

/// What was asked of the login manager and did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LogindError {
    /// A call has failed, or there is no login manager.
    #[error("the login manager (systemd-logind.service) does not {0}")]
    Call(&'static str, #[source] zbus::Error),
    /// Its settings cannot be written.
    #[error("the login manager cannot be told how long a shutdown may wait")]
    Settings(#[from] FileError),
    /// It cannot be reloaded.
    #[error("the login manager does not read its settings again")]
    Reload(#[from] SystemdError),
    /// Its messages have ended.
    #[error("the connection to the login manager was lost")]
    Lost,
}

/// A connection. Says when a shutdown begins, and when it was called off.
#[derive(Debug)]
pub struct Logind {
    systemd: Systemd,
    news: watch::Receiver<bool>,
    listener: tokio::task::AbortHandle,
}

/// The host does not shut down while somebody has this, for as long as the login manager allows.
#[derive(Debug)]
pub struct Lock {
    _fd: OwnedFd,
}

impl Drop for Logind {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Logind {
    /// Listens, from now on.
    pub async fn listen(systemd: &Systemd) -> Result<Self, LogindError> {
        let failed = |source| LogindError::Call("announce shutdowns", source);
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(DESTINATION)
            .path(PATH)
            .interface(MANAGER)
            .member("PrepareForShutdown")
            .build();
        let connection = systemd.connection();
        let messages = MessageStream::for_match_rule(rule.map_err(failed)?, connection, None).await;
        let mut messages = messages.map_err(failed)?;
        let (told, news) = watch::channel(false);
        // A task of its own: a connection whose signals nobody takes does not read its replies either.
        let listener = tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                if let Ok(begins) = message.body().deserialize::<bool>() {
                    told.send_replace(begins);
                }
            }
        });
        Ok(Self {
            systemd: systemd.clone(),
            news,
            listener: listener.abort_handle(),
        })
    }

    /// Waits until a shutdown begins (`true`), or is called off.
    ///
    /// # Errors
    /// When there will be no such news any more.
    pub async fn wait(&mut self, begins: bool) -> Result<(), LogindError> {
        let news = self.news.wait_for(|now| *now == begins).await;
        news.map(drop).map_err(|_| LogindError::Lost)
    }

    /// Has shutdowns wait while the lock is held. Whoever asks `who` delays one is told this name.
    pub async fn delay(&self, who: &str, why: &str) -> Result<Lock, LogindError> {
        let failed = |source| LogindError::Call("let a shutdown be delayed", source);
        let body = ("shutdown", who, why, "delay");
        let connection = self.systemd.connection();
        let call = connection.call_method(Some(DESTINATION), PATH, Some(MANAGER), "Inhibit", &body);
        let reply = call.await.map_err(failed)?;
        let fd = reply.body().deserialize::<OwnedFd>().map_err(failed)?;
        Ok(Lock { _fd: fd })
    }

    /// The longest that a shutdown waits.
    pub async fn longest(&self) -> Result<Duration, LogindError> {
        let failed = |source| LogindError::Call("tell how long a shutdown may wait", source);
        let body = (MANAGER, "InhibitDelayMaxUSec");
        let properties = Some("org.freedesktop.DBus.Properties");
        let connection = self.systemd.connection();
        let call = connection.call_method(Some(DESTINATION), PATH, properties, "Get", &body);
        let reply = call.await.map_err(failed)?;
        let body = reply.body();
        let value: Variant = body.deserialize().map_err(failed)?;
        Ok(match value {
            Variant::U64(micros) => Duration::from_micros(micros),
            _ => Duration::ZERO,
        })
    }

    /// Has a shutdown wait as long as this, if it does not already: by a setting that is gone after the next boot.
    pub async fn allow(&self, time: Duration) -> Result<(), LogindError> {
        if self.longest().await? >= time {
            return Ok(());
        }
        let seconds = time.as_secs();
        let work = tokio::task::spawn_blocking(move || {
            let text = format!(
                "# Written by vks for kubernetes.shutdown.\n[Login]\nInhibitDelayMaxSec={seconds}\n"
            );
            Dir::create(Path::new(SETTINGS))?.write(FILE, text.as_bytes(), 0o644)
        });
        work.await.map_err(|_| LogindError::Lost)??;
        self.systemd.reload_or_start_and_wait(&UNIT.into()).await?;
        Ok(())
    }
}
