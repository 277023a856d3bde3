//! How a container is shut in: its security context, the pod's and the profile in force become one decision.
//!
//! What the manifest says counts; the profile fills in what it does not say. What contradicts the profile, or what
//! this host cannot give, is an answer by name, never less isolation than asked for.

mod seccomp;
#[cfg(test)]
mod tests;

use crate::config::Settings;
use crate::model::capability::Capabilities;
use crate::model::pod::{Container, Pod};
use crate::model::security::{AppArmor, PROFILE_ANNOTATION, Profile, Seccomp, Security};
use crate::model::status::Blocked;
use serde::Serialize;

/// What containerd gives a container, but for MKNOD: there are no device nodes to make in a `/dev` of its own.
const USUAL: [&str; 13] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Who a container runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Who {
    /// Root, as systemd starts it.
    Root,
    /// A user that systemd makes for the pod.
    Dynamic,
    /// A number of the manifest.
    User(u32),
}

/// How a container is shut in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// The profile in force.
    pub profile: Profile,
    /// Its user.
    pub who: Who,
    /// Its group, when that is not what goes with the user.
    pub group: Option<u32>,
    /// Further groups, `fsGroup` among them.
    pub groups: Vec<u32>,
    /// Also the groups that the host's files give the user.
    pub merge: bool,
    /// The most capabilities it can ever have; what it has, for root and for a dynamic user.
    pub capabilities: Capabilities,
    /// No program can give it privileges.
    pub no_new_privileges: bool,
    /// Only volumes can be written.
    pub read_only_root: bool,
    /// The filter of system calls.
    pub calls: Calls,
    /// The AppArmor profile by name.
    pub app_armor: Option<String>,
    /// The SELinux context.
    pub se_linux: Option<String>,
    /// `vks launch` joins the pod's UTS namespace, which this systemd cannot. No part of what is asked for.
    #[serde(skip)]
    pub joins_host_name: bool,
}

/// The first systemd that gives a service a host name of its own (`ProtectHostname=private:NAME`).
pub const HOST_NAME_SINCE: u32 = 258;

