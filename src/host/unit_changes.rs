//! News of one unit, for who follows few of them: other units wake nobody.

use super::systemd::{Systemd, SystemdError, path};
use crate::model::name::UnitName;
use futures_util::{FutureExt as _, StreamExt as _};
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

/// The changes of one unit.
#[derive(Debug)]
pub struct UnitChanges {
    messages: MessageStream,
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
        systemd.subscribe().await?;
        Ok(Self { messages })
    }

    /// Waits for a change and takes along those that are there. Cancel-safe.
    pub async fn next(&mut self) -> Result<(), SystemdError> {
        match self.messages.next().await {
            Some(Ok(_)) => {}
            _ => return Err(SystemdError::Lost),
        }
        while let Some(Some(Ok(_))) = self.messages.next().now_or_never() {}
        Ok(())
    }
}
