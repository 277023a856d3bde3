//! Which pods this node takes: not those that it has no room for, nor any while the host is in need.

use super::known::Stage;
use super::member::Member;
use crate::model::name::PodKey;
use crate::plan::admission::{Amounts, refuse, refuse_now};
use crate::report::node::pressed;
use crate::report::pod::rejected;
use crate::source::cluster::{Given, needs};

impl Member {
    /// A pod that this node has not had yet.
    pub(super) fn admit(&mut self, key: &PodKey, given: Given) {
        let used = self.used_beside(key);
        let wants = Amounts::of(&given.pod.spec);
        let spec = &given.pod.spec;
        let state = refuse_now(
            self.leaving.is_some(),
            &pressed(*self.pressures.borrow()).collect::<Vec<_>>(),
            spec.priority.value.unwrap_or(0),
            spec.qos_class(),
        );
        if let Some((reason, message)) = state.or_else(|| refuse(wants, used, self.allocatable)) {
            return self.refuse(key, reason, &message);
        }
        let uid = given.uid.as_str().to_owned();
        for warning in &given.warnings {
            self.say(key, true, "Unsupported", warning.clone());
        }
        let wishes = &given.tokens;
        self.tokens
            .want(key, &uid, &given.pod.spec.service_account, wishes);
        let own = wishes.iter().map(|wish| wish.secret.clone()).collect();
        self.data.want(&needs(&given.pod), &own);
        if let Some(known) = self.pods.get_mut(key) {
            known.stage = Stage::Waiting(Box::new(given));
        }
        self.start_waiting();
    }

    /// This node does not take a pod.
    pub(super) fn refuse(&mut self, key: &PodKey, reason: &'static str, message: &str) {
        log::warn!(
            KUBERNETES_NAMESPACE = key.namespace.as_str(), KUBERNETES_POD = key.name.as_str();
            "pod {key}: {reason}: {message}"
        );
        self.say(key, true, reason, message.to_owned());
        if let Some(known) = self.pods.get_mut(key) {
            known.stage = Stage::Refused;
            let status = rejected(reason, message, known.generation);
            self.reject(key, status);
        }
    }
}
