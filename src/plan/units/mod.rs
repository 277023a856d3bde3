//! A pod as the unit files it becomes.
//!
//! [`render`] is the whole mapping from a pod to systemd, and pure: same pod, same objects, same settings, same text.
//! One file here for each kind of unit: [`pod`] (target and slice), [`sandbox`], [`container`], [`mounts`] (what
//! containers see of volumes, and mount units), [`helpers`] (probes and deadline). What several need: [`names`], [`devices`],
//! [`version`].

mod container;
mod devices;
mod ending;
mod file_keys;
mod helpers;
mod image;
mod loader;
mod mounts;
mod names;
mod package;
mod pod;
mod restart;
mod rooted;
mod sandbox;
mod security;
mod version;
mod with_root;

use super::env::{self, Context};
use super::images;
use super::network;
use super::priority;
use super::volumes::{self, Places};
use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::identity::{Identity, UnitRole};
use crate::model::image::resolved::Resolved;
use crate::model::name::{ContainerName, PodUid, UnitName};
use crate::model::network::attach::Attachment;
use crate::model::payload::Payload;
use crate::model::pod::{Container, ContainerRole, Pod};
use crate::model::sandbox::PodNames;
use crate::model::status::Blocked;
use crate::unit::names::PodUnits;
use crate::unit::{UnitFile, digest, hex, identity};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Everything a pod becomes on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The identity its units carry.
    pub uid: PodUid,
    /// Its addresses, one for each family; none on the host's network.
    pub addresses: Vec<IpAddr>,
    /// The unit files.
    pub units: BTreeMap<UnitName, WantedUnit>,
    /// What its directory holds.
    pub payloads: Vec<Payload>,
    /// Why some containers cannot be started. They have no unit here, nor have those that come after a blocked init
    /// container or sidecar.
    pub blocked: Vec<Blocked>,
    /// The units that are missing here for that: what runs of them goes on.
    pub left_out: BTreeMap<ContainerName, UnitName>,
}

/// A unit file that ought to be.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedUnit {
    /// What it is for.
    pub role: UnitRole,
    /// Changes when what runs must be started anew.
    pub spec_hash: Box<str>,
    /// The file.
    pub file: UnitFile,
}

/// What all the renderers of a pod's units share.
struct Room<'a> {
    pod: &'a Pod,
    uid: &'a PodUid,
    settings: &'a Settings,
    names: PodUnits<'a>,
    containers: BTreeMap<ContainerName, UnitName>,
    /// The pod has a sandbox unit.
    sandboxed: bool,
    places: Places,
    /// Networks beside the pod's own, or instead of it.
    attachments: Vec<Attachment>,
    addresses: &'a [IpAddr],
    /// What the pod is called and does not share.
    pod_names: PodNames,
    /// Whose the units are.
    writer: Writer,
    /// Its priority.
    priority: i32,
    /// What its containers run from.
    images: BTreeMap<ContainerName, Result<Resolved, Blocked>>,
}

/// Renders a pod, or says why nothing of it can be started: a volume whose object is missing. A config map, secret or
/// key that only a container needs, or a value that cannot be given to a process safely, holds up that container alone.
///
/// Addresses are those that the pod would get if it were alone: for what is only shown.
pub fn render(
    pod: &Pod,
    uid: &PodUid,
    desired: &Desired,
    settings: &Settings,
) -> Result<Rendered, Blocked> {
    let addresses = network::addresses::choose(pod, &[], Default::default(), &settings.network)?;
    render_at(pod, uid, &addresses, desired, settings)
}

/// Renders a pod with these addresses; none for one on the host's network.
pub fn render_at(
    pod: &Pod,
    uid: &PodUid,
    addresses: &[IpAddr],
    desired: &Desired,
    settings: &Settings,
) -> Result<Rendered, Blocked> {
    render_for(Writer::Vks, pod, uid, addresses, desired, settings)
}

/// Renders a pod whose units are part of the host's configuration.
pub fn render_given(
    pod: &Pod,
    uid: &PodUid,
    addresses: &[IpAddr],
    desired: &Desired,
    settings: &Settings,
) -> Result<Rendered, Blocked> {
    render_for(
        Writer::Configuration,
        pod,
        uid,
        addresses,
        desired,
        settings,
    )
}

/// Who writes, starts and stops the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Vks,
    Configuration,
}

fn render_for(
    writer: Writer,
    pod: &Pod,
    uid: &PodUid,
    addresses: &[IpAddr],
    desired: &Desired,
    settings: &Settings,
) -> Result<Rendered, Blocked> {
    let pod = &*network::in_mode(pod, settings.network.mode)?;
    let context = Context {
        pod,
        uid,
        desired,
        settings,
        addresses,
    };
    let (places, mut payloads) = volumes::of_pod(&context)?;
    let attachments = network::attach::attachments(pod, uid, desired, &settings.layout)?;
    payloads.extend(network::attach::keys(&attachments, pod, desired)?);
    let mut environments = BTreeMap::new();
    for (_, spec) in pod.spec.all_containers() {
        environments.insert(&spec.name, env::environment(&context, spec));
    }
    let mut room = Room::new((pod, uid), addresses, settings, places, attachments)?;
    room.writer = writer;
    room.priority = priority::of(pod, desired)?;
    room.images = room.resolved(desired);
    let mut rendered = room.empty();
    let mut held_up = false;
    for (role, spec) in pod.spec.all_containers() {
        let made = match environments.remove(&spec.name) {
            Some(Ok(env)) => room.container(role, spec, &env).map(|unit| (env, unit)),
            Some(Err(blocked)) => Err(blocked),
            None => continue,
        };
        match made {
            Ok((env, unit)) => {
                let env = room.env_of(spec, &env);
                payloads.extend(volumes::container_payloads(pod, spec, &env, settings));
                match unit {
                    Some((name, _)) if held_up => {
                        rendered.left_out.insert(spec.name.clone(), name);
                    }
                    unit => rendered.units.extend(unit),
                }
            }
            Err(blocked) => {
                held_up |= matches!(role, ContainerRole::Init | ContainerRole::Sidecar);
                rendered.blocked.push(blocked);
                let unit = room.containers.get_key_value(&spec.name);
                let unit = unit.map(|(name, unit)| (name.clone(), unit.clone()));
                rendered.left_out.extend(unit);
            }
        }
    }
    rendered.payloads = payloads;
    let target = room.target(&rendered.units);
    rendered.units.extend([target]);
    Ok(rendered)
}

