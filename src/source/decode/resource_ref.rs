//! References to requests and limits.

use super::field::Field;
use super::known;
use super::resources::quantity;
use crate::model::quantity::CpuMillis;
use crate::model::resource_ref::{Resource, ResourceRef};

const RESOURCES: [(&str, Resource); 4] = [
    ("limits.cpu", Resource::CpuLimit),
    ("limits.memory", Resource::MemoryLimit),
    ("requests.cpu", Resource::CpuRequest),
    ("requests.memory", Resource::MemoryRequest),
];
/// What the API takes as divisors of CPU and of memory.
const CPU: [&str; 2] = ["1", "1m"];
const MEMORY: [&str; 13] = [
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
];

/// Decodes a `resourceFieldRef`. Whether there is such a container is for whoever knows the pod.
pub fn resource_ref(field: &Field<'_>) -> Option<ResourceRef> {
    let mut f = field.fields(known::NONE)?;
    let container = f.optional("containerName", |x| match x.text()? {
        "" => Some(None),
        _ => x.parse().map(Some),
    });
    let resource = f.require("resource").and_then(|x| x.one_of(&RESOURCES));
    let divisor = f.optional("divisor", |x| {
        // In thousandths, also when it is one of bytes.
        let CpuMillis(divisor) = quantity(&x)?;
        let words: &[&str] = match resource? {
            Resource::CpuLimit | Resource::CpuRequest => &CPU,
            Resource::MemoryLimit | Resource::MemoryRequest => &MEMORY,
        };
        let known = words
            .iter()
            .any(|word| word.parse() == Ok(CpuMillis(divisor)));
        if divisor != 0 && !known {
            x.problem(format!(
                "is no divisor here: write one of {}",
                words.join(", ")
            ));
            return None;
        }
        Some(divisor)
    });
    f.finish();
    Some(ResourceRef {
        container: container?.flatten(),
        resource: resource?,
        divisor: divisor?.filter(|divisor| *divisor != 0).unwrap_or(1000),
    })
}
