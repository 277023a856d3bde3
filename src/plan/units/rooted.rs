//! A container with a root directory of its own: an image of layers, or a directory of the host.
//!
//! `vks launch --root` makes the root from `[X-kubernetes] Root=` in the mount namespace of the unit, so the unit has none of
//! the keys that mount: its other commands stay in the host's tree, and need nothing of the image. What systemd does
//! without mounts it does here as for other containers: namespaces, capabilities, system calls, devices, limits.

use super::super::env::Environment;
use super::super::security::{self, Calls, Confinement, Who};
use super::mounts::Shown;
use super::{Room, file_keys, version};
use crate::config::Settings;
use crate::model::capability::Capabilities;
use crate::model::image::resolved::{Content, Resolved};
use crate::model::oci::{Accounts, ImageConfig, Person};
use crate::model::pod::{Container, Pod, RunAs};
use crate::model::root::{Bind, ROOT_KEY, Root, masked};
use crate::model::security::Profile;
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::{one_line, quoted, specifiers};
use crate::unit::identity::SECTION;
use std::borrow::Cow;

/// What `vks launch` needs until it is the program's user: to mount, to make device nodes and what is mounted on, and to
/// change.
const TO_MAKE: [&str; 9] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "MKNOD",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
];

/// Where programs are looked for when the image does not say (as by Docker).
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Files of the host for pods that share its network and names.
const OF_HOST: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// What a container's root comes from.
pub(super) struct Base {
    layers: Vec<String>,
    directory: Option<String>,
    pub(super) config: ImageConfig,
    accounts: Accounts,
}

impl Base {
    /// Of an image, if it has a root.
    pub(super) fn of(image: &Resolved, settings: &Settings) -> Option<Self> {
        match &image.content {
            Content::Oci(image) => {
                let layers = image
                    .layers
                    .iter()
                    .map(|layer| settings.layout.layer(layer));
                Some(Self {
                    layers: layers.map(|path| path.display().to_string()).collect(),
                    directory: None,
                    config: image.config.clone(),
                    accounts: image.accounts.clone(),
                })
            }
            Content::Dir { root } => Some(Self {
                layers: Vec::new(),
                directory: Some(root.clone()),
                config: ImageConfig::default(),
                accounts: Accounts::default(),
            }),
            _ => None,
        }
    }

    /// The container with what the image says where the manifest says nothing.
    pub(super) fn filled<'c>(&self, spec: &'c Container) -> Cow<'c, Container> {
        match (spec.stop_signal, self.config.stop_signal) {
            (None, Some(signal)) => Cow::Owned(Container {
                stop_signal: Some(signal),
                ..spec.clone()
            }),
            _ => Cow::Borrowed(spec),
        }
    }

    /// What runs when the manifest names no command: the image's words, as they are (Kubernetes' table of command, args,
    /// Entrypoint and Cmd).
    pub(super) fn words(&self, spec: &Container) -> Vec<String> {
        let mut words = self.config.entrypoint.clone();
        if spec.args.is_empty() {
            words.extend(self.config.cmd.iter().cloned());
        }
        words
    }

    /// Who the program is.
    fn person(&self, run_as: &RunAs) -> Result<Person, String> {
        let text = match run_as.user {
            Some(user) => user.to_string(),
            None => self.config.user.clone().unwrap_or_default(),
        };
        let mut person = self
            .accounts
            .person(&text)
            .map_err(|error| error.to_string())?;
        person.gid = run_as.group.unwrap_or(person.gid);
        Ok(person)
    }
}

/// How a container with a root of its own is shut in, and who it is. Without a profile of its own it has what the
/// usual runtimes give.
pub(super) fn confine(
    pod: &Pod,
    spec: &Container,
    base: &Base,
    settings: &Settings,
) -> Result<(Confinement, Person), Blocked> {
    let blocked = |message| Blocked {
        container: Some(spec.name.clone()),
        reason: "CreateContainerConfigError",
        message,
    };
    let person = base.person(&pod.spec.run_as_of(spec)).map_err(blocked)?;
    let mut named = spec.clone();
    if person.uid != 0 {
        named.run_as = RunAs {
            user: Some(person.uid),
            group: Some(person.gid),
        };
    }
    let mut confinement = security::confine(pod, &named, &by_default(settings))?;
    if confinement.who == Who::Dynamic {
        confinement.who = Who::User(person.uid);
    }
    Ok((confinement, person))
}

/// Without a profile of its own, a container with a root has what the usual runtimes give.
fn by_default(settings: &Settings) -> Settings {
    Settings {
        profile: Profile::Default,
        ..settings.clone()
    }
}

/// Whether a container of the pod may make user namespaces.
pub(super) fn nests(pod: &Pod, settings: &Settings) -> bool {
    let settings = by_default(settings);
    let all = pod.spec.all_containers();
    let mut confined = all.filter_map(|(_, spec)| security::confine(pod, spec, &settings).ok());
    confined.any(|one| one.calls == Calls::Any)
}

/// The variables as they stand in the unit.
pub(super) fn in_unit(env: &Environment) -> Environment {
    let masked = env
        .iter()
        .map(|(name, value)| (masked(name), value.clone()));
    masked.collect()
}