impl<'a> Room<'a> {
    fn new(
        (pod, uid): (&'a Pod, &'a PodUid),
        addresses: &'a [IpAddr],
        settings: &'a Settings,
        places: Places,
        attachments: Vec<Attachment>,
    ) -> Result<Self, Blocked> {
        let names = PodUnits::new(&pod.key);
        let mut pod_names = names::of_pod(pod, addresses, settings)?;
        names::through_tunnel(&mut pod_names, &attachments, pod);
        let input = |(_, spec): (_, &Container)| spec.stdio.stdin;
        let sandboxed = !pod.spec.host_network
            || !pod.spec.volumes.is_empty()
            || !pod_names.is_default()
            || pod.spec.lasting_containers().any(input);
        Ok(Self {
            pod,
            uid,
            settings,
            containers: names.containers(&pod.spec),
            names,
            sandboxed,
            places,
            attachments,
            addresses,
            pod_names,
            writer: Writer::Vks,
            priority: 0,
            images: BTreeMap::new(),
        })
    }

    fn is_given(&self) -> bool {
        self.writer == Writer::Configuration
    }

    /// The variables as the unit and its files have them.
    fn env_of<'e>(&self, spec: &Container, env: &'e env::Environment) -> Cow<'e, env::Environment> {
        match self.base(spec) {
            Some(_) => Cow::Owned(rooted::in_unit(env)),
            None => Cow::Borrowed(env),
        }
    }

    /// What each container runs from.
    fn resolved(&self, desired: &Desired) -> BTreeMap<ContainerName, Result<Resolved, Blocked>> {
        let all = self.pod.spec.all_containers();
        all.map(|(_, spec)| {
            let image = images::of_container(self.pod, spec, desired, self.settings);
            (spec.name.clone(), image)
        })
        .collect()
    }

    /// The pod without its containers.
    fn empty(&self) -> Rendered {
        Rendered {
            uid: self.uid.clone(),
            addresses: self.addresses.to_vec(),
            units: self.pod_units(),
            payloads: Vec::new(),
            blocked: Vec::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// The units beside the containers, all but the target, which wants the others.
    fn pod_units(&self) -> BTreeMap<UnitName, WantedUnit> {
        let mut units = BTreeMap::new();
        units.extend(self.slice());
        units.extend(self.mount_units());
        units.extend(self.sandbox());
        units.extend(self.probes());
        units.extend(self.deadline());
        units
    }

    /// A file with header, description and `[Unit]` keys common to all units of the pod.
    fn file(&self, description: &str) -> UnitFile {
        let mut file = UnitFile {
            header: vec![
                "Made by vks; changes here are lost. To change this unit: systemctl edit"
                    .to_owned(),
            ],
            ..UnitFile::default()
        };
        let about = format!("{description} of pod {}", self.pod.key);
        file.push(
            "Unit",
            "Description",
            crate::unit::escape::specifiers(&about),
        );
        file.push("Unit", "Documentation", "man:vks-units(7)");
        let source = self.pod.source.0.to_string_lossy();
        if !source.chars().any(char::is_control) && !source.ends_with(['\\', ' ']) {
            file.push(
                "Unit",
                "SourcePath",
                crate::unit::escape::specifiers(&source),
            );
        }
        file.push("Unit", "CollectMode", "inactive-or-failed");
        file
    }

    /// Closes a file with its identity.
    fn finish(
        &self,
        name: UnitName,
        role: UnitRole,
        spec_hash: Box<str>,
        mut file: UnitFile,
    ) -> (UnitName, WantedUnit) {
        let manifest = (role == UnitRole::Pod).then(|| self.pod.manifest.clone());
        let id = Identity {
            pod: self.pod.key.clone(),
            uid: self.uid.clone(),
            role: role.clone(),
            source: self.pod.source.clone(),
            spec_hash: spec_hash.clone(),
            addresses: self.addresses.to_vec(),
            manifest,
        };
        identity::write(&mut file, &id);
        if self.is_given() {
            file.push(identity::SECTION, identity::GIVEN_KEY, "yes");
        }
        (
            name,
            WantedUnit {
                role,
                spec_hash,
                file,
            },
        )
    }

    /// A command line of vks itself, with full privileges and outside the container's file system
    /// (`+`, systemd.service(5)).
    fn own_command(&self, args: &[&str]) -> String {
        let argv = std::iter::once(self.settings.program.as_str()).chain(args.iter().copied());
        crate::unit::escape::command_line("+:", argv)
    }
}

/// Hash of what a unit runs: of the model, not of the text, so that a new vks that writes units
/// differently rewrites them without starting anything anew. Absent fields do not count, so that a
/// field that vks learns later changes nothing for pods that do not have it.
fn spec_hash(parts: &impl serde::Serialize) -> Box<str> {
    // Serialising plain data to JSON cannot fail: no maps with other keys than text, no custom errors.
    let json = serde_json::to_vec(parts).unwrap_or_default();
    hex(&digest(&json)[..8]).into()
}
