//! Pods: the spec as a whole, and the manifest that a pod carries with it.

use super::container::{Around, Kind, RESTART_POLICIES, container};
use super::field::{Field, Fields};
use super::known;
use super::meta::Meta;
use super::report::Report;
use super::security;
use super::volume::volumes;
use super::{naming, priority, process, resources};
use crate::model::image::Pulling;
use crate::model::pod::{Container, Pod, PodSpec, RestartPolicy, SourcePath};
use crate::source::tree::{Node, Value, json_line};
use std::collections::BTreeSet;
use std::time::Duration;

/// A manifest must fit into one line of a unit file, of which systemd reads at most 1 MiB.
const MAX_MANIFEST: usize = 1_000_000;

/// A pod of decoded parts. `spec_node` is what the spec was decoded from.
pub fn build(meta: Meta, mut spec: PodSpec, spec_node: &Node, report: &Report) -> Option<Pod> {
    spec.devices = process::devices(&meta.annotations, &spec, spec_node.line, report)?;
    let manifest = manifest(&meta, spec_node);
    // A percent sign takes three bytes in the unit file.
    if manifest.len() + 2 * manifest.matches('%').count() > MAX_MANIFEST {
        report.add(
            spec_node.line,
            "spec",
            "the pod is larger than 1 MB: move data to a ConfigMap or a file",
        );
        return None;
    }
    Some(Pod {
        key: meta.key,
        uid: meta.uid,
        labels: meta.labels,
        annotations: meta.annotations,
        ending: meta.ending,
        spec,
        source: SourcePath(report.file().to_owned()),
        manifest: manifest.into(),
    })
}

/// The object in the API's shape: what vks decoded of the metadata, and the spec as it was given.
fn manifest(meta: &Meta, spec: &Node) -> String {
    use crate::source::tree::{Entry, Value};
    let node = |value| Node { line: 0, value };
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        line: 0,
        node: node(value),
    };
    let text = |key: &str, value: &str| entry(key, Value::Text(value.to_owned()));
    let map = |labels: &super::meta::Labels| {
        Value::Map(labels.iter().map(|(key, value)| text(key, value)).collect())
    };
    let mut metadata = vec![
        text("name", meta.key.name.as_str()),
        text("namespace", meta.key.namespace.as_str()),
    ];
    if !meta.labels.is_empty() {
        metadata.push(entry("labels", map(&meta.labels)));
    }
    if !meta.annotations.is_empty() {
        metadata.push(entry("annotations", map(&meta.annotations)));
    }
    if let Some(uid) = &meta.uid {
        metadata.push(text("uid", uid.as_str()));
    }
    // The spec is written by itself, so that its tree need not be copied.
    let head = node(Value::Map(vec![
        text("apiVersion", "v1"),
        text("kind", "Pod"),
        entry("metadata", Value::Map(metadata)),
    ]));
    let head = json_line(&head);
    let open = head.strip_suffix('}').unwrap_or(&head);
    format!("{open},\"spec\":{}}}", json_line(spec))
}

/// Decodes a pod's spec.
pub fn spec(field: &Field<'_>) -> Option<PodSpec> {
    let mut f = field.fields(known::POD_SPEC)?;
    let volumes = volumes(&mut f);
    let host_network = f.flag("hostNetwork");
    let grace = f
        .optional("terminationGracePeriodSeconds", |x| x.count(0))
        .map(|grace| Duration::from_secs(u64::from(grace.unwrap_or(30))));
    let around = Around {
        volumes: volumes.as_deref(),
        host_network: host_network.unwrap_or_default(),
        own_users: field
            .node
            .get("hostUsers")
            .is_some_and(|users| matches!(users.value, Value::Bool(false))),
        grace: grace.unwrap_or(Duration::MAX),
    };
    let init_containers = f.list("initContainers", |x| container(&x, Kind::Init, &around));
    let containers = f.list("containers", |x| container(&x, Kind::Main, &around));
    let ephemeral = |x: Field<'_>| container(&x, Kind::Ephemeral, &around);
    let ephemeral = f.list("ephemeralContainers", ephemeral);
    if containers.as_ref().is_some_and(Vec::is_empty) {
        f.problem("has no containers: add at least one to `containers`");
    }
    let restart_policy = f.optional("restartPolicy", |x| x.one_of(&RESTART_POLICIES));
    let active_deadline = f.optional("activeDeadlineSeconds", |x| x.count(1));
    let on_host = host_network.unwrap_or_default();
    let security = f.optional("securityContext", |x| security::of_pod(&x, on_host));
    let service_account = service_account(&mut f);
    let readiness_gates = f.list("readinessGates", |x| gate(&x));
    let facts = facts(&mut f);
    let naming = naming::naming(&mut f, host_network.unwrap_or_default());
    let sharing = naming::sharing(&mut f, host_network.unwrap_or_default());
    let pulling = pulling(&mut f);
    let whole = f.optional("resources", |x| resources::resources(&x));
    let priority = priority::asked(&mut f);
    f.finish();
    facts?;
    let (run_as, security) = security?.unwrap_or_default();
    let spec = PodSpec {
        init_containers: init_containers?,
        containers: containers?,
        ephemeral_containers: ephemeral?,
        volumes: volumes?,
        restart_policy: restart_policy?.unwrap_or(RestartPolicy::Always),
        host_network: host_network?,
        termination_grace: grace?,
        active_deadline: active_deadline?.map(|seconds| Duration::from_secs(u64::from(seconds))),
        run_as,
        security,
        readiness_gates: readiness_gates?,
        service_account: service_account?,
        naming: naming?,
        sharing: sharing?,
        resources: whole?.unwrap_or_default(),
        devices: Vec::new(),
        priority: priority?,
        pulling: pulling?,
    };
    is_whole(field, &spec)?.then_some(spec)
}

