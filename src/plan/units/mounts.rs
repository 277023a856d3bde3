//! What a container sees of volumes, and the units that mount some of them.

use super::super::env::{Environment, Origin, expand};
use super::super::files;
use super::super::volumes::{self, Place, PlaceKind};
use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::pod::Container;
use crate::model::root::Bind;
use crate::model::sandbox::{SUB_PATHS_KEY, SubPath as Part};
use crate::model::status::Blocked;
use crate::model::volume::{Mount, MountSpec, Propagation, SubPath};
use crate::unit::UnitFile;
use crate::unit::escape::{bind_path, one_line, quoted, specifiers};
use crate::unit::identity::SECTION;
use crate::unit::names;
use std::path::Path;

/// How long a mount may take, a server that does not answer included.
const TIMEOUT: &str = "90s";

/// Something of the host that a container sees.
#[derive(Debug)]
pub(super) struct Shown {
    pub from: String,
    to: String,
    read_only: bool,
    private: bool,
    optional: bool,
    /// A device, which it also has to be allowed.
    pub device: bool,
}

impl Shown {
    fn plain(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            read_only: false,
            private: false,
            optional: false,
            device: false,
        }
    }

    pub(super) fn into_bind(self) -> Bind {
        Bind {
            from: self.from,
            to: self.to,
            read_only: self.read_only,
            private: self.private,
            // The sandbox and the command before have made it: a part that is missing is an error there.
            optional: false,
        }
    }
}

impl Room<'_> {
    /// Volumes, devices, and the termination message file.
    pub(super) fn mounts(
        &self,
        file: &mut UnitFile,
        spec: &Container,
        env: &Environment,
    ) -> Result<(), Blocked> {
        let few_devices = file.value("Service", "PrivateDevices").is_some();
        let (shown, parts) = self.shown(spec, env)?;
        for shown in shown {
            let key = match shown.read_only {
                true => "BindReadOnlyPaths",
                false => "BindPaths",
            };
            let bind = pair(&shown.from, &shown.to);
            let bind = match (shown.optional, bind.strip_prefix('"')) {
                (false, _) => bind,
                (true, None) => format!("-{bind}"),
                (true, Some(rest)) => format!("\"-{rest}"),
            };
            file.push("Service", key, bind);
            // Else all are allowed, and naming one would forbid the others.
            if shown.device && few_devices {
                file.push("Service", "DeviceAllow", quoted(&shown.from) + " rw");
            }
        }
        let private = |mount: &Mount| mount.propagation == Propagation::Private;
        if spec.mounts.iter().any(private) {
            file.push("Service", "MountFlags", "private");
        }
        self.show_parts(file, &parts);
        Ok(())
    }

    /// What a container sees of the host, and which of it are parts of volumes.
    pub(super) fn shown(
        &self,
        spec: &Container,
        env: &Environment,
    ) -> Result<(Vec<Shown>, Vec<Part>), Blocked> {
        let (mut shown, mut parts) = (Vec::new(), Vec::new());
        for (index, mount) in spec.mounts.iter().enumerate() {
            let Some(place) = self.places.get(&mount.volume) else {
                continue;
            };
            let mut from = place.path.clone();
            if let Some(path) = sub_path(spec, mount, env)? {
                let at = self.settings.layout.sub_path(self.uid, &spec.name, index);
                let part = Part {
                    volume: std::mem::replace(&mut from, at.display().to_string()),
                    path,
                    at: at.display().to_string(),
                    mount_path: mount.path.clone(),
                    copy: self.is_tree(mount),
                };
                parts.push(part);
            }
            shown.push(Shown {
                from,
                to: mount.path.clone(),
                read_only: volumes::is_read_only(place, mount),
                private: mount.propagation == Propagation::Private,
                // What a sub-path shows is not there yet when the command that shows it begins, in mounts of its own.
                optional: mount.sub_path.is_some(),
                device: false,
            });
        }
        for device in &spec.volume_devices {
            if let Some(place) = self.places.get(&device.volume) {
                // A device that is read-only is written to all the same if its bind is: the mount says nothing there.
                let mut found = Shown::plain(&place.path, &device.path);
                found.device = true;
                shown.push(found);
            }
        }
        if let Some(path) = volumes::termination_path(self.pod, spec, self.settings) {
            let message = self.settings.layout.termination(self.uid, &spec.name);
            shown.push(Shown::plain(&message.display().to_string(), path));
        }
        Ok((shown, parts))
    }

    /// Has parts of volumes shown before each start.
    pub(super) fn show_parts(&self, file: &mut UnitFile, parts: &[Part]) {
        if !parts.is_empty() {
            let line = self.own_command(&["subpaths", "%n"]).replace("%%n", "%n");
            file.push("Service", "ExecStartPre", line);
            // Plain data: cannot fail.
            let json = serde_json::to_string(parts).unwrap_or_default();
            file.push(SECTION, SUB_PATHS_KEY, one_line(&json));
        }
    }

    fn is_tree(&self, mount: &Mount) -> bool {
        let mut volumes = self.pod.spec.volumes.iter();
        volumes.any(|volume| volume.name == mount.volume && files::is_tree(&volume.source))
    }

    /// Takes what sub-paths show off the host as soon as the container has it: what somebody removes from the volume could not be
    /// mounted again, and no later command of the unit would run.
    pub(super) fn hide_sub_paths(&self, file: &mut UnitFile, spec: &Container) {
        let bound = |mount: &Mount| mount.sub_path.is_some() && !self.is_tree(mount);
        if spec.mounts.iter().any(bound) {
            let line = self.own_command(&["subpaths", "%n", "--hide"]);
            file.push("Service", "ExecStartPost", line.replace("%%n", "%n"));
        }
    }

    /// Of the volumes a container uses, those whose place does not follow from the volume alone.
    pub(super) fn looked_up_places(&self, spec: &Container) -> Vec<&Place> {
        let devices = spec.volume_devices.iter();
        let names = spec.volumes().chain(devices.map(|device| &device.volume));
        let claimed = names.filter(|name| {
            use crate::model::volume::VolumeSource::{Claim, Ephemeral};
            let volumes = self.pod.spec.volumes.iter();
            let mut found = volumes.filter(|volume| volume.name == **name);
            found.any(|volume| matches!(volume.source, Claim { .. } | Ephemeral(_)))
        });
        claimed.filter_map(|name| self.places.get(name)).collect()
    }

    /// The mount units of the pod's volumes.
    pub(super) fn mount_units(&self) -> Vec<(UnitName, WantedUnit)> {
        let units = self.places.iter().filter_map(|(name, place)| {
            let PlaceKind::Mount(spec) = &place.kind else {
                return None;
            };
            Some(self.mount_unit(&format!("Volume {name}"), place, spec))
        });
        units.collect()
    }

    /// What the sandbox comes after.
    pub(super) fn mount_unit_names(&self) -> impl Iterator<Item = UnitName> {
        let mounted = |place: &&Place| matches!(place.kind, PlaceKind::Mount(_));
        let places = self.places.values().filter(mounted);
        places.map(|place| names::mount(Path::new(&place.path)))
    }

    /// It has no default dependencies: those would hold up the boot until it is mounted. The sandbox wants it each time it
    /// tries to come up, so that a server that is away is tried again.
    fn mount_unit(
        &self,
        description: &str,
        place: &Place,
        spec: &MountSpec,
    ) -> (UnitName, WantedUnit) {
        let hash = spec_hash(spec);
        let mut file = self.file(description);
        self.join_pod(&mut file);
        file.push("Unit", "DefaultDependencies", "no");
        file.push("Unit", "Conflicts", "umount.target");
        file.push("Unit", "Before", "umount.target");
        // Only local devices do without a network; for them the target has long been reached or is not waited for.
        if !spec.what.starts_with("/dev/") {
            file.push("Unit", "Wants", "network-online.target");
            file.push("Unit", "After", "network.target network-online.target");
        }
        file.push("Mount", "What", specifiers(&spec.what));
        file.push("Mount", "Where", place.path.as_str());
        file.push("Mount", "Type", specifiers(&spec.kind));
        if !spec.options.is_empty() {
            file.push("Mount", "Options", specifiers(&spec.options.join(",")));
        }
        file.push("Mount", "Slice", self.names.slice().as_str());
        file.push("Mount", "DirectoryMode", "0700");
        file.push("Mount", "TimeoutSec", TIMEOUT);
        // What a process of the pod still holds must not keep the pod from stopping.
        file.push("Mount", "LazyUnmount", "yes");
        let name = names::mount(Path::new(&place.path));
        self.finish(name, UnitRole::Mount, hash, file)
    }
}

