//! How a container ends, and what runs around its start and its end.

use super::Room;
use crate::model::pod::{Container, ContainerRole};
use crate::model::priority::{LONGEST_WAIT, PRIORITY_KEY};
use crate::unit::UnitFile;
use crate::unit::identity::SECTION;
use std::time::Duration;

/// Between SIGTERM and SIGKILL a container has at least this long (kubelet: minimumGracePeriodInSeconds).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);
/// What systemd grants `ExecStop=` beyond the grace period: the hook keeps the budget itself, this only bounds a hook that hangs.
const HOOK_SLACK: Duration = Duration::from_secs(10);

impl Room<'_> {
    /// Whether it is process 1 of a pid namespace of its own (`PrivatePIDs=`).
    fn has_own_pids(&self, spec: &Container) -> bool {
        match self.pod.spec.sharing.host_pid {
            Some(host) => !host,
            None => self.base(spec).is_some(),
        }
    }

    /// Whether `ExecStop=` ends it: a hook, a wait for others, or its own pid namespace asks for that.
    ///
    /// systemd 257 starts such a process by a helper that goes at once. When it looks before the helper has gone, it takes
    /// the process for nobody's child, and does not wait for it between `KillSignal=` and SIGKILL; in half of all stops
    /// nothing would be left of the grace period. It does wait for a command that it runs, so one of ours waits.
    fn ends_by_command(&self, role: ContainerRole, spec: &Container) -> bool {
        let alone = self.has_own_pids(spec) && role != ContainerRole::Init;
        spec.pre_stop.is_some() || self.waits() || alone
    }

    /// At shutdown, the containers of a pod that matters more end after those of pods that matter less. Such an order cannot
    /// be one of units: it would hold for their start too, and a pod that does not get up would hold up all others.
    fn waits(&self) -> bool {
        self.priority > 0
    }

    /// Hooks, the startup probe, and the record of each run.
    pub(super) fn hooks(&self, file: &mut UnitFile, role: ContainerRole, spec: &Container) {
        let json = |value: &dyn erased::Json| value.json();
        let mut push = |key: &str, args: &[&str]| {
            let line = self.own_command(args).replace("%%n", "%n");
            file.push("Service", key, line);
        };
        if role == ContainerRole::Ephemeral {
            push("ExecCondition", &["begin", "%n"]);
        }
        let grace = self.pod.spec.termination_grace.as_secs().to_string();
        let pre_stop = spec.pre_stop.as_ref().map(|hook| json(hook));
        // Both end the container themselves when they fail: with its hook, and in the time that is its due.
        let signal = spec.stop_signal.map(|signal| signal.to_string());
        let mut stop = vec!["--grace", grace.as_str()];
        stop.extend(signal.iter().flat_map(|signal| ["--signal", signal]));
        let mut end = stop.clone();
        if let Some(hook) = &pre_stop {
            end.extend(["--pre-stop", hook]);
        }
        if let Some(hook) = &spec.post_start {
            let hook = json(hook);
            push(
                "ExecStartPost",
                &[&["hook", "post-start"], &end[..], &[&hook]].concat(),
            );
        }
        if let Some(probe) = &spec.probes.startup {
            let (name, probe) = (spec.name.as_str(), json(probe));
            let who = ["probe", "startup", "--container", name];
            push("ExecStartPost", &[&who, &end[..], &[&probe]].concat());
        }
        if role == ContainerRole::Init {
            push("ExecStartPost", &["record", "%n", "--exited-ok"]);
        }
        let mut last = vec!["hook", "pre-stop"];
        last.extend(&stop);
        if self.waits() {
            last.extend(["--unit", "%n"]);
        }
        last.extend(pre_stop.as_deref());
        if self.ends_by_command(role, spec) {
            push("ExecStop", &last);
        }
        push("ExecStopPost", &["record", "%n"]);
    }

    /// How it ends: SIGTERM to the main process, SIGKILL to all of them when the grace period is over.
    pub(super) fn end(&self, file: &mut UnitFile, role: ContainerRole, spec: &Container) {
        let grace = self.pod.spec.termination_grace.max(MINIMUM_GRACE);
        let stop = match (self.ends_by_command(role, spec), self.waits()) {
            (_, true) => grace + HOOK_SLACK + LONGEST_WAIT,
            (true, false) => grace + HOOK_SLACK,
            (false, false) => grace,
        };
        if self.waits() {
            file.push(SECTION, PRIORITY_KEY, self.priority.to_string());
        }
        // systemd runs no `ExecStop=` of an init container that has not come to its end. It waits for all whom it sends a
        // signal by their control group, even for one that it takes for nobody's child.
        let all = role == ContainerRole::Init && self.has_own_pids(spec);
        let whom = if all { "control-group" } else { "mixed" };
        file.push("Service", "KillMode", whom);
        if let Some(signal) = spec.stop_signal {
            file.push("Service", "KillSignal", signal.to_string());
        }
        file.push("Service", "OOMPolicy", "kill");
        file.push("Service", "TimeoutStartSec", "infinity");
        file.push("Service", "TimeoutStopSec", format!("{}s", stop.as_secs()));
    }
}

/// Hooks and probes as JSON, for command lines.
mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            // Plain data: cannot fail.
            serde_json::to_string(self).unwrap_or_default()
        }
    }
}