impl Room<'_> {
    /// What a container runs from, if that has a root.
    pub(super) fn base(&self, spec: &Container) -> Option<Base> {
        Base::of(self.images.get(&spec.name)?.as_ref().ok()?, self.settings)
    }

    /// The keys that need no mounts, and the root.
    pub(super) fn root_of(
        &self,
        file: &mut UnitFile,
        (spec, base): (&Container, &Base),
        env: &Environment,
        (confinement, person): (&Confinement, Person),
    ) -> Result<(), Blocked> {
        let privileged = confinement.profile == Profile::Trusted;
        file.push("Service", "PrivateMounts", "yes");
        self.own_namespaces(file, spec, confinement)?;
        let needed = Capabilities::of(&TO_MAKE);
        let set = confinement.capabilities.and(needed);
        if set != Capabilities::ALL {
            file.push("Service", "CapabilityBoundingSet", set.to_string());
        }
        if confinement.no_new_privileges {
            file.push("Service", "NoNewPrivileges", "yes");
        }
        let own_users = self.pod.spec.sharing.own_users;
        super::security::rooted_calls(file, confinement, own_users);
        if !privileged {
            file.push("Service", "DevicePolicy", "closed");
        }
        let (shown, parts) = self.shown(spec, env)?;
        self.show_parts(file, &parts);
        for device in shown.iter().filter(|shown| shown.device) {
            file.push("Service", "DeviceAllow", quoted(&device.from) + " rw");
        }
        let mut binds: Vec<Bind> = self.etc_binds(spec);
        binds.extend(shown.into_iter().map(Shown::into_bind));
        for device in self.own_devices(spec) {
            binds.push(plain(&device.path, &device.path, false, true));
        }
        let mut groups = confinement.groups.clone();
        if confinement.merge {
            groups.extend(&person.groups);
        }
        let layout = &self.settings.layout;
        let own = layout.rootfs(self.uid, &spec.name).display().to_string();
        let root = Root {
            layers: base.layers.clone(),
            directory: base.directory.clone().unwrap_or(own),
            read_only: confinement.read_only_root,
            binds,
            volumes: base.config.volumes.clone(),
            privileged,
            unmasked: own_users && self.pod.spec.security_of(spec).proc_unmasked,
            users: own_users.then(|| self.users_path()),
            working_dir: self.working_dir(spec, base),
            image_variables: image_variables(base, env),
            variables: self.known_variables(spec, env),
            home: person.home,
            uid: person.uid,
            gid: person.gid,
            groups,
            capabilities: format!("{:x}", confinement.capabilities.0),
        };
        // Plain data: cannot fail.
        let json = serde_json::to_string(&root).unwrap_or_default();
        file.push(SECTION, ROOT_KEY, one_line(&json));
        Ok(())
    }

    fn users_path(&self) -> String {
        let path = self.settings.layout.pod_namespace(self.uid, "user");
        path.display().to_string()
    }

    fn working_dir(&self, spec: &Container, base: &Base) -> String {
        let own = spec.working_dir.clone();
        own.or(base.config.working_dir.clone())
            .unwrap_or_else(|| "/".to_owned())
    }

    fn known_variables(&self, spec: &Container, env: &Environment) -> Vec<String> {
        let mut names: Vec<String> = env.keys().cloned().collect();
        names.extend(file_keys::names(spec).cloned());
        if self.pod_names.hostname.is_some() && !env.contains_key("HOSTNAME") {
            names.push("HOSTNAME".to_owned());
        }
        names
    }

    /// Names of the pod, or of the host that it shares them with, and its shared memory.
    fn etc_binds(&self, spec: &Container) -> Vec<Bind> {
        let free = |path: &str| spec.mounts.iter().all(|mount| mount.path != path);
        let layout = &self.settings.layout;
        let mut binds = Vec::new();
        for path in OF_HOST.into_iter().filter(|path| free(path)) {
            let name = path.trim_start_matches("/etc/");
            let own = self.files().any(|file| file == name);
            binds.push(match own {
                true => {
                    let from = layout.pod_etc(self.uid, name);
                    plain(&from.display().to_string(), path, false, false)
                }
                false => plain(path, path, true, true),
            });
        }
        if self.pod_names.ipc && free("/dev/shm") {
            let from = layout.pod_shm(self.uid).display().to_string();
            binds.push(plain(&from, "/dev/shm", false, false));
        }
        binds
    }

    fn own_namespaces(
        &self,
        file: &mut UnitFile,
        spec: &Container,
        confinement: &Confinement,
    ) -> Result<(), Blocked> {
        let layout = &self.settings.layout;
        let path = |kind| {
            let path = layout.pod_namespace(self.uid, kind).display().to_string();
            specifiers(&path)
        };
        match &self.pod_names.hostname {
            Some(_) if confinement.joins_host_name => {
                let open = format!("{}:uts:read-only", path("uts"));
                file.push("Service", "OpenFile", open);
            }
            Some(name) => file.push("Service", "ProtectHostname", format!("private:{name}")),
            None => {}
        }
        if self.pod_names.ipc {
            file.push("Service", "IPCNamespacePath", path("ipc"));
        } else if self.pod.spec.sharing.host_ipc.is_none() {
            file.push("Service", "PrivateIPC", "yes");
        }
        if self.has_own_processes(spec) {
            version::needs(
                self.settings,
                spec,
                "an image with a root of its own, without hostPID: true,",
                "PrivatePIDs=",
                257,
            )?;
            file.push("Service", "PrivatePIDs", "yes");
        }
        Ok(())
    }
}

/// Those of the image that the container has no others for, and a path.
fn image_variables(base: &Base, env: &Environment) -> Vec<(String, String)> {
    let own = base.config.env.iter();
    let own = own.filter(|(name, _)| !env.contains_key(name));
    let mut variables: Vec<(String, String)> = own.cloned().collect();
    let has_path = variables.iter().any(|(name, _)| name == "PATH");
    if !has_path && !env.contains_key("PATH") {
        variables.insert(0, ("PATH".to_owned(), USUAL_PATH.to_owned()));
    }
    variables
}

fn plain(from: &str, to: &str, read_only: bool, optional: bool) -> Bind {
    Bind {
        from: from.to_owned(),
        to: to.to_owned(),
        read_only,
        private: false,
        optional,
    }
}