/// The part of its volume that a mount shows.
fn sub_path(spec: &Container, mount: &Mount, env: &Environment) -> Result<Option<String>, Blocked> {
    let text = match &mount.sub_path {
        None => return Ok(None),
        Some(SubPath::Plain(path)) => return Ok(Some(path.clone())),
        Some(SubPath::Expanded(text)) => text,
    };
    let wrong = |why: String| Blocked {
        container: Some(spec.name.clone()),
        reason: "CreateContainerConfigError",
        message: format!("subPathExpr of mount {:?} {why}", mount.path),
    };
    if let Some(name) = missing(text, env) {
        return Err(wrong(format!(
            "needs a variable {name:?}, and there is none"
        )));
    }
    let (path, origin) = expand(text, env);
    if origin == Origin::Secret {
        return Err(wrong(
            "uses a variable that comes from a secret, and a path can be read by everyone"
                .to_owned(),
        ));
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let good = !path.starts_with('/')
        && !parts.is_empty()
        && !parts.contains(&"..")
        && path.len() < 4096
        && !path.chars().any(char::is_control);
    match good {
        true => Ok(Some(parts.join("/"))),
        false => Err(wrong(format!(
            "becomes {path:?}, which is no relative path without '..'"
        ))),
    }
}

/// The first `$(NAME)` that no variable has, which [`expand`] would leave as it is.
fn missing<'t>(text: &'t str, env: &Environment) -> Option<&'t str> {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            if !env.contains_key(name) {
                return Some(name);
            }
            rest = after;
        }
    }
    None
}

fn pair(from: &str, to: &str) -> String {
    // Each side is escaped for the split at the colon; one with blanks is quoted as a whole.
    let (from, to) = (bind_path(from), bind_path(to));
    match (from.strip_prefix('"'), to.strip_prefix('"')) {
        (None, None) => format!("{from}:{to}"),
        _ => {
            let bare = |side: &str| side.trim_matches('"').to_owned();
            format!("\"{}:{}\"", bare(&from), bare(&to))
        }
    }
}
