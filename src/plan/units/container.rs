//! The service that runs a container.

use super::super::env::{Environment, Origin, expand};
use super::super::security::Confinement;
use super::super::{resources, security};
use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::pod::{Container, ContainerRole, Resources, RestartPolicy};
use crate::model::priority::{LONGEST_WAIT, PRIORITY_KEY};
use crate::model::probe::Probes;
use crate::model::security::Profile;
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::{command_line, quoted, specifiers, word};
use crate::unit::identity::SECTION;
use std::time::Duration;

/// Between SIGTERM and SIGKILL a container has at least this long (kubelet: minimumGracePeriodInSeconds).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);
/// What systemd grants `ExecStop=` beyond the grace period: the hook keeps the budget itself, this only bounds a hook that hangs.
const HOOK_SLACK: Duration = Duration::from_secs(10);
/// `LogRateLimitBurst=` that is never reached: a limit of 0 means journald's default, not "none" (systemd issue 22034).
const LOG_BURST: &str = "100000000";

impl Room<'_> {
    /// The service of one container.
    pub(super) fn container(
        &self,
        role: ContainerRole,
        spec: &Container,
        env: &Environment,
    ) -> Result<Option<(UnitName, WantedUnit)>, Blocked> {
        let Some(name) = self.containers.get(&spec.name) else {
            return Ok(None);
        };
        let policy = self.pod.spec.restart_policy_of(role, spec);
        let mut file = self.file(&format!("Container {}", spec.name));
        self.order(&mut file, role, spec, policy);
        file.push(
            "Service",
            "Type",
            if role == ContainerRole::Init {
                "oneshot"
            } else {
                "exec"
            },
        );
        file.push("Service", "Slice", self.names.slice().as_str());
        let confinement = security::confine(self.pod, spec, self.settings)?;
        if role == ContainerRole::Ephemeral {
            file.push(
                "Service",
                "ExecCondition",
                self.own_command(&["begin", "%n"]).replace("%%n", "%n"),
            );
        }
        let mut before = self.launch(spec, &confinement);
        before.extend(self.identity_change(&confinement));
        file.push("Service", "ExecStart", exec_start(spec, env, before)?);
        self.hide_sub_paths(&mut file, spec);
        self.hooks(&mut file, role, spec);
        let restarts = self.restarts_of(role, spec);
        self.restarts(&mut file, role, &restarts);
        self.end(&mut file, spec);
        self.process(&mut file, spec, env);
        self.shut_in(&mut file, &confinement, spec, env);
        self.mounts(&mut file, spec, env)?;
        self.join_names(&mut file, spec, &confinement)?;
        self.devices(&mut file, spec);
        for (key, value) in resources::of_container(&self.pod.spec, role, spec, self.settings) {
            file.push("Service", key, value);
        }
        self.journal(&mut file, spec);
        self.record_keys(&mut file, role, spec, &restarts);
        let identity = UnitRole::Container {
            name: spec.name.clone(),
            role,
            image: spec.image.to_string().into(),
        };
        Ok(Some(self.finish(
            name.clone(),
            identity,
            self.container_hash(role, spec, policy, &confinement),
            file,
        )))
    }

    /// What of a container, when it changes, means that it must be started anew. Liveness and readiness are the
    /// prober's, and not part of it.
    fn container_hash(
        &self,
        role: ContainerRole,
        spec: &Container,
        policy: RestartPolicy,
        confinement: &Confinement,
    ) -> Box<str> {
        if role == ContainerRole::Ephemeral {
            // What else of the pod changes is no concern of a container that runs once.
            return spec_hash(spec);
        }
        let probes = Probes {
            startup: spec.probes.startup.clone(),
            ..Probes::default()
        };
        let alone = Container {
            probes,
            restart_policy: None,
            resources: restarting(spec),
            ..spec.clone()
        };
        let pod = &self.pod.spec;
        let volumes: Vec<_> = pod
            .volumes
            .iter()
            .filter(|volume| spec.mounts.iter().any(|mount| mount.volume == volume.name))
            .collect();
        let places = self.looked_up_places(spec);
        let around = (
            role,
            policy,
            pod.run_as_of(spec),
            pod.host_network,
            pod.termination_grace,
        );
        let silent = pod.security.is_silent() && spec.security.is_silent();
        let mut hash = match silent && confinement.profile == Profile::Trusted {
            true => spec_hash(&(alone, around, volumes)),
            false => spec_hash(&(alone, around, volumes, confinement)),
        };
        // What does not say anything new keeps its hash.
        if !places.is_empty() {
            hash = spec_hash(&(hash, places));
        }
        let devices = self.own_devices(spec);
        match devices.is_empty() {
            true => hash,
            false => spec_hash(&(hash, devices)),
        }
    }

    /// Order and conditions. An init container gates what follows it (`Requires=`: `After=` alone does not); what
    /// follows a sidecar waits for its start but does not fall with it. Stopping is the same order backwards,
    /// so that sidecars end after the mains, last one first.
    fn order(
        &self,
        file: &mut UnitFile,
        role: ContainerRole,
        spec: &Container,
        policy: RestartPolicy,
    ) {
        self.join_pod(file);
        self.bind_to_sandbox(file);
        // One that is put into a running pod waits for nobody: it may be there to see why an init container hangs.
        let alone = role == ContainerRole::Ephemeral;
        let before = self
            .pod
            .spec
            .all_containers()
            .take_while(|(earlier, other)| {
                !alone && other.name != spec.name && *earlier != ContainerRole::Main
            });
        for (earlier, other) in before {
            let Some(unit) = self.containers.get(&other.name) else {
                continue;
            };
            let gate = if earlier == ContainerRole::Init {
                "Requires"
            } else {
                "Wants"
            };
            file.push("Unit", gate, unit.as_str());
            file.push("Unit", "After", unit.as_str());
        }
        file.push("Unit", "StartLimitIntervalSec", "0");
        self.deadline_condition(file);
        if role == ContainerRole::Main && policy != RestartPolicy::Always {
            let done = self.settings.layout.done(self.uid, &spec.name);
            file.push(
                "Unit",
                "ConditionPathExists",
                format!("!{}", done.display()),
            );
        }
    }

    /// At shutdown, the containers of a pod that matters more end after those of pods that matter less. Such an order cannot
    /// be one of units: it would hold for their start too, and a pod that does not get up would hold up all others.
    fn waits(&self) -> bool {
        self.priority > 0
    }

    /// Hooks, the startup probe, and the record of each run.
    fn hooks(&self, file: &mut UnitFile, role: ContainerRole, spec: &Container) {
        let json = |value: &dyn erased::Json| value.json();
        let mut push = |key: &str, args: &[&str]| {
            let line = self.own_command(args).replace("%%n", "%n");
            file.push("Service", key, line);
        };
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
        if pre_stop.is_some() || self.waits() {
            push("ExecStop", &last);
        }
        push("ExecStopPost", &["record", "%n"]);
    }

    /// How it ends: SIGTERM to the main process, SIGKILL to all of them when the grace period is over.
    fn end(&self, file: &mut UnitFile, spec: &Container) {
        let grace = self.pod.spec.termination_grace.max(MINIMUM_GRACE);
        let stop = match (spec.pre_stop.is_some(), self.waits()) {
            (_, true) => grace + HOOK_SLACK + LONGEST_WAIT,
            (true, false) => grace + HOOK_SLACK,
            (false, false) => grace,
        };
        if self.waits() {
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

    /// Directory, environment, network.
    fn process(&self, file: &mut UnitFile, spec: &Container, env: &Environment) {
        if let Some(directory) = &spec.working_dir {
            file.push("Service", "WorkingDirectory", specifiers(directory));
        }
        self.host_name_variable(file, env.contains_key("HOSTNAME"));
        for (name, (value, origin)) in env {
            if *origin == Origin::Manifest {
                file.push("Service", "Environment", quoted(&format!("{name}={value}")));
            }
        }
        if env.values().any(|(_, origin)| *origin != Origin::Manifest) {
            let path = self.settings.layout.env_file(self.uid, &spec.name);
            file.push("Service", "EnvironmentFile", path.display().to_string());
        }
        self.join_network(file);
    }

    /// Where its output goes, and how it is found there.
    fn journal(&self, file: &mut UnitFile, spec: &Container) {
        file.push("Service", "SyslogIdentifier", spec.name.as_str());
        file.push("Service", "LogRateLimitIntervalSec", "1s");
        file.push("Service", "LogRateLimitBurst", LOG_BURST);
        let key = &self.pod.key;
        let fields = [
            ("NAMESPACE", key.namespace.as_str()),
            ("POD", key.name.as_str()),
            ("POD_UID", self.uid.as_str()),
            ("CONTAINER", spec.name.as_str()),
        ];
        for (field, value) in fields {
            file.push(
                "Service",
                "LogExtraFields",
                word(&format!("KUBERNETES_{field}={value}")),
            );
        }
    }
}

fn exec_start(spec: &Container, env: &Environment, before: Vec<String>) -> Result<String, Blocked> {
    let program = [spec.image.program().to_owned()];
    let first: &[String] = if spec.command.is_empty() {
        &program
    } else {
        &spec.command
    };
    let mut argv = before;
    for (field, text) in first
        .iter()
        .map(|t| ("command", t))
        .chain(spec.args.iter().map(|t| ("args", t)))
    {
        let (text, origin) = expand(text, env);
        if origin == Origin::Secret {
            return Err(Blocked {
                container: Some(spec.name.clone()),
                reason: "CreateContainerConfigError",
                message: format!(
                    "{field} uses a variable that comes from a secret, and a command line can be read by everyone: \
                     let the program read the variable or a file"
                ),
            });
        }
        argv.push(text);
    }
    Ok(command_line(":", argv.iter().map(String::as_str)))
}

/// The requests and limits that a container is started anew for.
fn restarting(spec: &Container) -> Resources {
    let none = Resources::default();
    let (own, resize) = (&spec.resources, spec.resize);
    let (cpu, memory) = (
        if resize.cpu { own } else { &none },
        if resize.memory { own } else { &none },
    );
    Resources {
        cpu_request: cpu.cpu_request,
        cpu_limit: cpu.cpu_limit,
        memory_request: memory.memory_request,
        memory_limit: memory.memory_limit,
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
