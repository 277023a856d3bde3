//! The units beside the containers: the prober, and the active deadline.

use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::prober::{Config, PROBES_KEY, Probed};
use crate::unit::escape::{command_line, one_line};
use crate::unit::identity::SECTION;

/// The key of `[X-kubernetes]` that names the units the deadline stops.
const UNITS_KEY: &str = "Units";
/// The key with the deadline, in seconds since the first start.
const DEADLINE_KEY: &str = "Deadline";

impl Room<'_> {
    fn unit_command(&self, verb: &str) -> String {
        command_line(":", [self.settings.program.as_str(), verb, "%n"]).replace("%%n", "%n")
    }

    /// The prober, when a container has a liveness or readiness probe. It is no part of what runs: when it
    /// is changed or dies, only it starts anew.
    pub(super) fn probes(&self) -> Option<(UnitName, WantedUnit)> {
        let spec = &self.pod.spec;
        let probed = |(role, c): (_, &crate::model::pod::Container)| {
            let wanted = c.probes.liveness.is_some() || c.probes.readiness.is_some();
            let unit = self.containers.get(&c.name)?;
            wanted.then(|| Probed {
                name: c.name.clone(),
                unit: unit.clone(),
                liveness: c.probes.liveness.clone(),
                readiness: c.probes.readiness.clone(),
                pre_stop: c.pre_stop.clone(),
                stop_signal: c.stop_signal.unwrap_or_default(),
                grace: spec.termination_grace,
                restart: spec.restart_policy_of(role, c),
            })
        };
        let config = Config {
            containers: spec.all_containers().filter_map(probed).collect(),
        };
        if config.containers.is_empty() {
            return None;
        }
        let hash = spec_hash(&config);
        let mut file = self.file("Probes");
        self.join_pod(&mut file);
        self.bind_to_sandbox(&mut file);
        self.deadline_condition(&mut file);
        file.push("Unit", "StartLimitIntervalSec", "0");
        file.push("Service", "Type", "notify");
        file.push("Service", "Slice", self.names.slice().as_str());
        file.push("Service", "ExecStart", self.unit_command("prober"));
        file.push("Service", "Restart", "always");
        file.push("Service", "RestartSec", "1s");
        file.push("Service", "RestartMode", "direct");
        file.push("Service", "SyslogIdentifier", "vks");
        self.join_network(&mut file);
        let json = serde_json::to_string(&config).unwrap_or_default();
        file.push(SECTION, PROBES_KEY, one_line(&json));
        Some(self.finish(self.names.probes(), UnitRole::Probes, hash, file))
    }

    /// A service that ends the pod when its time is over, and a timer that starts it: with the pod, so that it finds out
    /// how much time is left of that since the first start; when the clock was set or the host has slept; and when the
    /// time is over for a pod that was started once.
    pub(super) fn deadline(&self) -> Vec<(UnitName, WantedUnit)> {
        let Some(deadline) = self.pod.spec.active_deadline else {
            return Vec::new();
        };
        let hash = spec_hash(&deadline);
        let mut timer = self.file("Active deadline");
        self.join_pod(&mut timer);
        self.deadline_condition(&mut timer);
        timer.push("Timer", "OnActiveSec", "0");
        timer.push("Timer", "OnActiveSec", format!("{}s", deadline.as_secs()));
        timer.push("Timer", "OnClockChange", "yes");
        timer.push("Timer", "AccuracySec", "100ms");
        let mut service = self.file("End at the active deadline");
        self.join_pod(&mut service);
        self.deadline_condition(&mut service);
        service.push("Service", "Type", "exec");
        service.push("Service", "Slice", self.names.slice().as_str());
        service.push("Service", "ExecStart", self.unit_command("deadline"));
        service.push("Service", "SyslogIdentifier", "vks");
        let units: Vec<&str> = self.containers.values().map(UnitName::as_str).collect();
        service.push(SECTION, DEADLINE_KEY, deadline.as_secs().to_string());
        service.push(SECTION, UNITS_KEY, one_line(&units.join(" ")));
        vec![
            self.finish(
                self.names.deadline_timer(),
                UnitRole::Deadline,
                hash.clone(),
                timer,
            ),
            self.finish(self.names.deadline(), UnitRole::Deadline, hash, service),
        ]
    }
}
