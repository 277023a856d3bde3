//! How a container ends, and what runs around its start and its end.

use super::Room;
use crate::model::pod::{Container, ContainerRole};
use crate::model::priority::{LONGEST_WAIT, PRIORITY_KEY};
use crate::model::process::StopSignal;
use crate::unit::UnitFile;
use crate::unit::identity::SECTION;
use std::time::Duration;

/// Between SIGTERM and SIGKILL a container has at least this long (kubelet: minimumGracePeriodInSeconds).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);
/// What systemd grants `ExecStop=` beyond the grace period: the hook keeps the budget itself, this only bounds a hook that hangs.
const HOOK_SLACK: Duration = Duration::from_secs(10);

impl Room<'_> {
    /// At shutdown, the containers of a pod that matters more end after those of pods that matter less. Such an order cannot
    /// be one of units: it would hold for their start too, and a pod that does not get up would hold up all others.
    fn waits(&self, spec: &Container) -> bool {
        // The wait ends the container itself, and can send named signals only.
        let named = !spec.stop_signal.is_some_and(StopSignal::is_real_time);
        self.priority > 0 && named
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
        if self.waits(spec) {
            last.extend(["--unit", "%n"]);
        }
        last.extend(pre_stop.as_deref());
        if pre_stop.is_some() || self.waits(spec) {
            push("ExecStop", &last);
        }
        push("ExecStopPost", &["record", "%n"]);
    }

    /// How it ends: SIGTERM to the main process, SIGKILL to all of them when the grace period is over.
    pub(super) fn end(&self, file: &mut UnitFile, spec: &Container) {
        let grace = self.pod.spec.termination_grace.max(MINIMUM_GRACE);
        let stop = match (spec.pre_stop.is_some(), self.waits(spec)) {
            (_, true) => grace + HOOK_SLACK + LONGEST_WAIT,
            (true, false) => grace + HOOK_SLACK,
            (false, false) => grace,
        };
        if self.waits(spec) {
            file.push(SECTION, PRIORITY_KEY, self.priority.to_string());
        }
        file.push("Service", "KillMode", "mixed");
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
