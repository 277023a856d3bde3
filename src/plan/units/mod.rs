//! A pod as the unit files it becomes.
//!
//! [`render`] is the whole mapping from a pod to systemd, and pure: same pod, same objects, same settings, same text.
//! One file here for each kind of unit: [`pod`] (target and slice), [`sandbox`], [`container`], [`mounts`] (what
//! containers see of volumes, and mount units), [`helpers`] (probes and deadline).

mod container;
mod helpers;
mod mounts;
mod pod;
mod sandbox;

use super::env::{self, Context, Environment};
use super::volumes::{self, Places};
use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::{ContainerName, PodUid, UnitName};
use crate::model::payload::Payload;
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use crate::unit::names::PodUnits;
use crate::unit::{UnitFile, digest, hex, identity};
use std::collections::BTreeMap;

/// Everything a pod becomes on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The identity its units carry.
    pub uid: PodUid,
    /// The unit files.
    pub units: BTreeMap<UnitName, WantedUnit>,
    /// What its directory holds.
    pub payloads: Vec<Payload>,
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
}

/// Renders a pod, or says why it cannot be started: a config map, secret or key that is missing, or a
/// value that cannot be given to a process safely.
pub fn render(
    pod: &Pod,
    uid: &PodUid,
    desired: &Desired,
    settings: &Settings,
) -> Result<Rendered, Blocked> {
    let context = Context {
        pod,
        uid,
        desired,
        settings,
    };
    let places = volumes::places(&context)?;
    let mut payloads = volumes::payloads(&context, &places)?;
    let mut environments = BTreeMap::new();
    for (_, spec) in pod.spec.all_containers() {
        let env = env::environment(&context, spec)?;
        payloads.extend(volumes::container_payloads(pod, spec, &env));
        environments.insert(spec.name.clone(), env);
    }
    let names = PodUnits::new(&pod.key);
    let containers = names.containers(&pod.spec);
    let sandboxed = !pod.spec.host_network || !pod.spec.volumes.is_empty();
    let room = Room {
        pod,
        uid,
        settings,
        names,
        containers,
        sandboxed,
        places,
    };
    let units = room.units(&environments)?;
    Ok(Rendered {
        uid: uid.clone(),
        units,
        payloads,
    })
}

impl Room<'_> {
    fn units(
        &self,
        environments: &BTreeMap<ContainerName, Environment>,
    ) -> Result<BTreeMap<UnitName, WantedUnit>, Blocked> {
        let mut units = BTreeMap::new();
        units.extend(self.slice());
        units.extend(self.mount_units());
        units.extend(self.sandbox());
        units.extend(self.probes());
        units.extend(self.deadline());
        let none = Environment::new();
        for (role, spec) in self.pod.spec.all_containers() {
            let env = environments.get(&spec.name).unwrap_or(&none);
            units.extend(self.container(role, spec, env)?);
        }
        // Last: it wants all the others.
        let target = self.target(&units);
        units.extend([target]);
        Ok(units)
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
            manifest,
        };
        identity::write(&mut file, &id);
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
