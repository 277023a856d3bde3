//! `vks render --given`: the units of pods that are to be part of a host's configuration, rendered where that is built.
//!
//! A pod can be given when nothing of its units is for the host alone to know, and nothing that they need comes from the
//! agent. Both are tried rather than reasoned about: what the pod becomes on two hosts that have nothing in common, and
//! without any secret, has to be the same.

use super::super::context::Context;
use super::super::error::CliError;
use crate::config::detect::Facts;
use crate::config::{Settings, file};
use crate::host::files::Dir;
use crate::model::desired::Desired;
use crate::model::identity::UnitRole;
use crate::model::name::{PodKey, UnitName};
use crate::model::pod::{Pod, SourcePath};
use crate::plan::given;
use crate::plan::network::addresses::{Others, Promised, choose};
use crate::plan::units::{Rendered, render_given};
use crate::unit::names::{DECLARED, FILL, PodUnits};
use crate::unit::{UnitFile, digest, hex};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest file of options.
const LIMIT: u64 = 16 << 20;
/// The drop-in with what the configuration says of a pod's services.
const DROP_IN: &str = "50-configuration.conf";

/// What the configuration says beside manifests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    /// The major version of the host's systemd.
    systemd: u32,
    /// Where manifests are on the host.
    manifests: PathBuf,
    /// Pods for which there is more to say, by `<namespace>/<name>`.
    #[serde(default)]
    pods: BTreeMap<String, PodOptions>,
}

/// What a configuration says of a pod that is a unit of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PodOptions {
    /// It starts at boot and with a switch.
    auto_start: bool,
    /// A switch starts anew what of it has changed.
    restart_if_changed: bool,
    /// Lines for `[Service]` of its containers.
    service_config: BTreeMap<String, Vec<String>>,
}

impl Default for PodOptions {
    fn default() -> Self {
        Self {
            auto_start: true,
            restart_if_changed: true,
            service_config: BTreeMap::new(),
        }
    }
}

/// Writes the units of all pods that can be given to a directory. Of the others it says why not; whether one of them had
/// to be.
///
/// # Errors
/// When the options cannot be understood or a file cannot be written.
pub fn write(
    options: &Path,
    output: &Path,
    mut desired: Desired,
    context: &Context,
) -> Result<bool, CliError> {
    let options = read(options)?;
    for pod in desired.pods.values_mut() {
        if let Some(name) = pod.source.0.file_name() {
            pod.source = SourcePath(options.manifests.join(name));
        }
    }
    let mut hosts = Hosts::new(context, desired, &options)?;
    let mut written = Written {
        dir: Dir::create(output).map_err(CliError::File)?,
        declared: declared(),
        all: Vec::new(),
    };
    let mut wrong = false;
    let keys: Vec<PodKey> = hosts.desired.pods.keys().cloned().collect();
    for key in &keys {
        let said = options.pods.get(&key.to_string());
        match hosts.render(key) {
            Ok(rendered) => written.pod(key, &rendered, said.unwrap_or(&PodOptions::default()))?,
            Err(why) if said.is_some() => {
                wrong = true;
                context.tell(format_args!(
                    "error: pod {key}: its units cannot be part of the configuration, which its autoStart, \
                     restartIfChanged and serviceConfig need: {why}"
                ));
            }
            Err(why) => context.tell(format_args!("pod {key}: the agent writes its units: {why}")),
        }
    }
    written.close()?;
    Ok(wrong)
}

/// The directory as it is being filled.
struct Written {
    dir: Dir,
    /// The target that wants the pods.
    declared: UnitFile,
    /// All that the pods' directories follow from.
    all: Vec<u8>,
}

impl Written {
    fn pod(
        &mut self,
        key: &PodKey,
        rendered: &Rendered,
        said: &PodOptions,
    ) -> Result<(), CliError> {
        for (name, unit) in &rendered.units {
            let text = unit.file.to_string();
            put(&self.dir, name.as_str(), &text)?;
            self.all.extend_from_slice(text.as_bytes());
            if let Some(more) = drop_in(name, &unit.role, said) {
                self.put_drop_in(name.as_str(), &more)?;
            }
        }
        let payloads = rendered.payloads.iter();
        self.all.extend(payloads.flat_map(|p| p.content.digest()));
        if said.auto_start {
            let target = PodUnits::new(key).target();
            self.declared.push("Unit", "Wants", target.as_str());
        }
        Ok(())
    }