/// Whether the parts of a pod fit each other.
fn is_whole(field: &Field<'_>, spec: &PodSpec) -> Option<bool> {
    for (_, container) in spec.all_containers() {
        resources::within_pod(field, &spec.resources, &container.resources)?;
    }
    let distinct = distinct_names(field, spec);
    let free = !spec.host_network || distinct_ports(field, &spec.containers);
    let known = super::facts::containers_are_there(field, spec) & targets_are_there(field, spec);
    Some(distinct && free && known && !spec.containers.is_empty())
}

/// The type of a readiness gate.
fn gate(field: &Field<'_>) -> Option<String> {
    let mut f = field.fields(known::NONE)?;
    let kind = f.require("conditionType").and_then(|x| {
        let text = x.text()?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
        if text.is_empty() || text.len() > 316 || !text.bytes().all(good) {
            x.problem("is not the type of a condition: write a name such as example.com/checked");
            return None;
        }
        Some(text.to_owned())
    });
    f.finish();
    kind
}

/// Where the images of the pod come from.
fn pulling(spec: &mut Fields<'_>) -> Option<Pulling> {
    let secrets = spec.list("imagePullSecrets", |x| {
        let mut f = x.fields(known::NONE)?;
        let name = f.require("name").and_then(|x| x.parse());
        f.finish();
        name
    });
    let class = spec.optional("runtimeClassName", |x| match x.text()? {
        "" => Some(None),
        _ => x.parse().map(Some),
    });
    Some(Pulling {
        secrets: secrets?,
        class: class?.flatten(),
    })
}

fn service_account(spec: &mut Fields<'_>) -> Option<String> {
    let mut name = |key| {
        spec.optional(key, |x| match x.text()? {
            "" => Some(None),
            _ => x
                .parse::<crate::model::name::ObjectName>()
                .map(|name| Some(name.as_str().to_owned())),
        })
    };
    let (new, old) = (name("serviceAccountName"), name("serviceAccount"));
    let name = new?.flatten().or(old?.flatten());
    Some(name.unwrap_or_else(|| "default".to_owned()))
}

/// Fields that may only say what is true of every pod here.
fn facts(spec: &mut Fields<'_>) -> Option<()> {
    let token = spec.optional("automountServiceAccountToken", |x| {
        let mount = x.boolean()?;
        if mount {
            x.problem("vks mounts no service account token: write false, or remove the field");
        }
        (!mount).then_some(())
    });
    let os = spec.optional("os", |x| {
        let mut f = x.fields(known::NONE)?;
        let name = f.require("name").and_then(|x| x.one_of(&[("linux", ())]));
        f.finish();
        name
    });
    (token.is_some() && os.is_some()).then_some(())
}

fn distinct_names(field: &Field<'_>, spec: &PodSpec) -> bool {
    let mut seen = BTreeSet::new();
    let mut good = true;
    for (_, container) in spec.all_containers() {
        if !seen.insert(&container.name) {
            let name = container.name.as_str();
            field.problem(format!(
                "the container name {name:?} is there twice: rename one (init containers count too)"
            ));
            good = false;
        }
    }
    good
}

/// An ephemeral container is there to look at one of the pod's own.
fn targets_are_there(field: &Field<'_>, spec: &PodSpec) -> bool {
    let mut good = true;
    for target in spec.ephemeral_containers.iter().flat_map(|c| &c.target) {
        if !spec.lasting_containers().any(|(_, c)| c.name == *target) {
            field.problem(format!(
                "the pod has no container {:?}: correct targetContainerName",
                target.as_str()
            ));
            good = false;
        }
    }
    good
}

/// On the host's network two containers cannot have the same port.
fn distinct_ports(field: &Field<'_>, containers: &[Container]) -> bool {
    let mut seen = BTreeSet::new();
    let mut good = true;
    for container in containers {
        for port in &container.ports {
            if !seen.insert((port.port, &port.protocol)) {
                field.problem(format!(
                    "port {}/{} is there twice on the host's network: change or remove one",
                    port.port, port.protocol
                ));
                good = false;
            }
        }
    }
    good
}
