//! Requests and limits as a status tells them. A change of them is in force as soon as the unit has it, which is what
//! planning sees to: what is wanted and what is there are told as one.

use crate::model::pod::Container;
use crate::model::status::{Amounts, ResourceStatus};

/// Those in force; `None` for a container that says nothing.
pub(super) fn of(spec: &Container) -> Option<ResourceStatus> {
    let own = &spec.resources;
    let cpu = own.cpu_limit.map(|amount| ("cpu", amount.to_string()));
    let memory = own
        .memory_limit
        .map(|amount| ("memory", amount.to_string()));
    let found = ResourceStatus {
        limits: cpu.into_iter().chain(memory).collect(),
        requests: requests(spec),
    };
    (found != ResourceStatus::default()).then_some(found)
}

/// The requests; a limit is one too.
pub(super) fn requests(spec: &Container) -> Amounts {
    let own = &spec.resources;
    let cpu = own.cpu_request.or(own.cpu_limit);
    let memory = own.memory_request.or(own.memory_limit);
    let cpu = cpu.map(|amount| ("cpu", amount.to_string()));
    let memory = memory.map(|amount| ("memory", amount.to_string()));
    cpu.into_iter().chain(memory).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::container;
    use super::*;
    use crate::model::quantity::{Bytes, CpuMillis};

    #[test]
    fn a_limit_is_a_request_too() {
        let mut spec = container("a");
        assert_eq!(of(&spec), None);
        spec.resources.cpu_limit = Some(CpuMillis(1500));
        spec.resources.memory_request = Some(Bytes(64 << 20));
        let json = serde_json::to_string(&of(&spec)).unwrap();
        assert_eq!(
            json,
            r#"{"limits":{"cpu":"1500m"},"requests":{"cpu":"1500m","memory":"64Mi"}}"#
        );
    }
}
