//! Containers: everything but environment, probes and mounts, which have files of their own.

use super::check::{absolute_path, port_name};
use super::field::{Field, Fields};
use super::known;
use super::{env, mounts, probe, process, resources, restart, security};
use crate::model::image::PullPolicy;
use crate::model::name::ContainerName;
use crate::model::pod::{Container, Port, Resize, Resources, RestartPolicy};
use crate::model::probe::{Hook, Probes};
use crate::model::process::StopSignal;
use crate::model::restart::RestartRule;
use crate::model::volume::Volume;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// What of the pod a container depends on.
pub struct Around<'a> {
    /// `None` when the volumes themselves are wrong.
    pub volumes: Option<&'a [Volume]>,
    pub host_network: bool,
    /// `hostUsers: false`
    pub own_users: bool,
    pub grace: Duration,
}

/// The words of `restartPolicy`.
pub const RESTART_POLICIES: [(&str, RestartPolicy); 3] = [
    ("Always", RestartPolicy::Always),
    ("OnFailure", RestartPolicy::OnFailure),
    ("Never", RestartPolicy::Never),
];

/// The words of `imagePullPolicy`.
pub const PULL_POLICIES: [(&str, PullPolicy); 3] = [
    ("Always", PullPolicy::Always),
    ("IfNotPresent", PullPolicy::IfNotPresent),
    ("Never", PullPolicy::Never),
];

/// Which list of the pod a container stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `initContainers`
    Init,
    /// `containers`
    Main,
    /// `ephemeralContainers`
    Ephemeral,
}

impl Kind {
    /// What it may have besides.
    fn rules(self) -> &'static known::Rules {
        match self {
            Self::Ephemeral => known::EPHEMERAL_CONTAINER,
            Self::Init | Self::Main => known::CONTAINER,
        }
    }

    /// What not all kinds have.
    fn own(self, f: &mut Fields<'_>, around: &Around<'_>) -> Lasting {
        match self {
            Self::Ephemeral => Lasting {
                target: f
                    .optional("targetContainerName", |x| target(&x))
                    .map(Option::flatten),
                ..Lasting::none()
            },
            Self::Init | Self::Main => Lasting::decode(f, around),
        }
    }

    fn fits(self, field: &Field<'_>, container: &Container) -> bool {
        match self {
            Self::Init => plain_init(field, container),
            Self::Main => true,
            Self::Ephemeral => plain_ephemeral(field, container),
        }
    }
}

/// Decodes a container.
pub fn container(field: &Field<'_>, kind: Kind, around: &Around<'_>) -> Option<Container> {
    let mut f = field.fields(kind.rules())?;
    let name = f.require("name").and_then(|x| x.parse());
    let image = f.require("image").and_then(|x| x.parse());
    let pull_policy = f.optional("imagePullPolicy", |x| x.one_of(&PULL_POLICIES));
    let command = f.arguments("command");
    let args = f.arguments("args");
    let working_dir = f.optional("workingDir", |x| absolute_path(&x));
    let env_from = env::env_from(&mut f);
    let env = env::env(&mut f, around.volumes);
    let own = kind.own(&mut f, around);
    let mounts = mounts::mounts(&mut f, around.volumes);
    let volume_devices = mounts::devices(&mut f, around.volumes);
    let message_path = f.optional("terminationMessagePath", |x| absolute_path(&x));
    let message_policy = f.optional("terminationMessagePolicy", |x| {
        x.one_of(&[("File", false), ("FallbackToLogsOnError", true)])
    });
    let security = f.optional("securityContext", |x| {
        security::of_container(&x, around.own_users)
    });
    let stdio = process::stdio(&mut f);
    f.finish();
    let (post_start, pre_stop, stop_signal) = own.hooks?;
    let (run_as, security) = security?.unwrap_or_default();
    let container = Container {
        name: name?,
        image: image?,
        pull_policy: pull_policy?,
        command: command?,
        args: args?,
        working_dir: working_dir?,
        env_from: env_from?,
        env: env?,
        ports: own.ports?,
        resources: own.resources?.unwrap_or_default(),
        mounts: mounts?,
        volume_devices: volume_devices?,
        restart_policy: own.restart_policy?,
        restart_rules: own.restart_rules?,
        probes: own.probes?,
        post_start,
        pre_stop,
        termination_message_path: message_path?,
        message_from_log: message_policy?.unwrap_or_default(),
        run_as,
        security,
        stdio: stdio?,
        stop_signal,
        resize: own.resize?,
        target: own.target?,
    };
    let known = env::files_stand_alone(field, &container);
    (known && sendable(field, &container) && kind.fits(field, &container)).then_some(container)
}

/// Hooks and the prober end a container themselves, and can send named signals only.
fn sendable(field: &Field<'_>, container: &Container) -> bool {
    let real_time = container.stop_signal.is_some_and(StopSignal::is_real_time);
    let (hooks, probes) = (
        [&container.pre_stop, &container.post_start],
        &container.probes,
    );
    let ended = hooks.iter().any(|hook| hook.is_some())
        || probes.liveness.is_some()
        || probes.startup.is_some();
    let bad = real_time && ended;
    if bad {
        field.problem(
            "a real-time stopSignal cannot be together with hooks, a liveness probe or a startup probe: use a named signal",
        );
    }
    !bad
}

