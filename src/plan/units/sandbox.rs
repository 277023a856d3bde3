//! The sandbox: what has to be there before any container starts, made by a unit so that it needs no agent.

use super::super::{network, volumes};
use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::naming::{Naming, Sharing};
use crate::model::network::attach::{Network, device_name};
use crate::model::pod::Container;
use crate::model::sandbox::{SETUP_KEY, Setup, Users};
use crate::model::wireguard::KeySource;
use crate::unit::UnitFile;
use crate::unit::escape::one_line;
use crate::unit::identity::SECTION;
use crate::unit::names::FILL;

/// The exit code of `vks sandbox up` for a pod that may run in one boot only and has run in another.
const REFUSED: &str = "77";

/// The restart back-off of everything in a pod: about doubling from 1 s to 300 s. `RestartMode=direct` keeps those who
/// wait for this unit waiting through a retry.
pub(super) fn back_off(file: &mut UnitFile) {
    file.push("Service", "RestartMode", "direct");
    file.push("Service", "RestartSec", "1s");
    file.push("Service", "RestartSteps", "8");
    file.push("Service", "RestartMaxDelaySec", "300s");
}

impl Room<'_> {
    /// What it sets up, but for names.
    fn setup(&self) -> Setup {
        let mut wiring = network::wiring(self.pod, self.addresses, &self.settings.network);
        if let Some(wiring) = &mut wiring {
            wiring.inner = network::attach::inner(&self.attachments);
        }
        let on_host = |spec: &Container| self.base(spec).is_none();
        let mut setup = volumes::setup(self.pod, &self.places, wiring, &on_host);
        setup.attachments.clone_from(&self.attachments);
        let keys = network::attach::key_volume(&self.attachments);
        setup.secrets.extend(keys);
        let own_users = self.pod.spec.sharing.own_users;
        setup.users = own_users.then(|| Users {
            nested: super::rooted::nests(self.pod, self.settings),
        });
        let inputs = self.pod.spec.lasting_containers().map(|(_, spec)| spec);
        let inputs = inputs.filter(|spec| spec.stdio.stdin);
        setup.inputs = inputs.map(|spec| spec.name.clone()).collect();
        setup
    }

    /// The sandbox unit, for pods that need one. Its namespace and mounts must land on the host, so it has none of
    /// the settings that would give it a mount namespace of its own.
    pub(super) fn sandbox(&self) -> Option<(UnitName, WantedUnit)> {
        if !self.sandboxed {
            return None;
        }
        let mut setup = self.setup();
        let wired = setup.wiring.is_some();
        // Names as the manifest has them: what the settings of the host make of them changes nothing that runs.
        let spec = &self.pod.spec;
        let hash = match (&spec.naming, &spec.sharing, spec.host_network) {
            (naming, sharing, true)
                if *naming == Naming::default() && *sharing == Sharing::default() =>
            {
                spec_hash(&setup)
            }
            (naming, sharing, _) => spec_hash(&(&setup, naming, sharing)),
        };
        self.set_up_names(&mut setup);
        let mut file = self.file("Sandbox");
        self.join_pod(&mut file);
        self.fill_first(&mut file);
        self.deadline_condition(&mut file);
        for mount in self.mount_unit_names() {
            file.push("Unit", "Wants", mount.as_str());
            file.push("Unit", "After", mount.as_str());
        }
        if wired || self.asks_own_server() {
            // Not Requires=: to set the host's part up anew is no reason to stop a pod.
            file.push("Unit", "Wants", network::HOST_UNIT.as_str());
            file.push("Unit", "After", network::HOST_UNIT.as_str());
            for socket in network::DNS_UNITS {
                file.push("Unit", "After", socket);
            }
        }
        self.tunnel_devices(&mut file);
        let program = &self.settings.program;
        let command = |verb| {
            crate::unit::escape::command_line(":", [program.as_str(), "sandbox", verb, "%n"])
                .replace("%%n", "%n")
        };
        file.push("Service", "Type", "oneshot");
        file.push("Service", "RemainAfterExit", "yes");
        file.push("Service", "Slice", self.names.slice().as_str());
        // A host path that is not there yet may come: it is tried again, and the containers wait.
        file.push("Unit", "StartLimitIntervalSec", "0");
        file.push("Service", "Restart", "on-failure");
        file.push("Service", "RestartPreventExitStatus", REFUSED);
        back_off(&mut file);
        file.push("Service", "SyslogIdentifier", "vks");
        file.push("Service", "ExecStart", command("up"));
        if wired || self.files().next().is_some() {
            file.push("Service", "ExecReload", command("mend"));
        }
        file.push("Service", "ExecStopPost", command("down"));
        // Not an empty value (`""`): systemd would take that for a reset.
        let json = serde_json::to_string(&setup).unwrap_or_default();
        file.push(SECTION, SETUP_KEY, one_line(&json));
        Some(self.finish(self.names.sandbox(), UnitRole::Sandbox, hash, file))
    }

    /// A tunnel's device is a unit of its own where the kernel has no WireGuard; it starts before the sandbox, which
    /// moves the interface into the pod.
    fn tunnel_devices(&self, file: &mut UnitFile) {
        for attachment in &self.attachments {
            if let Network::Wireguard(tunnel) = &attachment.network {
                let device = device_name(&attachment.of);
                let unit = format!("vks-wireguard-device@{device}.service");
                file.push("Unit", "Wants", unit.as_str());
                file.push("Unit", "After", unit.as_str());
                let named = |source: &&KeySource| matches!(source, KeySource::Credential(_));
                if tunnel.sources().any(|source| named(&source)) {
                    file.push("Service", "ImportCredential", "vks.*");
                }
            }
        }
    }

    /// What every service of the pod has: it stops with the target and, when there is one, with the sandbox.
    pub(super) fn join_pod(&self, file: &mut UnitFile) {
        file.push("Unit", "PartOf", self.names.target().as_str());
    }

    /// The agent comes later than a given pod: somebody has to fill the pod's directory before.
    pub(super) fn fill_first(&self, file: &mut UnitFile) {
        if self.is_given() {
            file.push("Unit", "Wants", FILL);
            file.push("Unit", "After", FILL);
        }
    }

    /// Bound to the sandbox: it starts after it, ends with it and never runs without it.
    pub(super) fn bind_to_sandbox(&self, file: &mut UnitFile) {
        if self.sandboxed {
            file.push("Unit", "BindsTo", self.names.sandbox().as_str());
            file.push("Unit", "After", self.names.sandbox().as_str());
        }
    }

    /// A pod whose active deadline has passed does not start again, also not at boot.
    pub(super) fn deadline_condition(&self, file: &mut UnitFile) {
        if self.pod.spec.active_deadline.is_some() {
            let mark = self.settings.layout.deadline_exceeded(self.uid);
            file.push(
                "Unit",
                "ConditionPathExists",
                format!("!{}", mark.display()),
            );
        }
    }

    /// The pod's own network namespace, if it has one.
    pub(super) fn join_network(&self, file: &mut UnitFile) {
        if !self.pod.spec.host_network {
            let path = self.settings.layout.network_namespace(self.uid);
            file.push(
                "Service",
                "NetworkNamespacePath",
                path.display().to_string(),
            );
        }
    }
}
