//! News of one unit, for who follows few of them: other units wake nobody.

use super::systemd::{Systemd, SystemdError, path};
use crate::model::name::UnitName;
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

/// The changes of one unit.
#[derive(Debug)]
pub struct UnitChanges {
    shared: Arc<Shared>,
    listener: tokio::task::AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    bell: Notify,
    lost: AtomicBool,
}

impl UnitChanges {
    /// Subscribes. Everything that happens after this returns is told.
    pub async fn subscribe(systemd: &Systemd, unit: &UnitName) -> Result<Self, SystemdError> {
        let failed = |source| SystemdError::Manager("announce changes of its units", source);
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.systemd1")
            .path(path::of_unit(unit))
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .build()
            .map_err(failed)?;
        let messages = MessageStream::for_match_rule(rule, systemd.connection(), None).await;
        let messages = messages.map_err(failed)?;
        // Taken by a task of their own: a connection whose signals nobody takes does not read its replies either.
        let shared = Arc::new(Shared::default());
        let serve = serve(messages, Arc::clone(&shared));
        let changes = Self {
            listener: tokio::spawn(serve).abort_handle(),
            shared,
        };
        systemd.subscribe().await?;
        Ok(changes)
    }

    /// Waits for changes since the last call. Cancel-safe: what is not returned is kept.
    pub async fn next(&mut self) -> Result<(), SystemdError> {
        self.shared.bell.notified().await;
        match self.shared.lost.load(Ordering::Acquire) {
            true => Err(SystemdError::Lost),
            false => Ok(()),
        }
    }
}

impl Drop for UnitChanges {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Runs until the bus is lost.
async fn serve(mut messages: MessageStream, shared: Arc<Shared>) {
    while let Some(Ok(_)) = messages.next().await {
        shared.bell.notify_one();
    }
    shared.lost.store(true, Ordering::Release);
    shared.bell.notify_one();
}