/// Which system calls it may make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Calls {
    /// All.
    Any,
    /// Those that services need, and what its capabilities are for.
    Usual,
    /// Those of a profile, as unit settings.
    Profile(Vec<(&'static str, String)>),
}

impl Confinement {
    /// Whether it is somebody by number, which systemd takes only when the host has such users and groups.
    pub fn changes_identity(&self) -> bool {
        matches!(self.who, Who::User(_)) || self.group.is_some() || !self.groups.is_empty()
    }

    /// Whether `vks as` starts the program: to be somebody else, or to give up what only joining the host name needed.
    pub fn starts_by_as(&self) -> bool {
        let all = self.who == Who::Root && self.capabilities == Capabilities::ALL;
        self.changes_identity() || (self.joins_host_name && !all)
    }
}

/// Decides for a container, or says why it cannot run as it is written.
pub fn confine(
    pod: &Pod,
    container: &Container,
    settings: &Settings,
) -> Result<Confinement, Blocked> {
    let blocked = |message| Blocked {
        container: Some(container.name.clone()),
        reason: "CreateContainerConfigError",
        message,
    };
    decide(pod, container, settings).map_err(blocked)
}

/// Whether a container runs with the host's files as they are, but for its mounts.
pub fn is_trusted(pod: &Pod, container: &Container, settings: &Settings) -> bool {
    in_force(pod, container, settings).is_ok_and(|profile| profile == Profile::Trusted)
}

fn decide(pod: &Pod, container: &Container, settings: &Settings) -> Result<Confinement, String> {
    let said = pod.spec.security_of(container);
    let run_as = pod.spec.run_as_of(container);
    let privileged = said.privileged == Some(true);
    let profile = in_force(pod, container, settings)?;
    let who = match run_as.user {
        Some(user) => Who::User(user),
        None if profile == Profile::Strict => Who::Dynamic,
        None => Who::Root,
    };
    non_root(pod, container, &said, who)?;
    contradictions(&said, profile)?;
    let base = match (privileged, profile) {
        (true, _) | (_, Profile::Trusted) => Capabilities::ALL,
        (_, Profile::Default) => Capabilities::of(&USUAL),
        (_, Profile::Strict) => Capabilities::NONE,
    };
    let capabilities = said.capabilities.unwrap_or_default().apply(base);
    let mut groups = pod.spec.security.groups.clone();
    groups.extend(pod.spec.security.fs_group);
    let mut confinement = Confinement {
        profile,
        who,
        group: run_as.group,
        groups,
        merge: !pod.spec.security.only_these_groups,
        capabilities,
        no_new_privileges: said.escalation == Some(false) || profile == Profile::Strict,
        read_only_root: said.read_only_root == Some(true),
        calls: Calls::Any,
        app_armor: None,
        se_linux: None,
        joins_host_name: !pod.spec.host_network && settings.systemd < HOST_NAME_SINCE,
    };
    if !privileged {
        confinement.calls = calls(&said, &confinement, settings)?;
        (confinement.app_armor, confinement.se_linux) = labels(&said, settings)?;
    }
    Ok(confinement)
}

/// The annotation, else the node's; a container that names its user is at most in `default`, as it asks for what
/// it would be elsewhere, and a privileged one is in `trusted`.
fn in_force(pod: &Pod, container: &Container, settings: &Settings) -> Result<Profile, String> {
    let privileged = pod.spec.security_of(container).privileged == Some(true);
    let names_user = pod.spec.run_as_of(container).user.is_some();
    let annotation = pod.annotations.get(PROFILE_ANNOTATION);
    let asked = annotation.and_then(|word| Profile::named(word));
    match (asked, privileged) {
        (Some(profile), true) if profile != Profile::Trusted => Err(format!(
            "privileged: true and {PROFILE_ANNOTATION}: {} contradict: remove one",
            profile.word()
        )),
        (_, true) => Ok(Profile::Trusted),
        (Some(profile), false) => Ok(profile),
        (None, false) if names_user => Ok(settings.profile.min(Profile::Default)),
        (None, false) => Ok(settings.profile),
    }
}

/// `runAsNonRoot`, in the kubelet's words.
fn non_root(pod: &Pod, container: &Container, said: &Security, who: Who) -> Result<(), String> {
    let about = format!("(pod: \"{}\", container: {})", pod.key, container.name);
    match (said.non_root, who) {
        (Some(true), Who::User(0)) => Err(format!(
            "container's runAsUser breaks non-root policy {about}"
        )),
        (Some(true), Who::Root) => Err(format!(
            "container has runAsNonRoot and image will run as root {about}: name a user, or the profile strict"
        )),
        _ => Ok(()),
    }
}

/// What cannot be had in the strict profile.
fn contradictions(said: &Security, profile: Profile) -> Result<(), String> {
    let field = match profile {
        Profile::Strict if said.escalation == Some(true) => "allowPrivilegeEscalation: true",
        Profile::Strict if said.seccomp == Some(Seccomp::Unconfined) => {
            "seccompProfile type Unconfined"
        }
        _ => return Ok(()),
    };
    Err(format!(
        "{field} cannot be had in the profile strict: remove it, name a user with runAsUser, or annotate the pod with \
         {PROFILE_ANNOTATION}: default"
    ))
}

fn calls(said: &Security, confinement: &Confinement, settings: &Settings) -> Result<Calls, String> {
    let path = match &said.seccomp {
        None if confinement.profile == Profile::Trusted => return Ok(Calls::Any),
        Some(Seccomp::Unconfined) => return Ok(Calls::Any),
        None | Some(Seccomp::RuntimeDefault) => return Ok(Calls::Usual),
        Some(Seccomp::Localhost(path)) => path,
    };
    let Some(text) = settings.seccomp.get(path) else {
        return Err(format!(
            "seccompProfile: there is no /etc/vks/seccomp/{path}: add it, and run systemctl reload vks"
        ));
    };
    let keys = seccomp::keys(text, confinement)
        .map_err(|why| format!("seccompProfile: /etc/vks/seccomp/{path}: {why}"))?;
    Ok(Calls::Profile(keys))
}

/// The labels of the host's security module, which must be there.
fn labels(
    said: &Security,
    settings: &Settings,
) -> Result<(Option<String>, Option<String>), String> {
    let app_armor = match &said.app_armor {
        Some(AppArmor::Localhost(name)) => Some(name.clone()),
        Some(AppArmor::Unconfined) if settings.app_armor => Some("unconfined".to_owned()),
        Some(AppArmor::Unconfined) | None => None,
    };
    if app_armor.is_some() && !settings.app_armor {
        return Err(
            "appArmorProfile: AppArmor is not enabled on this host: enable it, or remove the field"
                .to_owned(),
        );
    }
    let se_linux = said.se_linux.as_ref().map(|options| options.context());
    if se_linux.is_some() && !settings.se_linux {
        return Err(
            "seLinuxOptions: SELinux is not enabled on this host: enable it, or remove the field"
                .to_owned(),
        );
    }
    Ok((app_armor, se_linux))
}
