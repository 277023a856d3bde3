//! PersistentVolumeClaims and PersistentVolumes.

use super::check::absolute_path;
use super::field::{Field, Fields};
use super::meta::Labels;
use super::{known, remote, resources, volume};
use crate::model::claim::{
    AccessMode, PersistentPlace, PersistentVolume, Reclaim, VolumeClaim, VolumeMode,
};
use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use crate::model::quantity::Bytes;
use crate::model::volume::{HostPathKind, MountSpec, VolumeSource};

/// The annotation of a claim that says what becomes of its directory. The API has that in storage classes, which
/// a host has none of.
pub(super) const RECLAIM: &str = "vks.io/reclaim-policy";

const MODES: [(&str, AccessMode); 4] = [
    ("ReadWriteOnce", AccessMode::Once),
    ("ReadOnlyMany", AccessMode::ReadOnlyMany),
    ("ReadWriteMany", AccessMode::Many),
    ("ReadWriteOncePod", AccessMode::OncePod),
];

/// Decodes the `spec` of a claim, of a template for one too.
pub fn claim_spec(field: &Field<'_>) -> Option<VolumeClaim> {
    let mut f = field.fields(known::CLAIM)?;
    let access_modes = access_modes(&mut f);
    let request = f.optional("resources", |x| {
        let mut f = x.fields(known::CLAIM_RESOURCES)?;
        let requests = f.optional("requests", |x| storage(&x));
        f.finish();
        requests
    });
    let volume_name = f.optional("volumeName", |x| match x.text()? {
        "" => Some(None),
        _ => x.parse().map(Some),
    });
    let mode = volume_mode(&mut f);
    f.finish();
    Some(VolumeClaim {
        access_modes: access_modes?,
        request: request?.flatten().flatten(),
        volume_name: volume_name?.flatten(),
        mode: mode?,
        reclaim: Reclaim::Retain,
        source: Some(SourcePath(field.report.file().to_owned())),
    })
}

/// What becomes of a claim's directory, by its annotations.
pub fn reclaim(object: &Fields<'_>, annotations: &Labels) -> Option<Reclaim> {
    match annotations.get(RECLAIM).map(String::as_str) {
        None | Some("Retain") => Some(Reclaim::Retain),
        Some("Delete") => Some(Reclaim::Delete),
        Some(_) => {
            object.problem(format!(
                "the annotation {RECLAIM} must be Retain or Delete: correct it"
            ));
            None
        }
    }
}

/// `volumeClaimTemplate` of an `ephemeral` volume.
pub fn ephemeral(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let claim = f.require("volumeClaimTemplate").and_then(|x| {
        let mut f = x.fields(known::NONE)?;
        let meta = super::meta::template(&mut f);
        let spec = f.require("spec").and_then(|x| claim_spec(&x));
        f.finish();
        meta?;
        spec
    });
    f.finish();
    claim.map(|claim| VolumeSource::Ephemeral(Box::new(claim)))
}

/// `persistentVolumeClaim` of a pod's volume.
pub fn volume_of(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("claimName").and_then(|x| x.parse());
    let read_only = f.flag("readOnly");
    f.finish();
    Some(VolumeSource::Claim {
        name: name?,
        read_only: read_only?,
    })
}

/// Decodes the `spec` of a persistent volume.
pub fn volume_spec(field: &Field<'_>) -> Option<PersistentVolume> {
    let mut f = field.fields(known::PERSISTENT_VOLUME)?;
    let capacity = f.optional("capacity", |x| storage(&x)).map(Option::flatten);
    let access_modes = access_modes(&mut f);
    let claim_ref = f.optional("claimRef", |x| claim_ref(&x));
    let mode = volume_mode(&mut f);
    let policy = f.optional("persistentVolumeReclaimPolicy", |x| reclaim_policy(&x));
    let options = remote::options(&mut f);
    let places = [
        f.optional("hostPath", |x| host_path(&x)),
        f.optional("local", |x| local(&x)),
        f.optional("nfs", |x| remote::nfs(&x).map(PersistentPlace::Mount)),
        f.optional("csi", |x| {
            remote::persistent(&x).map(PersistentPlace::Mount)
        }),
    ];
    let before = f.report.count();
    f.finish();
    let refused = field.report.count() > before;
    let mut given = Vec::new();
    for place in places {
        given.extend(place?);
    }
    if given.len() != 1 {
        if !refused {
            field.problem("write exactly one of hostPath, local, nfs and csi");
        }
        return None;
    }
    policy?;
    let (mode, place) = fit(field, mode?, with_options(field, given.pop()?, options?)?)?;
    Some(PersistentVolume {
        capacity: capacity?,
        access_modes: access_modes?,
        claim_ref: claim_ref?,
        mode,
        place,
        source: Some(SourcePath(field.report.file().to_owned())),
    })
}

