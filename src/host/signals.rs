//! News from systemd: which of vks' units changed. Nothing polls, and nothing here asks systemd anything.
//!
//! Two match rules. PropertiesChanged of the Unit interface below `/org/freedesktop/systemd1/unit`: systemd sends
//! it for each change of a unit of any type, together with that of the type's own interface, which is
//! therefore not needed. And all signals of the manager: units that come and go, jobs, reloads.
//!
//! A match rule cannot say "begins with vks" (`path_namespace` compares whole path elements, and one rule
//! for each unit would exceed dbus-daemon's limit of rules), so a change of any other unit of the host wakes the
//! listener for as long as it takes to look at the path. On a host where nothing happens nothing wakes.

use super::systemd::{Systemd, SystemdError, path};
use crate::model::name::UnitName;
use futures_util::StreamExt as _;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

/// What is done with a message.
type Hear = fn(&Message, &Shared);

/// What changed since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Units of vks whose state changed, or that systemd loaded, unloaded or finished a job of.
    pub units: BTreeSet<UnitName>,
    /// systemd read all unit files again, or executed itself anew: any unit may differ.
    pub reloaded: bool,
}

/// The changes of vks' units. They are kept as a set, so memory is bounded by the number of units, however
/// long nobody looks.
#[derive(Debug)]
pub struct Changes {
    shared: Arc<Shared>,
    listeners: Vec<tokio::task::AbortHandle>,
}

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct News {
    changed: Changed,
    /// systemd is reading all unit files again: it removes and announces every unit, which says nothing.
    reloading: bool,
    lost: bool,
}

impl Changes {
    /// Subscribes. Everything that happens after this returns is told.
    pub async fn subscribe(systemd: &Systemd) -> Result<Self, SystemdError> {
        let failed = |source| SystemdError::Manager("announce changes of its units", source);
        let shared = Arc::new(Shared::default());
        let mut changes = Self {
            listeners: Vec::new(),
            shared: Arc::clone(&shared),
        };
        let rules: [(_, Hear); 2] = [(manager_rule(), manager_said), (unit_rule(), unit_changed)];
        for (rule, hear) in rules {
            let rule = rule.map_err(failed)?;
            let messages = MessageStream::for_match_rule(rule, systemd.connection(), None).await;
            let serve = serve(messages.map_err(failed)?, hear, Arc::clone(&shared));
            // Before any other call: a connection whose signals nobody takes does not read its replies either.
            changes.listeners.push(tokio::spawn(serve).abort_handle());
        }
        systemd.subscribe().await?;
        Ok(changes)
    }

    /// Waits for a change and takes all there are. A start makes a dozen of them within milliseconds, so it pays
    /// to look a little later. Cancel-safe: what is not returned is kept.
    pub async fn next(&mut self) -> Result<Changed, SystemdError> {
        loop {
            if let Some(result) = self.shared.take() {
                return result;
            }
            self.shared.bell.notified().await;
        }
    }
}

impl Changes {
    /// The units that have changed meanwhile, without waiting; nothing when systemd has read all again, which is left to
    /// [`Changes::next`].
    pub fn unless_reloaded(&mut self) -> Option<Result<BTreeSet<UnitName>, SystemdError>> {
        if self.shared.news().changed.reloaded {
            return None;
        }
        let taken = self.shared.take()?;
        Some(taken.map(|changed| changed.units))
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.listeners
            .iter()
            .for_each(tokio::task::AbortHandle::abort);
    }
}

impl Shared {
    fn news(&self) -> MutexGuard<'_, News> {
        // The news are never left half changed.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Result<Changed, SystemdError>> {
        let mut news = self.news();
        let changed = std::mem::take(&mut news.changed);
        if changed != Changed::default() {
            return Some(Ok(changed));
        }
        news.lost.then_some(Err(SystemdError::Lost))
    }

    fn add(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news());
        self.bell.notify_one();
    }
}

fn unit_rule() -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.systemd1")
        .path_namespace("/org/freedesktop/systemd1/unit")
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .add_arg("org.freedesktop.systemd1.Unit")
        .build()
}

fn manager_rule() -> zbus::Result<MatchRule<'static>> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.systemd1")
        .path("/org/freedesktop/systemd1")
        .interface("org.freedesktop.systemd1.Manager")
        .build()
}

