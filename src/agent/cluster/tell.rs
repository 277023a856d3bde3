//! Tells the API server how pods are: status patches one after the other for each pod, and the delete that ends it.

use super::Seen;
use super::answer::Answer;
use super::api::{CallError, Patch, Server};
use super::evict::Evicted;
use super::known::Stage;
use super::member::Member;
use super::node::now;
use super::retry::Retry;
use crate::model::name::{PodKey, PodUid};
use crate::report::event::{Object, between};
use crate::report::pod::{About, is_terminal, patch, status, taken};
use serde_json::{Value, json};

/// What became of telling.
pub struct Told {
    key: PodKey,
    uid: PodUid,
    /// The status that the server has now, when it has taken one, and what it answered.
    status: Option<(Value, Answer)>,
    /// Why something has failed.
    failed: Option<CallError>,
    /// The object is gone.
    gone: bool,
}

/// What is to be told of a pod.
struct Letter {
    key: PodKey,
    uid: PodUid,
    /// The status as it is to be, and the patch that makes it so.
    patch: Option<(Value, Value)>,
    /// The pod has ended and is to be deleted.
    last: bool,
    /// How often it has failed.
    failures: u32,
}

impl Member {
    /// The host has news of a pod.
    pub(super) fn seen(&mut self, seen: Seen) {
        let key = seen.key.clone();
        if let Some(known) = self.pods.get_mut(&key)
            && known.uid == seen.uid
        {
            known.latest = Some(Box::new(seen));
            self.tell(&key);
            self.empty(&key);
        }
    }

    /// Tells the newest there is of a pod, unless something is being told already.
    pub(super) fn tell(&mut self, key: &PodKey) {
        let Some(known) = self.pods.get_mut(key).filter(|known| known.is_free()) else {
            return;
        };
        let before = known.status();
        if let Some(due) = known.patience(&before) {
            self.dues.insert((due, key.clone()));
            return;
        }
        let Some(seen) = &known.latest else { return };
        let about = About {
            uid: known.uid.as_str(),
            generation: known.generation,
            known: &before,
            evicted: known
                .evicted
                .as_ref()
                .filter(|_| !seen.up)
                .map(Evicted::words),
            resize: known
                .wish
                .as_ref()
                .map(|wish| (wish.why.reason, &*wish.why.message)),
            ended: known.ending && !seen.up && !matches!(known.stage, Stage::Mirror(_)),
            now: now(),
        };
        for what in between(&before, &seen.status, key, known.uid.as_str()) {
            self.events.say(Object::pod(key, known.uid.as_str()), what);
        }
        let made = status(&seen.status, about);
        let change = patch(&made, about);
        let last = about.ended && is_terminal(&made);
        if change.is_none() && !last {
            return;
        }
        known.telling = true;
        let letter = Letter {
            key: key.clone(),
            uid: known.uid.clone(),
            patch: change.map(|change| (made, change)),
            last,
            failures: known.failures,
        };
        self.tells.spawn(send(self.server.clone(), letter));
    }

    /// Tells why a pod is not taken.
    pub(super) fn reject(&mut self, key: &PodKey, made: Value) {
        let Some(known) = self.pods.get_mut(key).filter(|known| !known.telling) else {
            return;
        };
        known.telling = true;
        let change = json!({ "metadata": { "uid": known.uid.as_str() }, "status": made });
        let letter = Letter {
            key: key.clone(),
            uid: known.uid.clone(),
            patch: Some((made, change)),
            last: false,
            failures: known.failures,
        };
        self.tells.spawn(send(self.server.clone(), letter));
    }

    /// A pod of which nothing runs here is to go.
    pub(super) fn finish(&mut self, key: &PodKey) {
        let Some(known) = self.pods.get_mut(key).filter(|known| known.is_free()) else {
            return;
        };
        known.telling = true;
        known.stage = Stage::Refused;
        let before = known.status();
        let made = json!({ "phase": "Failed" });
        let change = json!({ "metadata": { "uid": known.uid.as_str() }, "status": made });
        let letter = Letter {
            key: key.clone(),
            uid: known.uid.clone(),
            patch: (!is_terminal(&before)).then_some((made, change)),
            last: true,
            failures: known.failures,
        };
        self.tells.spawn(send(self.server.clone(), letter));
    }

    /// Deletes an object that stands for nothing here.
    pub(super) fn discard(&mut self, key: &PodKey) {
        let Some(known) = self.pods.get_mut(key).filter(|known| !known.telling) else {
            return;
        };
        known.telling = true;
        let letter = Letter {
            key: key.clone(),
            uid: known.uid.clone(),
            patch: None,
            last: true,
            failures: known.failures,
        };
        self.tells.spawn(send(self.server.clone(), letter));
    }

    /// Something was told, well or not.
    pub(super) fn told(&mut self, told: Told) {
        let Some(known) = self.pods.get_mut(&told.key) else {
            return;
        };
        if known.uid != told.uid {
            return;
        }
        known.telling = false;
        known.gone = told.gone;
        if let Some((status, answer)) = told.status {
            known.status = status.to_string().into();
            known.answer = answer;
        }
        let Some(error) = told.failed else {
            known.failures = 0;
            if !told.gone {
                self.tell(&told.key);
                self.reflect(&told.key);
            }
            return;
        };
        known.failures += 1;
        if error.is_final() {
            log::warn!(
                KUBERNETES_NAMESPACE = told.key.namespace.as_str(), KUBERNETES_POD = told.key.name.as_str();
                "pod {}: its status is not taken: {}", told.key, crate::chain::line(&error)
            );
            return;
        }
        let (rejected, ending) = (matches!(known.stage, Stage::Refused), known.ending);
        match (rejected, ending) {
            (true, true) => self.finish(&told.key),
            // Told again with the next list.
            (true, false) => {}
            _ => self.tell(&told.key),
        }
    }
}

/// Sends what is to be told. After a failure it waits before it comes back, so that the next try is not at once.
async fn send(server: Server, letter: Letter) -> Told {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        letter.key.namespace, letter.key.name
    );
    let mut told = Told {
        key: letter.key,
        uid: letter.uid,
        status: None,
        failed: None,
        gone: false,
    };
    if let Some((made, change)) = letter.patch {
        let path = format!("{path}/status");
        match server.patch(&path, Patch::Strategic, &change).await {
            Ok(mut object) => {
                let answer = Answer::of(&object);
                told.status = Some((taken(object["status"].take(), &made), answer));
            }
            Err(error) if error.is_absent() => told.gone = true,
            Err(error) => told.failed = Some(error),
        }
    }
    if letter.last && told.failed.is_none() && !told.gone {
        match server.delete(&path, told.uid.as_str()).await {
            Ok(_) => told.gone = true,
            // Gone, or another pod of the name: the server says so by its watch.
            Err(error) if error.is_absent() || error.is_conflict() => told.gone = true,
            Err(error) => told.failed = Some(error),
        }
    }
    if told.failed.as_ref().is_some_and(|error| !error.is_final()) {
        Retry::after(letter.failures).wait().await;
    }
    told
}