fn with_options(
    field: &Field<'_>,
    place: PersistentPlace,
    more: Vec<String>,
) -> Option<PersistentPlace> {
    match place {
        PersistentPlace::Mount(spec) => {
            let mut options = spec.options;
            options.extend(more);
            Some(PersistentPlace::Mount(MountSpec { options, ..spec }))
        }
        place if more.is_empty() => Some(place),
        PersistentPlace::Path { .. } => {
            field.problem("mountOptions have no effect on a path of the host: remove them");
            None
        }
    }
}

/// A device is one of the host, by its path, and stays one.
fn fit(
    field: &Field<'_>,
    mode: VolumeMode,
    place: PersistentPlace,
) -> Option<(VolumeMode, PersistentPlace)> {
    match (mode, place) {
        (VolumeMode::Block, PersistentPlace::Path { path, .. }) if !path.starts_with("/dev/") => {
            // systemd passes over a `DeviceAllow=` of another place: the container could not open it.
            field.problem(format!(
                "{path} is no path of a device below /dev: name it by one there, such as /dev/disk/by-id/..."
            ));
            None
        }
        (VolumeMode::Block, PersistentPlace::Path { path, .. }) => Some((
            mode,
            PersistentPlace::Path {
                path,
                kind: HostPathKind::BlockDevice,
            },
        )),
        (VolumeMode::Block, PersistentPlace::Mount(_)) => {
            field.problem("volumeMode Block needs a device of this host: use local without fsType");
            None
        }
        (VolumeMode::Filesystem, place) => Some((mode, place)),
    }
}

fn host_path(field: &Field<'_>) -> Option<PersistentPlace> {
    match volume::host_path(field)? {
        VolumeSource::HostPath { path, kind } => Some(PersistentPlace::Path { path, kind }),
        _ => None,
    }
}

/// A directory that is there; with a file system's type, a device that is mounted.
fn local(field: &Field<'_>) -> Option<PersistentPlace> {
    let mut f = field.fields(known::NONE)?;
    let path = f.require("path").and_then(|x| absolute_path(&x));
    let kind = f.optional("fsType", |x| x.line().map(str::to_owned));
    f.finish();
    let path = path?;
    Some(match kind? {
        Some(kind) => PersistentPlace::Mount(MountSpec {
            what: path,
            kind,
            options: Vec::new(),
        }),
        None => PersistentPlace::Path {
            path,
            kind: HostPathKind::Directory,
        },
    })
}

/// vks removes nothing that it did not make.
fn reclaim_policy(field: &Field<'_>) -> Option<()> {
    match field.one_of(&[("Retain", true), ("Delete", false), ("Recycle", false)])? {
        true => Some(()),
        false => {
            field.problem("vks removes no data that it did not make the place for: write Retain");
            None
        }
    }
}

fn claim_ref(field: &Field<'_>) -> Option<ObjectKey> {
    let mut f = field.fields(known::OBJECT_REFERENCE)?;
    let name = f.require("name").and_then(|x| x.parse());
    let namespace = f.require("namespace").and_then(|x| x.parse());
    f.finish();
    Some(ObjectKey {
        namespace: namespace?,
        name: name?,
    })
}

fn access_modes(spec: &mut Fields<'_>) -> Option<Vec<AccessMode>> {
    let modes = spec.list("accessModes", |x| x.one_of(&MODES))?;
    if modes.is_empty() {
        spec.problem("accessModes is missing: add at least one, such as ReadWriteOnce");
        return None;
    }
    if modes.len() > 1 && modes.contains(&AccessMode::OncePod) {
        spec.problem("ReadWriteOncePod goes with no other access mode: remove the others");
        return None;
    }
    Some(modes)
}

fn volume_mode(spec: &mut Fields<'_>) -> Option<VolumeMode> {
    let mode = spec.optional("volumeMode", |x| {
        x.one_of(&[
            ("Filesystem", VolumeMode::Filesystem),
            ("Block", VolumeMode::Block),
        ])
    });
    mode.map(|mode| mode.unwrap_or(VolumeMode::Filesystem))
}

/// `{storage: 1Gi}`.
fn storage(field: &Field<'_>) -> Option<Option<Bytes>> {
    let mut amount = None;
    let mut good = true;
    for (entry, field) in field.entries()? {
        if entry.key == "storage" {
            amount = resources::quantity(&field);
            good &= amount.is_some();
        } else {
            field.problem("vks knows only storage: remove this resource");
            good = false;
        }
    }
    good.then_some(amount)
}