/// Runs until the bus is lost.
async fn serve(mut messages: MessageStream, hear: fn(&Message, &Shared), shared: Arc<Shared>) {
    while let Some(Ok(message)) = messages.next().await {
        hear(&message, &shared);
    }
    shared.add(|news| news.lost = true);
}

fn unit_changed(message: &Message, shared: &Shared) {
    let header = message.header();
    if let Some(unit) = header.path().and_then(|path| path::own_unit(path)) {
        shared.add(|news| {
            news.changed.units.insert(unit);
        });
    }
}

fn manager_said(message: &Message, shared: &Shared) {
    let header = message.header();
    let body = message.body();
    let unit = match header.member().map(|member| member.as_str()) {
        Some("UnitNew" | "UnitRemoved") if shared.news().reloading => return,
        Some("UnitNew" | "UnitRemoved") => {
            let named = body.deserialize::<(&str, zbus::ObjectPath)>();
            named.ok().map(|(unit, _)| unit)
        }
        Some("JobNew") => {
            let named = body.deserialize::<(u32, zbus::ObjectPath, &str)>();
            named.ok().map(|(_, _, unit)| unit)
        }
        Some("JobRemoved") => {
            let named = body.deserialize::<(u32, zbus::ObjectPath, &str, &str)>();
            named.ok().map(|(_, _, unit, _)| unit)
        }
        Some("Reloading") => {
            // `true` when it begins, `false` when it has ended.
            if let Ok(begins) = body.deserialize::<bool>() {
                shared.news().reloading = begins;
                if !begins {
                    shared.add(|news| news.changed.reloaded = true);
                }
            }
            return;
        }
        _ => return,
    };
    let own = unit.filter(|unit| crate::unit::names::is_ours(unit));
    if let Some(unit) = own.and_then(|unit| unit.parse().ok()) {
        shared.add(|news| {
            news.changed.units.insert(unit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> UnitName {
        name.parse().unwrap()
    }

    fn signal(member: &str, body: &(impl serde::Serialize + zbus::DynamicType)) -> Message {
        let (path, interface) = (
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
        );
        let signal = Message::signal(path, interface, member);
        signal.build(body).unwrap()
    }

    #[test]
    fn changes_are_merged_and_the_loss_comes_last() {
        let shared = Shared::default();
        assert!(shared.take().is_none());
        let job = zbus::ObjectPath::try_from("/org/freedesktop/systemd1/job/4").unwrap();
        for result in ["done", "failed"] {
            let body = (4u32, &job, "vks.a.b.c.service", result);
            manager_said(&signal("JobRemoved", &body), &shared);
        }
        manager_said(&signal("JobNew", &(4u32, &job, "ssh.service")), &shared);
        manager_said(&signal("UnitNew", &("vks-a-b.target", &job)), &shared);
        shared.add(|news| news.lost = true);
        let units = BTreeSet::from([unit("vks.a.b.c.service"), unit("vks-a-b.target")]);
        let reloaded = false;
        assert_eq!(shared.take().unwrap().unwrap(), Changed { units, reloaded });
        assert!(matches!(shared.take(), Some(Err(SystemdError::Lost))));
    }

    #[test]
    fn the_end_of_a_reload_is_told_and_nothing_of_its_course() {
        let shared = Shared::default();
        let unit = zbus::ObjectPath::try_from("/org/freedesktop/systemd1/unit/vks_2ea").unwrap();
        manager_said(&signal("Reloading", &true), &shared);
        for member in ["UnitRemoved", "UnitNew"] {
            manager_said(&signal(member, &("vks.a.b.c.service", &unit)), &shared);
        }
        assert!(shared.take().is_none());
        manager_said(&signal("Reloading", &false), &shared);
        let changed = shared.take().unwrap().unwrap();
        assert!(changed.reloaded && changed.units.is_empty());
        assert!(shared.take().is_none());
    }

    #[test]
    fn match_rules_are_as_narrow_as_they_can_be() {
        assert_eq!(
            unit_rule().unwrap().to_string(),
            "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.DBus.Properties',\
             member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit',arg0='org.freedesktop.systemd1.Unit'"
        );
        assert!(manager_rule().is_ok());
    }
}