    /// Another text of the unit that fills is what makes a switch run it again.
    fn close(&self) -> Result<(), CliError> {
        put(&self.dir, DECLARED, &self.declared.to_string())?;
        let mut trigger = UnitFile::default();
        trigger.push("Unit", "X-Restart-Triggers", hex(&digest(&self.all)));
        self.put_drop_in(FILL, &trigger.to_string())
    }

    fn put_drop_in(&self, unit: &str, text: &str) -> Result<(), CliError> {
        let drop_ins = self.dir.create_sub(&format!("{unit}.d"), 0o755);
        put(&drop_ins.map_err(CliError::File)?, DROP_IN, text)
    }
}

fn read(path: &Path) -> Result<Options, CliError> {
    let wrong = |message: String| CliError::Usage(format!("{}: {message}", path.display()));
    let bytes = file::read(path, LIMIT).map_err(|error| wrong(crate::chain::line(&error)))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

fn put(dir: &Dir, name: &str, text: &str) -> Result<(), CliError> {
    dir.write(name, text.as_bytes(), 0o644)
        .map_err(CliError::File)
}

/// The target that wants them. Like that of all pods it waits for none.
fn declared() -> UnitFile {
    let mut file = UnitFile::default();
    for (key, value) in [
        ("Description", "Pods of the host's configuration"),
        ("Documentation", "man:vks-units(7)"),
        ("DefaultDependencies", "no"),
        ("Conflicts", "shutdown.target"),
        ("Before", "shutdown.target"),
    ] {
        file.push("Unit", key, value);
    }
    file
}

fn drop_in(name: &UnitName, role: &UnitRole, said: &PodOptions) -> Option<String> {
    let mut file = UnitFile::default();
    if !said.restart_if_changed && name.as_str().ends_with(".service") {
        file.push("Service", "X-RestartIfChanged", "false");
    }
    if matches!(role, UnitRole::Container { .. }) {
        for (key, values) in &said.service_config {
            for value in values {
                file.push("Service", key, value.as_str());
            }
        }
    }
    (!file.sections.is_empty()).then(|| file.to_string())
}

/// Two hosts that have nothing in common but the settings.
struct Hosts {
    settings: [Settings; 2],
    promised: [Promised; 2],
    desired: Desired,
    without_secrets: Desired,
}

impl Hosts {
    fn new(context: &Context, desired: Desired, options: &Options) -> Result<Self, CliError> {
        let [one, other] = Facts::of_two_hosts();
        let load = |facts| -> Result<Settings, CliError> {
            Ok(Settings {
                systemd: options.systemd,
                ..Settings::load_as(&context.root, Some(&facts))?
            })
        };
        let mut without_secrets = desired.clone();
        without_secrets.secrets.clear();
        Ok(Self {
            settings: [load(one)?, load(other)?],
            promised: Default::default(),
            desired,
            without_secrets,
        })
    }

    /// What a pod becomes everywhere, or why that is not the same.
    fn render(&mut self, key: &PodKey) -> Result<Rendered, String> {
        let Some(pod) = self.desired.pods.get(key) else {
            return Err("it is not there".to_owned());
        };
        if !pod.spec.ephemeral_containers.is_empty() {
            return Err("it has ephemeral containers".to_owned());
        }
        let one = self.on(0, pod, &self.without_secrets)?;
        let other = self.on(1, pod, &self.without_secrets)?;
        if one.units != other.units {
            return Err(
                "they are not the same on every host: set settings.node.name and .ip for pods that ask for them, and \
                 settings.network.ipv4, .ipv6 and .families for pods with addresses of their own"
                    .to_owned(),
            );
        }
        let full = self.on(0, pod, &self.desired)?;
        if full.units != one.units || full.payloads != one.payloads {
            return Err("it uses secrets, which the agent is given when it starts".to_owned());
        }
        for promised in &mut self.promised {
            promised.insert(key.clone(), one.addresses.clone());
        }
        Ok(one)
    }

    fn on(&self, host: usize, pod: &Pod, desired: &Desired) -> Result<Rendered, String> {
        let (Some(settings), Some(promised)) = (self.settings.get(host), self.promised.get(host))
        else {
            return Err("there is no such host".to_owned());
        };
        let others = Others {
            observed: None,
            promised: Some(promised),
        };
        let why = |blocked: crate::model::status::Blocked| blocked.message;
        let addresses = choose(pod, &[], others, &settings.network).map_err(why)?;
        let uid = given::uid(&pod.key);
        let mut rendered = render_given(pod, &uid, &addresses, desired, settings).map_err(why)?;
        match rendered.blocked.pop() {
            Some(blocked) => Err(blocked.message),
            None => Ok(rendered),
        }
    }
}
