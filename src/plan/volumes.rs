//! Volumes as directories, files and binds: what the pod's directory holds, what the sandbox sets up, what containers see.

use super::env::{Context, Environment, Origin};
use super::security;
use crate::config::Settings;
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, ObjectName, PodUid};
use crate::model::payload::Payload;
use crate::model::pod::{Container, Pod, RestartPolicy};
use crate::model::sandbox::{FsGroup, HostPath, MountPoint, Setup};
use crate::model::status::Blocked;
use crate::model::volume::{HostPathKind, Mount, Volume, VolumeSource};
use crate::unit::escape::environment_file_line;
use std::collections::BTreeMap;

/// Where the kubelet has the termination message file.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// The payloads of a pod's volumes, or which object is missing.
pub fn payloads(context: &Context) -> Result<Vec<Payload>, Blocked> {
    let mut out = Vec::new();
    for volume in &context.pod.spec.volumes {
        match &volume.source {
            VolumeSource::EmptyDir => out.push(Payload::empty_dir(&volume.name)),
            VolumeSource::HostPath { .. } => {}
            VolumeSource::ConfigMap { name, optional } => {
                let files = data(context, volume, name, false, *optional)?;
                out.push(Payload::config_map(&volume.name, files));
            }
            VolumeSource::Secret { name, optional } => {
                let files = data(context, volume, name, true, *optional)?;
                out.push(Payload::secret(&volume.name, files));
            }
        }
    }
    Ok(out)
}

fn data(
    context: &Context,
    volume: &Volume,
    name: &ObjectName,
    secret: bool,
    optional: bool,
) -> Result<BTreeMap<String, Vec<u8>>, Blocked> {
    let key = ObjectKey {
        namespace: context.pod.key.namespace.clone(),
        name: name.clone(),
    };
    let (kind, objects) = match secret {
        true => ("secret", &context.desired.secrets),
        false => ("configmap", &context.desired.config_maps),
    };
    match objects.get(&key) {
        Some(object) => Ok(object.data.clone()),
        None if optional => Ok(BTreeMap::new()),
        None => Err(Blocked {
            container: None,
            reason: "ContainerCreating",
            message: format!(
                "MountVolume.SetUp failed for volume \"{}\" : {kind} \"{name}\" not found",
                volume.name
            ),
        }),
    }
}

/// Where a container finds its termination message file, if it has one: where the manifest says, else at
/// Kubernetes' default path in every container that does not share the host's file tree as it is. One that does has no
/// other use for a mount namespace of its own, which costs more than all the rest of its start.
pub fn termination_path<'a>(
    pod: &Pod,
    container: &'a Container,
    settings: &Settings,
) -> Option<&'a str> {
    let shares_the_tree = pod.spec.host_network
        && container.mounts.is_empty()
        && security::is_trusted(pod, container, settings);
    let default = (!shares_the_tree).then_some(TERMINATION_LOG);
    container.termination_message_path.as_deref().or(default)
}

/// The payloads of one container: its termination message file, and the environment that must not stand in the unit.
pub fn container_payloads(
    pod: &Pod,
    container: &Container,
    env: &Environment,
    settings: &Settings,
) -> Vec<Payload> {
    let message =
        termination_path(pod, container, settings).map(|_| Payload::termination(&container.name));
    let mut out: Vec<Payload> = message.into_iter().collect();
    let mut text = String::new();
    for (name, (value, origin)) in env {
        if *origin != Origin::Manifest {
            text.push_str(&environment_file_line(name, value));
        }
    }
    if !text.is_empty() {
        out.push(Payload::env_file(&container.name, text.into_bytes()));
    }
    out
}

/// What the sandbox of a pod sets up.
pub fn setup(pod: &Pod, layout: &Layout, uid: &PodUid) -> Setup {
    let mut setup = Setup {
        network: !pod.spec.host_network,
        once: runs_once(pod),
        ..Setup::default()
    };
    for volume in &pod.spec.volumes {
        match &volume.source {
            VolumeSource::Secret { .. } => setup.secrets.push(volume.name.clone()),
            VolumeSource::HostPath { path, kind } => {
                setup.host_paths.push(HostPath {
                    path: path.clone(),
                    kind: *kind,
                });
            }
            VolumeSource::EmptyDir | VolumeSource::ConfigMap { .. } => {}
        }
    }
    for (_, container) in pod.spec.all_containers() {
        for mount in &container.mounts {
            let volume = pod
                .spec
                .volumes
                .iter()
                .find(|volume| volume.name == mount.volume);
            setup
                .mount_points
                .extend(volume.map(|volume| mount_point(volume, mount, layout, uid)));
        }
    }
    setup.sysctls.clone_from(&pod.spec.security.sysctls);
    setup.fs_group = fs_group(pod, layout, uid);
    setup
}

/// The volumes that `fsGroup` is about: those that are the pod's own.
fn fs_group(pod: &Pod, layout: &Layout, uid: &PodUid) -> Option<FsGroup> {
    let mut of = FsGroup {
        group: pod.spec.security.fs_group?,
        only_on_mismatch: pod.spec.security.only_on_mismatch,
        writable: Vec::new(),
        read_only: Vec::new(),
    };
    for volume in &pod.spec.volumes {
        let path = host_path(volume, layout, uid);
        match &volume.source {
            VolumeSource::EmptyDir => of.writable.push(path),
            VolumeSource::ConfigMap { .. } | VolumeSource::Secret { .. } => of.read_only.push(path),
            VolumeSource::HostPath { .. } => {}
        }
    }
    (!of.writable.is_empty() || !of.read_only.is_empty()).then_some(of)
}

/// Whether nothing of a pod may run a second time.
fn runs_once(pod: &Pod) -> bool {
    let never = |container: &Container| {
        container.restart_rules.is_empty()
            && container.restart_policy.unwrap_or(RestartPolicy::Never) == RestartPolicy::Never
    };
    pod.spec.restart_policy == RestartPolicy::Never && pod.spec.containers.iter().all(never)
}

/// A mount point; of a host path that may be a file, the sandbox looks which it is.
fn mount_point(volume: &Volume, mount: &Mount, layout: &Layout, uid: &PodUid) -> MountPoint {
    let may_be_a_file = matches!(
        volume.source,
        VolumeSource::HostPath { kind, .. }
            if !matches!(kind, HostPathKind::Directory | HostPathKind::DirectoryOrCreate)
    );
    let like = may_be_a_file.then(|| host_path(volume, layout, uid));
    MountPoint {
        path: mount.path.clone(),
        like,
    }
}

/// Where a volume lies on the host.
pub fn host_path(volume: &Volume, layout: &Layout, uid: &PodUid) -> String {
    match &volume.source {
        VolumeSource::HostPath { path, .. } => path.clone(),
        VolumeSource::Secret { .. } => layout
            .secret_volume(uid, &volume.name)
            .display()
            .to_string(),
        VolumeSource::EmptyDir | VolumeSource::ConfigMap { .. } => {
            layout.volume(uid, &volume.name).display().to_string()
        }
    }
}

/// Config maps and secrets cannot be written by containers, whatever the mount says.
pub fn is_read_only(volume: &Volume, mount: &Mount) -> bool {
    mount.read_only
        || matches!(
            volume.source,
            VolumeSource::ConfigMap { .. } | VolumeSource::Secret { .. }
        )
}
