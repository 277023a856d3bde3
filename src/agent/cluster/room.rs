//! A pod that is to have more than there is room for goes on with what it has, until others are gone (`PodResizePending`).

use super::known::Stage;
use super::member::Member;
use crate::model::name::PodKey;
use crate::plan::admission::Amounts;
use crate::plan::room::{DEFERRED, Postponed, postpone};
use crate::report::pod::is_terminal;
use crate::source::cluster::{FileKind, Given, Refusal, file_name, pod, with_resources_of};
use serde_json::Value;

/// What a pod asks for in vain.
#[derive(Debug)]
pub struct Wish {
    /// Why it does not get it.
    pub why: Postponed,
    /// The pod as the API server has it.
    object: Value,
}

impl Member {
    /// What all pods but one have.
    pub(super) fn used_beside(&self, one: &PodKey) -> Amounts {
        let all = self.pods.iter().filter(|(key, _)| *key != one);
        let amounts = all.filter_map(|(_, known)| match &known.stage {
            Stage::Given(held) if !is_terminal(&known.status()) => Some(held.amounts),
            Stage::Waiting(given) => Some(Amounts::of(&given.pod.spec)),
            _ => None,
        });
        amounts.fold(Amounts::default(), Amounts::plus)
    }

    /// What a pod that runs here is to be from now on; `None` when it stays as it is, and it is said why.
    pub(super) fn wanted(
        &mut self,
        key: &PodKey,
        object: &Value,
        found: Result<Given, Refusal>,
    ) -> Option<Given> {
        let refusal = match found {
            Ok(given) => return Some(self.fitted(key, object, given)),
            Err(refusal) => refusal,
        };
        // What runs of it is kept; that it is to end is heard in any case.
        let known = self.pods.get(key)?;
        let mut text: Value = serde_json::from_str(&known.held()?.manifest).unwrap_or_default();
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            text["metadata"][field] = object["metadata"][field].clone();
        }
        let path = self.dir.join(file_name(FileKind::Pod, key));
        if known.ending
            && let Ok(given) = pod(&text, &path)
        {
            return Some(given);
        }
        self.say(key, true, refusal.reason, refusal.message);
        None
    }

    /// What of a pod that has changed is brought about: all of it but its resources, where there is no room for them.
    fn fitted(&mut self, key: &PodKey, object: &Value, given: Given) -> Given {
        let why = self.short_for(key, &given);
        let Some(known) = self.pods.get_mut(key) else {
            return given;
        };
        let (Some(why), Some(held)) = (why, known.held()) else {
            known.wish = None;
            return given;
        };
        let before: Value = serde_json::from_str(&held.manifest).unwrap_or_default();
        let path = self.dir.join(file_name(FileKind::Pod, key));
        let Ok(fitted) = pod(&with_resources_of(object, &before), &path) else {
            return given;
        };
        let told = known.wish.as_ref().is_some_and(|wish| wish.why == why);
        let (reason, message) = (format!("Resize{}", why.reason), why.message.clone());
        let object = object.clone();
        known.wish = Some(Box::new(Wish { why, object }));
        if !told {
            self.say(key, true, &reason, message);
        }
        fitted
    }

    /// Why a pod does not get the more that it asks for. What others have is summed up only where it does.
    fn short_for(&self, key: &PodKey, given: &Given) -> Option<Postponed> {
        let has = self.pods.get(key)?.held()?.amounts;
        let wants = Amounts::of(&given.pod.spec);
        let grows = wants.cpu > has.cpu || wants.memory > has.memory;
        if !grows || given.pod.ending.is_some() {
            return None;
        }
        postpone(has, wants, self.used_beside(key), self.allocatable)
    }

    /// Others have less, or are gone: whoever waits for room may have it now.
    pub(super) fn grant(&mut self) {
        let waiting = self.pods.values().filter_map(|known| known.wish.as_ref());
        let waiting = waiting.filter(|wish| wish.why.reason == DEFERRED);
        let objects: Vec<Value> = waiting.map(|wish| wish.object.clone()).collect();
        for object in objects {
            self.changed(&object);
        }
    }
}
