//! The priority of a pod: which pods end before it when the host shuts down.

use crate::model::desired::Desired;
use crate::model::name::ObjectName;
use crate::model::pod::Pod;
use crate::model::priority::SYSTEM_CLASSES;
use crate::model::status::Blocked;

/// The priority in force (plugin/pkg/admission/priority): that of its class, else of the class for all, else 0. A number
/// that comes with the class is the API server's, which knows the class: it goes before.
///
/// # Errors
/// The class is not there, or has another value than the manifest says.
pub(super) fn of(pod: &Pod, desired: &Desired) -> Result<i32, Blocked> {
    let asked = &pod.spec.priority;
    let blocked = |message| Blocked {
        container: None,
        reason: "Forbidden",
        message,
    };
    let Some(name) = &asked.class else {
        let all = desired.priority_classes.values();
        let default = all.filter(|class| class.global_default).map(|c| c.value);
        return Ok(asked.value.or_else(|| default.max()).unwrap_or(0));
    };
    match (class(name, desired), asked.value) {
        (Some(value), Some(said)) if value != said => Err(blocked(format!(
            "priority is {said}, and {value} in PriorityClass {name}: remove priority from the manifest"
        ))),
        (Some(value), _) | (None, Some(value)) => Ok(value),
        (None, None) => Err(blocked(format!(
            "no PriorityClass with name {name} was found: add its manifest"
        ))),
    }
}

fn class(name: &ObjectName, desired: &Desired) -> Option<i32> {
    let system = SYSTEM_CLASSES
        .iter()
        .find(|(known, _)| *known == name.as_str());
    let given = desired.priority_classes.get(name).map(|class| class.value);
    given.or(system.map(|(_, value)| *value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod::SourcePath;
    use crate::model::priority::{PriorityAsked, PriorityClass};

    #[test]
    fn a_class_a_number_or_the_default() {
        let mut desired = Desired::default();
        let mut class = |name: &str, value, global_default| {
            let class = PriorityClass {
                value,
                global_default,
                source: SourcePath("/a".into()),
            };
            desired
                .priority_classes
                .insert(name.parse().unwrap(), class);
        };
        class("high", 1000, false);
        let of_pod = |name: Option<&str>, value, desired: &Desired| {
            let mut pod = crate::plan::tests::pod("a");
            pod.spec.priority = PriorityAsked {
                class: name.map(|name| name.parse().unwrap()),
                value,
            };
            of(&pod, desired).map_err(|blocked| blocked.message)
        };
        assert_eq!(of_pod(None, None, &desired), Ok(0));
        assert_eq!(of_pod(None, Some(7), &desired), Ok(7));
        assert_eq!(of_pod(Some("high"), None, &desired), Ok(1000));
        assert_eq!(of_pod(Some("high"), Some(1000), &desired), Ok(1000));
        assert!(
            of_pod(Some("high"), Some(7), &desired)
                .unwrap_err()
                .contains("1000")
        );
        assert_eq!(of_pod(Some("elsewhere"), Some(7), &desired), Ok(7));
        assert!(
            of_pod(Some("low"), None, &desired)
                .unwrap_err()
                .contains("low")
        );
        let critical = of_pod(Some("system-node-critical"), None, &desired);
        assert_eq!(critical, Ok(2_000_001_000));
        desired
            .priority_classes
            .values_mut()
            .for_each(|class| class.global_default = true);
        assert_eq!(of_pod(None, None, &desired), Ok(1000));
    }
}
