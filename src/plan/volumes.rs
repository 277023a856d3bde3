//! Volumes as directories, files and binds: what the pod's directory holds, what the sandbox sets up, what containers see.

mod image;

use super::claims::{self, Bound};
use super::env::{Context, Environment, Origin};
use super::files::{self, blocked};
use super::{resources, security};
use crate::config::Settings;
use crate::model::claim::{PersistentPlace, VolumeClaim, VolumeMode};
use crate::model::layout::Layout;
use crate::model::name::{ObjectKey, PodUid, VolumeName};
use crate::model::network::Wiring;
use crate::model::payload::Payload;
use crate::model::pod::{Container, Pod, RestartPolicy};
use crate::model::quantity::Bytes;
use crate::model::sandbox::{
    FsGroup, HostPath, ImageVolume, MemoryVolume, MountPoint, MountedVolume, Setup,
};
use crate::model::status::Blocked;
use crate::model::volume::{HostPathKind, Mount, MountSpec, Volume, VolumeSource};
use crate::unit::escape::environment_file_line;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where the kubelet has the termination message file.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Where the volumes of a pod are.
pub type Places = BTreeMap<VolumeName, Place>;

/// Where a volume is, once its claims have been looked up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// Its path on the host.
    pub path: String,
    /// How it comes to be there.
    pub kind: PlaceKind,
    /// Containers cannot write to it, whatever their mounts say.
    pub read_only: bool,
    /// It is a device.
    pub block: bool,
}

/// How a volume comes to be at its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PlaceKind {
    /// It is a payload of the pod.
    Payload,
    /// The sandbox copies it from a payload to tmpfs.
    Secret,
    /// The sandbox mounts a tmpfs.
    Memory(Option<Bytes>),
    /// It is there, or the sandbox makes it.
    HostPath(HostPathKind),
    /// The sandbox makes the directory of a claim.
    Claim(ObjectKey),
    /// A mount unit mounts it.
    Mount(MountSpec),
    /// The sandbox mounts layers of an image over each other, the lowest first here.
    Layers(Vec<String>),
}

/// Where all volumes are and the payloads they are made of, or why one cannot be had.
pub fn of_pod(context: &Context) -> Result<(Places, Vec<Payload>), Blocked> {
    let places = places(context)?;
    let payloads = payloads(context, &places)?;
    Ok((places, payloads))
}

fn places(context: &Context) -> Result<Places, Blocked> {
    let mut places = Places::new();
    for volume in &context.pod.spec.volumes {
        let found = match &volume.source {
            VolumeSource::Image { image, policy } => {
                image::of_image(context, volume, image, *policy)?
            }
            _ => place(context, volume).map_err(|why| blocked(&volume.name, &why))?,
        };
        places.insert(volume.name.clone(), found);
    }
    for (_, container) in context.pod.spec.all_containers() {
        let mounts = container.mounts.iter().map(|mount| (&mount.volume, false));
        let devices = container
            .volume_devices
            .iter()
            .map(|device| (&device.volume, true));
        for (name, device) in mounts.chain(devices) {
            if places.get(name).is_some_and(|place| place.block != device) {
                let (is, where_to) = match device {
                    true => ("no block device", "volumeMounts"),
                    false => ("a block device", "volumeDevices"),
                };
                let why = format!(
                    "it is {is}: name it in {where_to} of container \"{}\"",
                    container.name
                );
                return Err(blocked(name, &why));
            }
        }
    }
    Ok(places)
}

fn place(context: &Context, volume: &Volume) -> Result<Place, String> {
    let (layout, uid) = (&context.settings.layout, context.uid);
    let at = |path: std::path::PathBuf, kind| Place {
        path: path.display().to_string(),
        kind,
        read_only: files::is_tree(&volume.source),
        block: false,
    };
    let in_pod = || at(layout.volume(uid, &volume.name), PlaceKind::Payload);
    Ok(match &volume.source {
        source if files::is_secret(source) => {
            at(layout.secret_volume(uid, &volume.name), PlaceKind::Secret)
        }
        VolumeSource::Memory { size } => {
            let limit = resources::of_pod(&context.pod.spec).memory_limit;
            let size = [*size, limit].into_iter().flatten().min();
            at(
                layout.memory_volume(uid, &volume.name),
                PlaceKind::Memory(size),
            )
        }
        VolumeSource::HostPath { path, kind } => at(path.into(), PlaceKind::HostPath(*kind)),
        VolumeSource::Mount(spec) => mounted(layout, uid, &volume.name, spec),
        VolumeSource::Claim { name, read_only } => {
            let (mode, bound) = claims::bound(context, name)?;
            let key = ObjectKey {
                namespace: context.pod.key.namespace.clone(),
                name: name.clone(),
            };
            let place = match bound {
                Bound::Directory => at(layout.claim(&key), PlaceKind::Claim(key)),
                Bound::Volume(volume_of) => {
                    persistent(layout, uid, &volume.name, mode, &volume_of.place)
                }
            };
            Place {
                read_only: *read_only || place.read_only,
                ..place
            }
        }
        VolumeSource::Ephemeral(claim) => match ephemeral(context, volume, claim)? {
            Bound::Directory => in_pod(),
            Bound::Volume(found) => persistent(layout, uid, &volume.name, claim.mode, &found.place),
        },
        _ => in_pod(),
    })
}

fn mounted(layout: &Layout, uid: &PodUid, volume: &VolumeName, spec: &MountSpec) -> Place {
    Place {
        path: layout.mounted_volume(uid, volume).display().to_string(),
        kind: PlaceKind::Mount(spec.clone()),
        read_only: spec.is_read_only(),
        block: false,
    }
}

