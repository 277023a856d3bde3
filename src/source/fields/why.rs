//! Why a field has no effect or is refused, where the rule itself does not say it.

/// Type, field, reason; for all types where the first is empty.
#[rustfmt::skip]
const WHY: &[(&str, &str, &str)] = &[
    ("", "creationTimestamp", "written by the API server"),
    ("", "generateName", "written by the API server's clients"),
    ("", "generation", "written by the API server"),
    ("", "managedFields", "written by the API server"),
    ("", "ownerReferences", "written by the API server"),
    ("", "resourceVersion", "written by the API server"),
    ("", "selfLink", "written by the API server"),
    ("", "status", "vks works it out itself"),
    ("", "windowsOptions", "of Windows"),
    ("PodSpec", "enableServiceLinks", "there are no services to link to"),
    ("PodSpec", "nodeName", "a manifest on this host is for this host"),
    ("PodSpec", "preemptionPolicy", "of the scheduler: there is none"),
    ("PriorityClass", "description", "it informs only"),
    ("PodSpec", "schedulerName", "of the scheduler: there is none"),
    ("PodSpec", "tolerations", "of the scheduler: there is none"),
    ("PodSpec", "affinity", "a host has one place to run a pod"),
    ("PodSpec", "nodeSelector", "a host has one place to run a pod"),
    ("PodSpec", "topologySpreadConstraints", "a host has one place to run a pod"),
    ("PodSpec", "schedulingGates", "of the scheduler: there is none"),
    ("PodSpec", "schedulingGroup", "of the scheduler: there is none"),
    ("PodSpec", "overhead", "there is no container runtime"),
    ("PodSpec", "resourceClaims", "of device drivers of a cluster"),
    ("ResourceRequirements", "claims", "of device drivers of a cluster"),
    ("StatefulSetSpec", "serviceName", "there are no services"),
    ("JobSpec", "selector", "a Job knows its pods"),
    ("JobSpec", "manualSelector", "a Job knows its pods"),
    ("LifecycleHandler", "tcpSocket", "it has no effect in Kubernetes either"),
    ("VolumeProjection", "clusterTrustBundle", "there is no API server that has one"),
    ("VolumeProjection", "podCertificate", "there is no API server that signs one"),
    ("VolumeProjection", "serviceAccountToken", "there is no API server that issues one"),
    ("PersistentVolumeClaimSpec", "storageClassName", "a host has no storage classes"),
    ("PersistentVolumeSpec", "storageClassName", "a host has no storage classes"),
    ("PersistentVolumeSpec", "nodeAffinity", "a manifest on this host is for this host"),
    ("VolumeResourceRequirements", "limits", "a directory is not limited"),
    ("Volume", "gitRepo", "taken out of Kubernetes"),
    ("Volume", "flexVolume", "drivers of a cluster"),
    ("Volume", "awsElasticBlockStore", "storage of a cloud"),
    ("Volume", "azureDisk", "storage of a cloud"),
    ("Volume", "azureFile", "storage of a cloud"),
    ("Volume", "gcePersistentDisk", "storage of a cloud"),
    ("Volume", "vsphereVolume", "storage of a cloud"),
    ("Volume", "cinder", "storage of a cloud"),
    ("Volume", "cephfs", "taken out of Kubernetes"),
    ("Volume", "flocker", "taken out of Kubernetes"),
    ("Volume", "glusterfs", "taken out of Kubernetes"),
    ("Volume", "photonPersistentDisk", "taken out of Kubernetes"),
    ("Volume", "portworxVolume", "drivers of a cluster"),
    ("Volume", "quobyte", "taken out of Kubernetes"),
    ("Volume", "rbd", "taken out of Kubernetes"),
    ("Volume", "scaleIO", "taken out of Kubernetes"),
    ("Volume", "storageos", "taken out of Kubernetes"),
];

/// The reason for a field of a type, if there is one here.
pub fn why(table: &str, field: &str) -> Option<&'static str> {
    let found = WHY
        .iter()
        .find(|(t, f, _)| *f == field && (t.is_empty() || *t == table));
    found.map(|(_, _, why)| *why)
}

#[cfg(test)]
pub fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    WHY.iter().map(|(table, field, _)| (*table, *field))
}
