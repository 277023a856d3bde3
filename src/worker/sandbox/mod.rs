//! `vks sandbox up|mend|down`: what has to be on the host before the containers of a pod start, and its removal.
//!
//! The sandbox unit calls it at boot too, with no agent around: all it needs is in `[X-kubernetes] Setup=` of
//! that unit and below the pod's directory. `up` may be called again at any time. `down` undoes whatever is
//! there of it, in reverse, goes on after errors, and never touches the pod's directory nor those of claims.

pub(super) mod attach;
mod host_path;
mod mend;
pub(super) mod mount_points;
mod names;
mod network;
pub(super) use network::mtu_of_the_host;
mod once;
mod ownership;
mod settings;
mod storage;
mod users;

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::chain;
use crate::host::files::{Dir, FileError};
use crate::host::input;
use crate::host::mounts::{self, MountError};
use crate::host::namespace::{self, NamespaceError};
use crate::host::payload::{self, PayloadError};
use crate::model::event;
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid, UnitName, VolumeName};
use crate::model::sandbox::{SETUP_KEY, Setup};
use attach::Place;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of `up` when the pod has run in an earlier boot and may not run again.
pub const RAN_BEFORE: u8 = 77;

/// Why a sandbox is not up, or not wholly down.
#[derive(Debug, thiserror::Error)]
enum SandboxError {
    #[error("cannot understand the arguments of vks sandbox")]
    Arguments(#[from] ArgumentError),
    #[error("vks sandbox: expected up, mend or down, not {0:?}")]
    Verb(String),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error(
        "the pod ran before this boot, and its restart policy is Never: it does not start again"
    )]
    RanBefore,
    #[error("cannot tell whether the pod has run before")]
    Once(#[source] FileError),
    #[error("cannot tell this boot from others")]
    BootId(#[source] std::io::Error),
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    #[error(transparent)]
    Attach(#[from] attach::AttachError),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("cannot find out what {path} lies on", path = path.display())]
    FileSystem { path: PathBuf, source: MountError },
    #[error(
        "{path} is not on a tmpfs: secrets are only kept in memory. Mount a tmpfs there, or on /run",
        path = .0.display()
    )]
    NotInMemory(PathBuf),
    #[error("cannot put the secrets of the pod into memory")]
    Secrets(#[source] PayloadError),
    #[error("the pod's directory for secrets is not in order")]
    SecretsDir(#[source] FileError),
    #[error("volume {0} has no stored secret: run vks apply for this pod")]
    NoSecret(VolumeName),
    #[error(transparent)]
    HostPath(#[from] host_path::HostPathError),
    #[error(transparent)]
    Settings(#[from] settings::SettingError),
    #[error(transparent)]
    MountPoints(#[from] mount_points::MountPointError),
    #[error(transparent)]
    Users(#[from] users::RangeError),
    #[error(transparent)]
    Storage(#[from] storage::StorageError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Names(#[from] names::NamesError),
    #[error(transparent)]
    Input(#[from] input::InputError),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    let (layout, own) = match prepare(args) {
        Ok(ready) => ready,
        Err(error) => {
            journal::install(None);
            let arguments = matches!(error, SandboxError::Arguments(_) | SandboxError::Verb(_));
            return super::fail(&error, arguments);
        }
    };
    journal::install(Some(&own.1.identity));
    let uid = &own.1.identity.uid;
    let errors = match own.0 {
        Verb::Up => Vec::from_iter(bring_up(&layout, &own.1, &own.2).err()),
        Verb::Down => {
            let mut errors = down(&layout, uid);
            errors.extend(detach(&layout, &own.1, &own.2));
            errors
        }
        Verb::Mend => mend_all(&layout, &own.1, &own.2),
    };
    for error in &errors {
        let reason = match (own.0, error) {
            (Verb::Down, _) => "FailedKillPod",
            (
                _,
                SandboxError::HostPath(_)
                | SandboxError::NoSecret(_)
                | SandboxError::MountPoints(_),
            ) => "FailedMount",
            _ => "FailedCreatePodSandBox",
        };
        log::warn!(MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = reason; "{}", chain::line(error));
    }
    match errors.first() {
        None => ExitCode::SUCCESS,
        Some(SandboxError::RanBefore) => ExitCode::from(RAN_BEFORE),
        Some(_) => ExitCode::FAILURE,
    }
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Up,
    Down,
    Mend,
}

fn prepare(args: &[OsString]) -> Result<(Layout, (Verb, OwnUnit, UnitName)), SandboxError> {
    let mut args = Arguments::parse(args, &[])?;
    let verb = match args.next::<String>("up, mend or down")?.as_str() {
        "up" => Verb::Up,
        "down" => Verb::Down,
        "mend" => Verb::Mend,
        other => return Err(SandboxError::Verb(other.to_owned())),
    };
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let layout = super::layout();
    let own = OwnUnit::read(&layout, &unit)?;
    Ok((layout, (verb, own, unit)))
}

fn bring_up(layout: &Layout, own: &OwnUnit, unit: &UnitName) -> Result<(), SandboxError> {
    let setup: Setup = own.json(SETUP_KEY)?;
    let uid = &own.identity.uid;
    up(layout, uid, &own.identity.pod, &setup)?;
    let place = Place {
        layout,
        uid,
        unit: unit.as_str(),
    };
    attach::up(place, &setup.attachments)?;
    // Last: a pod whose sandbox did not come up has not run.
    if setup.once {
        once::mark(layout, uid)?;
    }
    Ok(())
}

/// Takes away what of other networks is on the host.
fn detach(layout: &Layout, own: &OwnUnit, unit: &UnitName) -> Vec<SandboxError> {
    let setup: Setup = match own.json(SETUP_KEY) {
        Ok(setup) => setup,
        Err(error) => return vec![error.into()],
    };
    let place = Place {
        layout,
        uid: &own.identity.uid,
        unit: unit.as_str(),
    };
    let errors = attach::down(place, &setup.attachments).into_iter();
    errors.map(SandboxError::from).collect()
}

/// Mends what containers that run lose: their network, and what they see in `/etc`.
fn mend_all(layout: &Layout, own: &OwnUnit, unit: &UnitName) -> Vec<SandboxError> {
    let setup: Setup = match own.json(SETUP_KEY) {
        Ok(setup) => setup,
        Err(error) => return vec![error.into()],
    };
    let network = mend_network(layout, own, unit, &setup).err();
    let names = names::mend(layout, &own.identity.uid, &own.identity.pod).into_iter();
    network
        .into_iter()
        .chain(names.map(SandboxError::from))
        .collect()
}

/// Mends the network of a pod that has one.
fn mend_network(
    layout: &Layout,
    own: &OwnUnit,
    unit: &UnitName,
    setup: &Setup,
) -> Result<(), SandboxError> {
    let (uid, pod) = (&own.identity.uid, &own.identity.pod);
    if let Some(wiring) = &setup.wiring {
        mend::mend(layout, uid, pod, wiring)?;
    }
    let place = Place {
        layout,
        uid,
        unit: unit.as_str(),
    };
    Ok(attach::up(place, &setup.attachments)?)
}

/// Makes everything. After an error, what was made stays for `down`.
fn up(layout: &Layout, uid: &PodUid, pod: &PodKey, setup: &Setup) -> Result<(), SandboxError> {
    if setup.once && once::ran_before(layout, uid)? {
        return Err(SandboxError::RanBefore);
    }
    // First: network and names belong to them.
    if let Some(wanted) = &setup.users {
        users::up(layout, uid, wanted)?;
    }
    if setup.network {
        network::up(layout, uid, pod, setup.wiring.as_ref())?;
        if !setup.sysctls.is_empty() {
            settings::sysctls(&layout.network_namespace(uid), &setup.sysctls)?;
        }
    }
    if !setup.names.is_default() {
        names::make(layout, uid, &setup.names)?;
    }
    if !setup.inputs.is_empty() {
        input::make(layout, uid, &setup.inputs)?;
    }
    if !setup.secrets.is_empty() {
        secrets(layout, uid, &setup.secrets)?;
    }
    for volume in &setup.memory {
        storage::memory(layout, uid, volume)?;
    }
    for volume in &setup.images {
        storage::image(layout, uid, volume)?;
    }
    for claim in &setup.claims {
        storage::claim(layout, claim)?;
    }
    if let Some(group) = &setup.fs_group {
        settings::give_volumes(group)?;
    }
    for path in &setup.host_paths {
        host_path::prepare(path)?;
    }
    setup.mounted.iter().try_for_each(storage::mounted)?;
    if !setup.mount_points.is_empty() {
        mount_points::make(layout, uid, &setup.mount_points)?;
    }
    Ok(())
}

/// Undoes everything, whatever of it there is, and gives back what could not be undone.
fn down(layout: &Layout, uid: &PodUid) -> Vec<SandboxError> {
    let mount_points = mount_points::release(layout, uid).into_iter();
    let mut errors: Vec<_> = mount_points.map(SandboxError::from).collect();
    let shown = super::sub_paths::release(layout, uid).into_iter();
    errors.extend(shown.map(SandboxError::from));
    let memory = storage::release(layout, uid).into_iter();
    errors.extend(memory.map(SandboxError::from));
    errors.extend(users::release(layout, uid).err().map(SandboxError::from));
    errors.extend(
        names::release(layout, uid)
            .into_iter()
            .map(SandboxError::from),
    );
    errors.extend(remove_secrets(layout, uid).err());
    let network = namespace::remove_network(&layout.network_namespace(uid));
    errors.extend(network.err().map(SandboxError::from));
    errors
}

fn secrets(layout: &Layout, uid: &PodUid, volumes: &[VolumeName]) -> Result<(), SandboxError> {
    let run = Dir::create(&layout.run).map_err(SandboxError::SecretsDir)?;
    let in_memory = mounts::is_tmpfs(&layout.run).map_err(|source| SandboxError::FileSystem {
        path: layout.run.clone(),
        source,
    })?;
    if !in_memory {
        return Err(SandboxError::NotInMemory(layout.run.clone()));
    }
    run.create_sub("pods", 0o755)
        .and_then(|pods| pods.create_sub(uid.as_str(), 0o700))
        .map_err(SandboxError::SecretsDir)?;
    payload::restore_secrets(layout, uid).map_err(SandboxError::Secrets)?;
    match volumes
        .iter()
        .find(|volume| !layout.secret_volume(uid, volume).is_dir())
    {
        Some(missing) => Err(SandboxError::NoSecret(missing.clone())),
        None => Ok(()),
    }
}

fn remove_secrets(layout: &Layout, uid: &PodUid) -> Result<(), SandboxError> {
    let remove = || match Dir::open(&layout.run.join("pods"))? {
        Some(pods) => pods.remove_tree(uid.as_str()),
        None => Ok(()),
    };
    remove().map_err(SandboxError::SecretsDir)
}

#[cfg(test)]
mod tests;
