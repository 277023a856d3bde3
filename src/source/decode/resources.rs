//! Requests and limits of containers and of the pod as a whole, and what a change of them restarts.

use super::field::{Field, Fields, advice};
use super::known;
use crate::model::pod::{Resize, Resources};
use crate::model::quantity::{Bytes, CpuMillis, QuantityError};
use crate::source::tree::Value;
use std::str::FromStr;

/// Decodes `resources`.
pub fn resources(field: &Field<'_>) -> Option<Resources> {
    let mut f = field.fields(known::RESOURCES)?;
    let requests = f.optional("requests", |x| amounts(&x, false));
    let limits = f.optional("limits", |x| amounts(&x, true));
    f.finish();
    let (request, limit) = (requests?.unwrap_or_default(), limits?.unwrap_or_default());
    within(field, "cpu", request.cpu, limit.cpu)?;
    within(field, "memory", request.memory, limit.memory)?;
    Some(Resources {
        cpu_request: request.cpu.or(limit.cpu),
        cpu_limit: limit.cpu,
        memory_request: request.memory.or(limit.memory),
        memory_limit: limit.memory,
    })
}

/// What a container asks for cannot be more than the pod as a whole may use.
pub fn within_pod(field: &Field<'_>, pod: &Resources, container: &Resources) -> Option<()> {
    within_limit(field, "cpu", container.cpu_limit, pod.cpu_limit)?;
    within_limit(field, "memory", container.memory_limit, pod.memory_limit)
}

fn within_limit<T: PartialOrd>(
    field: &Field<'_>,
    what: &str,
    container: Option<T>,
    pod: Option<T>,
) -> Option<()> {
    if container
        .zip(pod)
        .is_some_and(|(container, pod)| container > pod)
    {
        field.problem(format!(
            "the {what} limit of a container is larger than that of the pod: lower it or raise spec.resources.limits.{what}"
        ));
        return None;
    }
    Some(())
}

/// Takes `resizePolicy` from a container.
pub fn resize(container: &mut Fields<'_>) -> Option<Resize> {
    let policies = container.list("resizePolicy", |field| {
        let mut f = field.fields(known::NONE)?;
        let resource = f
            .require("resourceName")
            .and_then(|x| x.one_of(&[("cpu", true), ("memory", false)]));
        let policy = f
            .require("restartPolicy")
            .and_then(|x| x.one_of(&[("NotRequired", false), ("RestartContainer", true)]));
        f.finish();
        Some((resource?, policy?, field))
    })?;
    let mut resize = Resize::default();
    let mut seen = [false; 2];
    for (cpu, restart, field) in policies {
        if std::mem::replace(&mut seen[usize::from(cpu)], true) {
            field.problem("the resource is there twice: remove one");
            return None;
        }
        match cpu {
            true => resize.cpu = restart,
            false => resize.memory = restart,
        }
    }
    Some(resize)
}

fn within<T: PartialOrd>(
    field: &Field<'_>,
    what: &str,
    request: Option<T>,
    limit: Option<T>,
) -> Option<()> {
    if let (Some(request), Some(limit)) = (request, limit)
        && request > limit
    {
        field.problem(format!(
            "the {what} request is larger than the limit: lower requests.{what} or raise limits.{what}"
        ));
        return None;
    }
    Some(())
}

/// `requests` or `limits`.
#[derive(Default)]
struct Amounts {
    cpu: Option<CpuMillis>,
    memory: Option<Bytes>,
}

fn amounts(field: &Field<'_>, limits: bool) -> Option<Amounts> {
    let mut out = Amounts::default();
    let mut good = true;
    for (entry, amount) in field.entries()? {
        let key = entry.key.as_str();
        good &= match key {
            "cpu" => {
                out.cpu = quantity(&amount);
                out.cpu.is_some()
            }
            "memory" => {
                out.memory = quantity(&amount);
                out.memory.is_some()
            }
            // Only for whoever chooses a host.
            "ephemeral-storage" if !limits => quantity::<Bytes>(&amount).is_some(),
            _ => refuse(key, &amount).is_some(),
        };
    }
    good.then_some(out)
}

/// Resources that the API knows and systemd has no setting for. Nothing of one is granted everywhere.
fn refuse(key: &str, amount: &Field<'_>) -> Option<()> {
    let message = if key == "ephemeral-storage" {
        "systemd has no limit on what a service writes to disk: remove it, or set the sizeLimit of an emptyDir in memory"
    } else if key.starts_with("hugepages-") {
        if quantity::<Bytes>(amount)? == Bytes(0) {
            return Some(());
        }
        "systemd has no setting for huge pages (the hugetlb controller): remove it"
    } else if key.contains('/') {
        "vks knows no device plugins: remove it, and name the device in the annotation vks.io/device"
    } else {
        "vks knows only cpu, memory and requests of ephemeral-storage: remove this resource"
    };
    amount.problem(message);
    None
}

/// A quantity, written as a string or a number.
pub fn quantity<T: FromStr<Err = QuantityError>>(field: &Field<'_>) -> Option<T> {
    let text = match &field.node.value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => field.text()?.to_owned(),
    };
    text.parse()
        .map_err(|error| field.problem(advice(&error)))
        .ok()
}
