//! The values of references to requests and limits (kubelet: pkg/api/v1/resource, `ExtractContainerResourceValue`).

use crate::config::Settings;
use crate::model::name::ContainerName;
use crate::model::pod::PodSpec;
use crate::model::resource_ref::{Resource, ResourceRef};

/// The number as text, or why there is none. A limit that a container does not have is that of the pod, else what the host
/// has; a request that it does not have is 0.
pub fn value(
    spec: &PodSpec,
    own: Option<&ContainerName>,
    reference: &ResourceRef,
    host: &Settings,
) -> Result<String, String> {
    let name = reference.container.as_ref().or(own);
    let container = spec
        .all_containers()
        .map(|(_, container)| container)
        .find(|container| Some(&container.name) == name)
        .ok_or_else(|| match name {
            Some(name) => format!("resourceFieldRef: the pod has no container {name}"),
            None => "resourceFieldRef: containerName is missing".to_owned(),
        })?;
    let (own, pod) = (&container.resources, &spec.resources);
    let unknown = || "resourceFieldRef: the size of the host is not known".to_owned();
    // In thousandths.
    let amount: u128 = match reference.resource {
        Resource::CpuRequest => own.cpu_request.map_or(0, |cpu| cpu.0.into()),
        Resource::CpuLimit => match own.cpu_limit.or(pod.cpu_limit) {
            Some(cpu) => cpu.0.into(),
            None => u128::from(host.cpus.ok_or_else(unknown)?) * 1000,
        },
        Resource::MemoryRequest => own.memory_request.map_or(0, |m| u128::from(m.0) * 1000),
        Resource::MemoryLimit => match own.memory_limit.or(pod.memory_limit) {
            Some(memory) => u128::from(memory.0) * 1000,
            None => u128::from(host.memory.ok_or_else(unknown)?.total) * 1000,
        },
    };
    Ok(amount
        .div_ceil(u128::from(reference.divisor.max(1)))
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostMemory;
    use crate::model::pod::Resources;
    use crate::model::quantity::{Bytes, CpuMillis};
    use crate::plan::tests::pod;

    #[test]
    fn values_are_the_kubelets() {
        let mut spec = pod("a").spec;
        let host = Settings {
            cpus: Some(8),
            memory: Some(HostMemory {
                total: 16 << 30,
                swap: 0,
            }),
            ..Settings::default()
        };
        let value = |spec: &PodSpec, resource, divisor| {
            let container = Some("main".parse().unwrap());
            let reference = ResourceRef {
                container,
                resource,
                divisor,
            };
            super::value(spec, None, &reference, &host).unwrap()
        };
        assert_eq!(value(&spec, Resource::CpuLimit, 1000), "8");
        assert_eq!(value(&spec, Resource::MemoryLimit, 1000 << 20), "16384");
        assert_eq!(value(&spec, Resource::CpuRequest, 1), "0");
        spec.containers[0].resources = Resources {
            cpu_request: Some(CpuMillis(250)),
            cpu_limit: Some(CpuMillis(1250)),
            memory_request: Some(Bytes(1_000_001)),
            memory_limit: None,
        };
        spec.resources.memory_limit = Some(Bytes(64 << 20));
        assert_eq!(value(&spec, Resource::CpuLimit, 1000), "2");
        assert_eq!(value(&spec, Resource::CpuRequest, 1), "250");
        assert_eq!(value(&spec, Resource::MemoryRequest, 1_000_000), "1001");
        assert_eq!(value(&spec, Resource::MemoryLimit, 1000), "67108864");
        let nobody = ResourceRef {
            container: None,
            resource: Resource::CpuLimit,
            divisor: 1,
        };
        assert!(super::value(&spec, None, &nobody, &host).is_err());
    }
}
