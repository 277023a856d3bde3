//! When the service of a container starts again: policy, rules and back-off.

use super::{Room, sandbox};
use crate::model::name::UnitName;
use crate::model::pod::{Container, ContainerRole, RestartPolicy};
use crate::model::restart::{RestartAction, Restarts};
use crate::unit::UnitFile;
use crate::unit::escape::one_line;
use crate::unit::identity::SECTION;

/// Signals by number from 1, by the names systemd takes (signal(7); x86, ARM and RISC-V have the same ones).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Room<'_> {
    /// What decides whether a container starts again.
    pub(super) fn restarts_of(&self, role: ContainerRole, spec: &Container) -> Restarts {
        Restarts {
            policy: self.pod.spec.restart_policy_of(role, spec),
            rules: spec.restart_rules.clone(),
        }
    }

    /// The restart policy, the rules and the back-off.
    pub(super) fn restarts(&self, file: &mut UnitFile, role: ContainerRole, restarts: &Restarts) {
        if role == ContainerRole::Init {
            // Done inits stay active: that is what the units after them require.
            file.push("Service", "RemainAfterExit", "yes");
        }
        let restart = match restarts.policy {
            RestartPolicy::Always => "always",
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::Never => "no",
        };
        file.push("Service", "Restart", restart);
        let mut forced = forced(restarts);
        if restarts.policy == RestartPolicy::OnFailure {
            // systemd counts these as clean ends, Kubernetes does not.
            let clean = ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"].map(str::to_owned);
            let new = |word: &String| !forced.contains(word);
            let clean: Vec<String> = clean.into_iter().filter(new).collect();
            forced.splice(0..0, clean);
        }
        if !forced.is_empty() {
            file.push("Service", "RestartForceExitStatus", forced.join(" "));
        }
        if restarts.policy != RestartPolicy::Never || !forced.is_empty() {
            sandbox::back_off(file);
        }
    }

    /// What `vks record` must know of the end of a run.
    pub(super) fn record_keys(
        &self,
        file: &mut UnitFile,
        role: ContainerRole,
        spec: &Container,
        restarts: &Restarts,
    ) {
        let policy = match restarts.policy {
            RestartPolicy::Always => "Always",
            RestartPolicy::OnFailure => "OnFailure",
            RestartPolicy::Never => "Never",
        };
        file.push(SECTION, "Policy", policy);
        if !restarts.rules.is_empty() {
            // Plain data: cannot fail.
            let json = serde_json::to_string(&restarts.rules).unwrap_or_default();
            file.push(SECTION, "Rules", one_line(&json));
        }
        let all = |action| restarts.rules.iter().any(|rule| rule.action == action);
        if all(RestartAction::RestartAllContainers) {
            let units = self.pod.spec.lasting_containers();
            let units =
                units.filter_map(|(_, other)| Some(self.containers.get(&other.name)?.as_str()));
            let units: Vec<&str> = units.collect();
            file.push(SECTION, "All", one_line(&units.join(" ")));
        }
        self.sidecar_keys(file, role);
        if spec.message_from_log {
            file.push(SECTION, "Message", "FallbackToLogsOnError");
        }
    }

    /// Of a main that may end for good beside sidecars: who else must have ended, and who ends then, the last one first.
    fn sidecar_keys(&self, file: &mut UnitFile, role: ContainerRole) {
        let pod = &self.pod.spec;
        let of = |wanted| {
            pod.all_containers()
                .filter(move |(role, _)| *role == wanted)
        };
        let mut mains = of(ContainerRole::Main);
        let ends =
            mains.all(|(role, main)| pod.restart_policy_of(role, main) != RestartPolicy::Always);
        let sidecars =
            of(ContainerRole::Sidecar).filter_map(|(_, other)| self.containers.get(&other.name));
        let mut sidecars: Vec<&str> = sidecars.map(UnitName::as_str).collect();
        if role != ContainerRole::Main || !ends || sidecars.is_empty() {
            return;
        }
        sidecars.reverse();
        let mains: Vec<&str> = of(ContainerRole::Main)
            .map(|(_, main)| main.name.as_str())
            .collect();
        file.push(SECTION, "Mains", one_line(&mains.join(" ")));
        file.push(SECTION, "Sidecars", one_line(&sidecars.join(" ")));
    }
}

/// Exit codes and signals after which systemd starts a service again against its policy. The ends after which all
/// containers start again are not among them: `vks record` sees to those.
fn forced(restarts: &Restarts) -> Vec<String> {
    if restarts.policy == RestartPolicy::Always {
        return Vec::new();
    }
    let restarts = |code: &u8| restarts.rule((*code).into()) == Some(RestartAction::Restart);
    let words = |code: u8| {
        let signal = code.checked_sub(128).and_then(signal);
        std::iter::once(code.to_string()).chain(signal)
    };
    (0..=u8::MAX).filter(restarts).flat_map(words).collect()
}

fn signal(number: u8) -> Option<String> {
    match number {
        0 | 65.. => None,
        1..=31 => Some(format!("SIG{}", SIGNALS[usize::from(number) - 1])),
        // The first two real-time signals are glibc's own.
        32 | 33 => None,
        34.. => Some(format!("SIGRTMIN+{}", number - 34)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::restart::RestartRule;

    #[test]
    fn rules_become_exit_codes_and_signals() {
        let rule = |action, not, codes: &[u8]| RestartRule {
            action,
            not,
            codes: codes.iter().copied().collect(),
        };
        let of = |policy, rules: Vec<RestartRule>| forced(&Restarts { policy, rules }).join(" ");
        let restart = rule(RestartAction::Restart, false, &[3, 137]);
        let all = rule(RestartAction::RestartAllContainers, false, &[3]);
        assert_eq!(
            of(RestartPolicy::Never, vec![restart.clone()]),
            "3 137 SIGKILL"
        );
        assert_eq!(of(RestartPolicy::Always, vec![restart.clone()]), "");
        assert_eq!(of(RestartPolicy::Never, vec![all, restart]), "137 SIGKILL");
        let others = of(
            RestartPolicy::Never,
            vec![rule(RestartAction::Restart, true, &[0, 143])],
        );
        assert!(others.starts_with("1 2 3 ") && others.ends_with(" 255"));
        assert!(!others.contains("SIGTERM") && others.contains("144 SIGSTKFLT"));
        assert!(others.contains("162 SIGRTMIN+0 163 SIGRTMIN+1"));
    }
}
