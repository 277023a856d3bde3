//! Events that others than the agent say, heard from the journal: probes and hooks that failed, volumes that cannot be
//! mounted. What follows from a change of status (`Started`, `BackOff`) is told with the status.

use super::member::Member;
use crate::host::log::marked::Marked;
use crate::model::event::MESSAGE_ID;
use crate::observe::events::{Event, FIELDS, of_line};
use crate::report::event::{Happened, Object};
use crate::source::cluster::mirror_key;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Before journalctl is started again.
const BREATHER: Duration = Duration::from_secs(5);
/// What is told with the status.
const WITH_STATUS: [&str; 6] = [
    "BackOff", "Created", "Failed", "Killing", "Pulled", "Started",
];

/// Listens until nobody wants to know any more.
pub async fn listen(events: Sender<Event>) {
    loop {
        let read = async {
            let mut journal = Marked::follow(&[MESSAGE_ID], &FIELDS)?;
            while let Some(line) = journal.next().await? {
                for event in of_line(&line) {
                    // Too many at once: those that are too much are not told.
                    let _ = events.try_send(event);
                }
            }
            Ok::<_, crate::host::log::JournalError>(())
        };
        tokio::select! {
            done = read => if let Err(error) = done {
                log::debug!("{}; it is started again", crate::chain::line(&error));
            },
            () = events.closed() => return,
        }
        tokio::time::sleep(BREATHER).await;
    }
}

impl Member {
    /// Tells an event of a pod that the API server knows.
    pub(super) fn heard(&self, event: Event) {
        if WITH_STATUS.contains(&event.reason.as_str()) {
            return;
        }
        let mirror =
            mirror_key(&event.pod, &self.node).filter(|key| self.statics.contains_key(key));
        let key = mirror.unwrap_or(event.pod);
        let Some(known) = self.pods.get(&key) else {
            return;
        };
        let other = |uid: &String| uid != known.uid.as_str() && !self.statics.contains_key(&key);
        if event.uid.as_ref().is_some_and(other) {
            return;
        }
        let field = event
            .container
            .and_then(|name| field(&known.status(), &name));
        let what = Happened {
            warning: event.warning,
            reason: event.reason,
            message: event.message,
            field: field.unwrap_or_default(),
        };
        self.events.say(Object::pod(&key, known.uid.as_str()), what);
    }
}

/// The field of a container, by the status that names it.
fn field(status: &Value, name: &str) -> Option<String> {
    let lists = [
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ];
    let has = |statuses: &Value| {
        let mut all = statuses.as_array().into_iter().flatten();
        all.any(|status| status["name"] == name)
    };
    let (list, _) = lists.into_iter().find(|(_, known)| has(&status[*known]))?;
    Some(format!("spec.{list}{{{name}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_field_of_a_container() {
        let status = json!({
            "containerStatuses": [{ "name": "main" }],
            "initContainerStatuses": [{ "name": "first" }],
        });
        assert_eq!(
            field(&status, "main").as_deref(),
            Some("spec.containers{main}")
        );
        assert_eq!(
            field(&status, "first").as_deref(),
            Some("spec.initContainers{first}")
        );
        assert_eq!(field(&status, "other"), None);
    }
}