/// An init container that runs to its end has neither probes nor hooks.
fn plain_init(field: &Field<'_>, container: &Container) -> bool {
    let sidecar = container.restart_policy == Some(RestartPolicy::Always);
    let watched = container.probes != Probes::default()
        || container.post_start.is_some()
        || container.pre_stop.is_some();
    if watched && !sidecar {
        field.problem(
            "an init container that runs to its end has no probes and no lifecycle: \
             remove them, or make it a sidecar with restartPolicy: Always",
        );
    }
    sidecar || !watched
}

/// What only the pod's own containers have, and the target that only others have.
struct Lasting {
    target: Option<Option<ContainerName>>,
    ports: Option<Vec<Port>>,
    resources: Option<Option<Resources>>,
    resize: Option<Resize>,
    restart_policy: Option<Option<RestartPolicy>>,
    restart_rules: Option<Vec<RestartRule>>,
    probes: Option<Probes>,
    hooks: Option<Hooks>,
}

/// postStart, preStop and stopSignal.
type Hooks = (Option<Hook>, Option<Hook>, Option<StopSignal>);

impl Lasting {
    fn decode(f: &mut Fields<'_>, around: &Around<'_>) -> Self {
        let ports = ports(f, around.host_network);
        let resources = f.optional("resources", |x| resources::resources(&x));
        let resize = resources::resize(f);
        let restart_policy = f.optional("restartPolicy", |x| x.one_of(&RESTART_POLICIES));
        let restart_rules = restart::rules(f, restart_policy.flatten());
        let named = ports.as_deref().unwrap_or_default();
        Self {
            target: Some(None),
            resources,
            resize,
            restart_policy,
            restart_rules,
            probes: probe::probes(f, named),
            hooks: probe::hooks(f, named, around.grace),
            ports,
        }
    }

    fn none() -> Self {
        Self {
            target: Some(None),
            ports: Some(Vec::new()),
            resources: Some(None),
            resize: Some(Resize::default()),
            restart_policy: Some(None),
            restart_rules: Some(Vec::new()),
            probes: Some(Probes::default()),
            hooks: Some((None, None, None)),
        }
    }
}

/// An empty name is none.
fn target(field: &Field<'_>) -> Option<Option<ContainerName>> {
    match field.text()? {
        "" => Some(None),
        _ => field.parse().map(Some),
    }
}

/// What it sees of a volume, it sees as a whole (pkg/apis/core/validation: `validateEphemeralContainers`).
fn plain_ephemeral(field: &Field<'_>, container: &Container) -> bool {
    let part = container
        .mounts
        .iter()
        .any(|mount| mount.sub_path.is_some());
    if part {
        field.problem("an ephemeral container mounts no subPath: remove it, and mount the volume");
    }
    !part
}

fn ports(container: &mut Fields<'_>, host_network: bool) -> Option<Vec<Port>> {
    let mut names = BTreeSet::new();
    container.list("ports", |field| {
        let port = port(&field, host_network)?;
        if let Some(name) = &port.name
            && !names.insert(name.clone())
        {
            field.problem(format!(
                "the port name {name:?} is there twice: rename or remove one"
            ));
            return None;
        }
        Some(port)
    })
}

fn port(field: &Field<'_>, host_network: bool) -> Option<Port> {
    let mut f = field.fields(known::PORT)?;
    let number = f.require("containerPort").and_then(|x| x.integer(1, 65535));
    let name = f.optional("name", |x| match x.text()? {
        "" => Some(None),
        text => {
            port_name(text).map_err(|message| x.problem(message)).ok()?;
            Some(Some(text.to_owned()))
        }
    });
    let protocol = f.optional("protocol", |x| {
        x.one_of(&[("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")])
    });
    let host_port = f.optional("hostPort", |x| {
        let port = x.integer(0, 65535)?;
        let problem = if port == 0 {
            return Some(None);
        } else if host_network && number.is_some_and(|number| number != port) {
            "must be the containerPort in a pod on the host's network: remove it"
        } else {
            // There the port is the host's already.
            return Some(u16::try_from(port).ok().filter(|_| !host_network));
        };
        x.problem(problem);
        None
    });
    let host_ip = f.optional("hostIP", |x| match x.text()? {
        "" => Some(None),
        text => match text.parse::<IpAddr>() {
            Ok(address) => Some(Some(address).filter(|address| !address.is_unspecified())),
            Err(_) => {
                x.problem("is not an IP address: write one of the host's, or remove the field");
                None
            }
        },
    });
    f.finish();
    Some(Port {
        name: name?.flatten(),
        port: u16::try_from(number?).ok()?,
        protocol: protocol?.unwrap_or("TCP").to_owned(),
        host_port: host_port?.flatten(),
        host_ip: host_ip?.flatten(),
    })
}
