//! The parts that containers play in their pod, and what follows from them.

use super::{Container, PodSpec, RestartPolicy, RunAs};
use crate::model::security::Security;
use serde::{Deserialize, Serialize};

/// The quality-of-service class of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QosClass {
    /// Every container has cpu and memory limits, and requests equal to them.
    Guaranteed,
    /// Some container has a request or a limit.
    Burstable,
    /// None has.
    BestEffort,
}

/// The part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerRole {
    /// Runs to its end before what follows it.
    Init,
    /// An init container that keeps running: stopped after the mains, in reverse order.
    Sidecar,
    /// What the pod is for.
    Main,
    /// Put into the running pod to look at it: runs once, beside the others.
    Ephemeral,
}

impl PodSpec {
    /// All containers with their role: init containers and sidecars in order, then the mains, then ephemeral ones.
    pub fn all_containers(&self) -> impl Iterator<Item = (ContainerRole, &Container)> {
        let init = self.init_containers.iter().map(|container| {
            let sidecar = container.restart_policy == Some(RestartPolicy::Always);
            let role = match sidecar {
                true => ContainerRole::Sidecar,
                false => ContainerRole::Init,
            };
            (role, container)
        });
        let main = self.containers.iter();
        let ephemeral = self.ephemeral_containers.iter();
        init.chain(main.map(|container| (ContainerRole::Main, container)))
            .chain(ephemeral.map(|container| (ContainerRole::Ephemeral, container)))
    }

    /// Those of the pod's own: all but ephemeral ones, for which nothing of the pod is made otherwise.
    pub fn lasting_containers(&self) -> impl Iterator<Item = (ContainerRole, &Container)> {
        let all = self.all_containers();
        all.filter(|(role, _)| *role != ContainerRole::Ephemeral)
    }

    /// The policy in force for a container: its own, else the pod's; no init container but a sidecar runs `Always`, and
    /// an ephemeral one runs once.
    pub fn restart_policy_of(&self, role: ContainerRole, container: &Container) -> RestartPolicy {
        let policy = container.restart_policy.unwrap_or(self.restart_policy);
        match (role, policy) {
            (ContainerRole::Init, RestartPolicy::Always) => RestartPolicy::OnFailure,
            (ContainerRole::Ephemeral, _) => RestartPolicy::Never,
            _ => policy,
        }
    }

    /// User and group in force for a container: its own, else the pod's, each by itself.
    pub fn run_as_of(&self, container: &Container) -> RunAs {
        let user = container.run_as.user.or(self.run_as.user);
        let group = container.run_as.group.or(self.run_as.group);
        RunAs { user, group }
    }

    /// The security context in force for a container: each field its own, else the pod's.
    pub fn security_of(&self, container: &Container) -> Security {
        container.security.over(&self.security.containers)
    }

    /// The quality-of-service class (pkg/apis/core/v1/helper/qos): by what the pod as a whole asks for, if it asks.
    pub fn qos_class(&self) -> QosClass {
        let mut any = false;
        let mut all = true;
        let whole = Some(self.resources).filter(|r| !r.is_default());
        let lasting = self.init_containers.iter().chain(&self.containers);
        let each = lasting.map(|container| container.resources);
        for r in whole.into_iter().chain(each.filter(|_| whole.is_none())) {
            any |= !r.is_default();
            all &= r.cpu_limit.is_some()
                && r.memory_limit.is_some()
                && r.cpu_request.or(r.cpu_limit) == r.cpu_limit
                && r.memory_request.or(r.memory_limit) == r.memory_limit;
        }
        match (any, all) {
            (false, _) => QosClass::BestEffort,
            (true, true) => QosClass::Guaranteed,
            (true, false) => QosClass::Burstable,
        }
    }
}
