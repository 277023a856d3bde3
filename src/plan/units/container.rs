//! The service that runs a container.

use super::super::env::{Environment, Origin, expand};
use super::super::security::Confinement;
use super::super::{resources, security};
use super::loader::no_loader_variables;
use super::{Room, WantedUnit, image, package, spec_hash};
use crate::config::Settings;
use crate::model::identity::UnitRole;
use crate::model::image::resolved::Resolved;
use crate::model::name::UnitName;
use crate::model::pod::{Container, ContainerRole, Resources, RestartPolicy};
use crate::model::probe::Probes;
use crate::model::security::Profile;
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::{command_line, quoted, specifiers, word};

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
        let image = self.image(spec)?;
        self.target_is_seen(spec)?;
        let base = self.base(spec);
        if let Some(base) = &base {
            return self
                .with_root(role, (name, spec), (image, base), env)
                .map(Some);
        }
        if self.pod.spec.sharing.own_users {
            return Err(no_own_users(spec));
        }
        let package = package::service(spec, image);
        let policy = self.pod.spec.restart_policy_of(role, spec);
        let mut file = self.file(&format!("Container {}", spec.name));
        self.order(&mut file, role, spec, policy);
        let confinement = self.confine(spec, package.is_some())?;
        no_loader_variables(spec, env, &confinement)?;
        if let Some(package) = package {
            let before = self.identity_change(&confinement);
            self.packaged_start(&mut file, role, spec, package, &before)?;
            file.push("Service", "Slice", self.names.slice().as_str());
            self.packaged_settings(&mut file, spec, package);
        } else {
            self.start(&mut file, (role, spec), image, env, &confinement)?;
        }
        self.hide_sub_paths(&mut file, spec);
        self.hooks(&mut file, role, spec);
        let restarts = self.restarts_of(role, spec);
        self.restarts(&mut file, role, &restarts);
        self.end(&mut file, role, spec);
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
            image_id: image.id.as_str().into(),
        };
        let mut hash = self.container_hash(role, spec, policy, &confinement);
        // What runs a program of the host by its own name keeps the hash it always had.
        if spec.image.host_program().is_none() {
            hash = spec_hash(&(hash, &image.id, &image.content));
        }
        Ok(Some(self.finish(name.clone(), identity, hash, file)))
    }

    /// How a container is shut in. The service of a package shuts itself in: the node's profile does not count, only
    /// what the pod says.
    fn confine(&self, spec: &Container, packaged: bool) -> Result<Confinement, Blocked> {
        if !packaged {
            return security::confine(self.pod, spec, self.settings);
        }
        let settings = Settings {
            profile: Profile::Trusted,
            ..self.settings.clone()
        };
        let mut confinement = security::confine(self.pod, spec, &settings)?;
        confinement.joins_host_name = false;
        Ok(confinement)
    }

    /// Its program, which systemd starts as it is.
    fn start(
        &self,
        file: &mut UnitFile,
        (role, spec): (ContainerRole, &Container),
        image: &Resolved,
        env: &Environment,
        confinement: &Confinement,
    ) -> Result<(), Blocked> {
        self.kind(file, role);
        let mut before = self.launch(spec, confinement, None);
        before.extend(self.identity_change(confinement));
        let own = !before.is_empty();
        let line = exec_start(spec, Program::Of(image), env, before)?;
        file.push("Service", "ExecStart", line);
        self.root(file, image, own);
        Ok(())
    }

    /// What of a container, when it changes, means that it must be started anew. Liveness and readiness are the
    /// prober's, and not part of it.
    pub(super) fn container_hash(
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
            pull_policy: None,
            resources: restarting(spec),
            ..spec.clone()
        };
        let pod = &self.pod.spec;
        let volumes: Vec<_> = pod
            .volumes
            .iter()
            .filter(|volume| spec.volumes().any(|used| *used == volume.name))
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
    pub(super) fn order(
        &self,
        file: &mut UnitFile,
        role: ContainerRole,
        spec: &Container,
        policy: RestartPolicy,
    ) {
        self.join_pod(file);
        self.fill_first(file);
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

    /// Directory, environment, network.
    fn process(&self, file: &mut UnitFile, spec: &Container, env: &Environment) {
        if let Some(directory) = &spec.working_dir {
            file.push("Service", "WorkingDirectory", specifiers(directory));
        }
        self.variables(file, spec, env);
        self.join_network(file);
    }

    pub(super) fn variables(&self, file: &mut UnitFile, spec: &Container, env: &Environment) {
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
        self.file_keys(file, spec);
    }

    /// Where its output goes, and how it is found there.
    pub(super) fn journal(&self, file: &mut UnitFile, spec: &Container) {
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

/// What lies on the host belongs to the host's users.
fn no_own_users(spec: &Container) -> Blocked {
    Blocked {
        container: Some(spec.name.clone()),
        reason: "CreateContainerConfigError",
        message: format!(
            "image \"{}\" runs in the host's own files, in which the users of hostUsers: false have no place: use an \
             image of layers (oci:) or a root directory (dir:), or remove hostUsers",
            spec.image
        ),
    }
}

/// What runs when the manifest names no command.
pub(super) enum Program<'a> {
    /// The program of an image.
    Of(&'a Resolved),
    /// The words of an image with a configuration.
    OfImage(Vec<String>),
}

pub(super) fn exec_start(
    spec: &Container,
    own: Program<'_>,
    env: &Environment,
    before: Vec<String>,
) -> Result<String, Blocked> {
    let program;
    let mut argv = before;
    let first: &[String] = match own {
        _ if !spec.command.is_empty() => &spec.command,
        Program::Of(image) => {
            program = [image::program(spec, image)?];
            &program
        }
        // As they are: variables are expanded in what the manifest says.
        Program::OfImage(words) if !words.is_empty() || !spec.args.is_empty() => {
            argv.extend(words);
            &[]
        }
        Program::OfImage(_) => {
            return Err(Blocked {
                container: Some(spec.name.clone()),
                reason: "CreateContainerError",
                message: format!(
                    "image \"{}\" has no program of its own: name one in command",
                    spec.image
                ),
            });
        }
    };
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