fn persistent(
    layout: &Layout,
    uid: &PodUid,
    name: &VolumeName,
    mode: VolumeMode,
    place: &PersistentPlace,
) -> Place {
    match place {
        PersistentPlace::Path { path, kind } => Place {
            path: path.clone(),
            kind: PlaceKind::HostPath(*kind),
            read_only: false,
            block: mode == VolumeMode::Block,
        },
        PersistentPlace::Mount(spec) => mounted(layout, uid, name, spec),
    }
}

fn ephemeral<'a>(
    context: &Context<'a>,
    volume: &Volume,
    claim: &VolumeClaim,
) -> Result<Bound<'a>, String> {
    let key = claims::of_volume(&context.pod.key, &volume.name)?;
    if context.desired.volume_claims.contains_key(&key) {
        return Err(format!(
            "persistentvolumeclaim \"{}\" is there and not made for this pod: rename one",
            key.name
        ));
    }
    claims::volume_of(context.desired, &key, claim)
}

/// The payloads of a pod's volumes, or which object is missing.
fn payloads(context: &Context, places: &Places) -> Result<Vec<Payload>, Blocked> {
    let mut out = Vec::new();
    for volume in &context.pod.spec.volumes {
        let in_pod = places
            .get(&volume.name)
            .is_some_and(|place| place.kind == PlaceKind::Payload);
        match files::payload(context, volume)? {
            Some(files) => out.push(files),
            None if in_pod => out.push(Payload::empty_dir(&volume.name)),
            None => {}
        }
    }
    Ok(out)
}

/// Where a container finds its termination message file, if it has one: where the manifest says, else at
/// Kubernetes' default path in every container that does not share the host's file tree as it is. One that does has no
/// other use for a mount namespace of its own, which costs more than all the rest of its start.
pub fn termination_path<'a>(
    pod: &Pod,
    container: &'a Container,
    settings: &Settings,
) -> Option<&'a str> {
    let nothing_mounted = container.mounts.is_empty() && container.volume_devices.is_empty();
    let of_host = container.image.host_program().is_some();
    let shares_the_tree = of_host
        && pod.spec.host_network
        && nothing_mounted
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
/// Mount points are made for the containers that run `on_host`, in its tree.
pub fn setup(
    pod: &Pod,
    places: &Places,
    wiring: Option<Wiring>,
    on_host: &dyn Fn(&Container) -> bool,
) -> Setup {
    let mut setup = Setup {
        network: !pod.spec.host_network,
        wiring,
        once: runs_once(pod),
        ..Setup::default()
    };
    // In the order of the manifest, so that another order is no other sandbox than it was before.
    for volume in &pod.spec.volumes {
        let Some(place) = places.get(&volume.name) else {
            continue;
        };
        let path = || place.path.clone();
        match &place.kind {
            PlaceKind::Payload => {}
            PlaceKind::Secret => setup.secrets.push(volume.name.clone()),
            PlaceKind::Memory(size) => setup.memory.push(MemoryVolume {
                name: volume.name.clone(),
                size: *size,
            }),
            PlaceKind::HostPath(kind) => setup.host_paths.push(HostPath {
                path: path(),
                kind: *kind,
            }),
            PlaceKind::Claim(key) => setup.claims.push(key.clone()),
            PlaceKind::Mount(spec) => setup.mounted.push(MountedVolume {
                path: path(),
                spec: spec.clone(),
            }),
            PlaceKind::Layers(layers) => setup.images.push(ImageVolume {
                name: volume.name.clone(),
                layers: layers.clone(),
            }),
        }
    }
    let all = pod.spec.lasting_containers();
    for (_, container) in all.filter(|(_, container)| on_host(container)) {
        // What a sub-path is like is known when it has been found: its mount point is made then.
        let whole = container.mounts.iter().filter(|m| m.sub_path.is_none());
        let mounts = whole.filter_map(|m| Some(mount_point(places.get(&m.volume)?, &m.path)));
        setup.mount_points.extend(mounts);
        let devices = container.volume_devices.iter();
        let devices = devices.filter_map(|d| Some(mount_point(places.get(&d.volume)?, &d.path)));
        setup.mount_points.extend(devices);
    }
    setup.sysctls.clone_from(&pod.spec.security.sysctls);
    setup.fs_group = fs_group(pod, places);
    setup
}

/// The volumes that `fsGroup` is about: those whose directories vks makes.
fn fs_group(pod: &Pod, places: &Places) -> Option<FsGroup> {
    let mut of = FsGroup {
        group: pod.spec.security.fs_group?,
        only_on_mismatch: pod.spec.security.only_on_mismatch,
        writable: Vec::new(),
        read_only: Vec::new(),
    };
    for volume in &pod.spec.volumes {
        let Some(place) = places.get(&volume.name) else {
            continue;
        };
        let path = place.path.clone();
        match &place.kind {
            PlaceKind::Payload | PlaceKind::Secret if files::is_tree(&volume.source) => {
                of.read_only.push(path);
            }
            PlaceKind::Payload | PlaceKind::Memory(_) | PlaceKind::Claim(_) => {
                of.writable.push(path);
            }
            PlaceKind::Secret
            | PlaceKind::HostPath(_)
            | PlaceKind::Mount(_)
            | PlaceKind::Layers(_) => {}
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
fn mount_point(place: &Place, path: &str) -> MountPoint {
    use HostPathKind::{Directory, DirectoryOrCreate};
    let may_be_a_file = matches!(
        &place.kind,
        PlaceKind::HostPath(kind) if !matches!(kind, Directory | DirectoryOrCreate)
    );
    MountPoint {
        path: path.to_owned(),
        like: may_be_a_file.then(|| place.path.clone()),
    }
}

/// Whether a container cannot write through a mount.
pub fn is_read_only(place: &Place, mount: &Mount) -> bool {
    mount.read_only || place.read_only
}
