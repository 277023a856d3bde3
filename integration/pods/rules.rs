//! What makes a pod of random fields a valid one.

use super::make::Maker;
use super::storage;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vks::source::fields::Table;

/// Fields of a table that exclude each other; with `true` one of them must be there.
const ONE_OF: &[(&str, bool, &[&str])] = &[
    ("Probe", true, &["exec", "httpGet", "tcpSocket", "grpc"]),
    ("LifecycleHandler", true, &["exec", "httpGet", "sleep"]),
    ("EnvVar", false, &["value", "valueFrom"]),
    (
        "EnvVarSource",
        true,
        &[
            "fieldRef",
            "configMapKeyRef",
            "secretKeyRef",
            "resourceFieldRef",
            "fileKeyRef",
            "dnsConfig",
        ],
    ),
    ("EnvFromSource", true, &["configMapRef", "secretRef"]),
    (
        "Volume",
        false,
        &[
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "hostPath",
            "nfs",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ],
    ),
    (
        "VolumeProjection",
        true,
        &["configMap", "secret", "downwardAPI"],
    ),
    (
        "DownwardAPIVolumeFile",
        true,
        &["fieldRef", "resourceFieldRef"],
    ),
    ("VolumeMount", false, &["subPath", "subPathExpr"]),
];

/// Fields that must be there.
const NEEDED: &[(&str, &[&str])] = &[
    ("PodSpec", &["containers"]),
    ("PodOS", &["name"]),
    ("Container", &["name", "image"]),
    ("EphemeralContainer", &["name", "image"]),
    ("ContainerPort", &["containerPort"]),
    ("EnvVar", &["name"]),
    ("ObjectFieldSelector", &["fieldPath"]),
    ("ConfigMapKeySelector", &["name", "key"]),
    ("SecretKeySelector", &["name", "key"]),
    ("FileKeySelector", &["volumeName", "path", "key"]),
    ("ConfigMapEnvSource", &["name"]),
    ("SecretEnvSource", &["name"]),
    ("ConfigMapVolumeSource", &["name"]),
    ("SecretVolumeSource", &["secretName"]),
    ("HostPathVolumeSource", &["path"]),
    ("DownwardAPIVolumeSource", &["items"]),
    ("DownwardAPIProjection", &["items"]),
    ("ProjectedVolumeSource", &["sources"]),
    ("KeyToPath", &["key", "path"]),
    ("DownwardAPIVolumeFile", &["path"]),
    ("ResourceFieldSelector", &["containerName", "resource"]),
    ("ConfigMapProjection", &["name"]),
    ("SecretProjection", &["name"]),
    ("PersistentVolumeClaimVolumeSource", &["claimName"]),
    ("EphemeralVolumeSource", &["volumeClaimTemplate"]),
    ("PersistentVolumeClaimTemplate", &["spec"]),
    ("PersistentVolumeClaimSpec", &["accessModes"]),
    ("NFSVolumeSource", &["server", "path"]),
    ("CSIVolumeSource", &["driver", "fsType", "volumeAttributes"]),
    ("VolumeDevice", &["name", "devicePath"]),
    ("Volume", &["name"]),
    ("VolumeMount", &["name", "mountPath"]),
    ("ExecAction", &["command"]),
    ("HTTPGetAction", &["port"]),
    ("TCPSocketAction", &["port"]),
    ("GRPCAction", &["port"]),
    ("HTTPHeader", &["name"]),
    ("SleepAction", &["seconds"]),
    ("Sysctl", &["name", "value"]),
    ("HostAlias", &["ip", "hostnames"]),
    ("ContainerRestartRule", &["action", "exitCodes"]),
    ("ContainerRestartRuleOnExitCodes", &["operator", "values"]),
    ("PodDNSConfigOption", &["name"]),
    ("ContainerResizePolicy", &["resourceName", "restartPolicy"]),
    ("ResourceFieldSelector", &["resource"]),
    ("SeccompProfile", &["type"]),
    ("ContainerRestartRule", &["action", "exitCodes"]),
    ("ContainerRestartRuleOnExitCodes", &["operator", "values"]),
    ("PodReadinessGate", &["conditionType"]),
    ("AppArmorProfile", &["type"]),
    ("SELinuxOptions", &["type"]),
];

/// Whether a field must be there.
pub fn needed(table: &str, field: &str) -> bool {
    let rule = NEEDED.iter().find(|(name, _)| *name == table);
    rule.is_some_and(|(_, fields)| fields.contains(&field))
}

/// Whether a field is seen elsewhere: about images that are fetched, where the containers of random pods are programs of
/// the host, and about the end of a pod of a cluster.
pub fn elsewhere(table: &str, field: &str) -> bool {
    matches!(
        (table, field),
        ("PodSpec", "runtimeClassName" | "imagePullSecrets")
            | ("Volume", "image")
            | (
                "ObjectMeta",
                "deletionGracePeriodSeconds" | "deletionTimestamp"
            )
            | ("ImageVolumeSource" | "LocalObjectReference", _)
    )
}

/// How likely a field is there, in per cent.
pub fn likelihood(table: &str, field: &str) -> usize {
    match (table, field) {
        ("PodSpec", "volumes") => 75,
        ("ConfigMapProjection" | "SecretProjection", _) => 75,
        ("PodSpec", _) => 40,
        ("Container" | "EphemeralContainer", _) => 25,
        _ => 50,
    }
}

/// The most items of a list.
pub fn most(_table: &str, field: &str) -> usize {
    match field {
        "containers" | "initContainers" | "ephemeralContainers" | "volumeDevices" => 2,
        // Two could hide each other.
        "sources" => 1,
        // Many kinds, each of many fields.
        "volumes" => 8,
        "envFrom" => 1,
        _ => 3,
    }
}

/// The fields that are left out, so that what excludes each other does not meet.
pub fn without(table: &Table, maker: &mut Maker) -> BTreeSet<&'static str> {
    let mut out = BTreeSet::new();
    for (name, must, fields) in ONE_OF {
        if *name == table.name {
            let keep = maker.below(fields.len() + usize::from(!must));
            let others = fields
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != keep);
            out.extend(others.map(|(_, field)| *field));
        }
    }
    out
}

/// Whether exactly one of a group must be there, and this field is of the group.
pub fn chosen(table: &str, field: &str) -> bool {
    ONE_OF
        .iter()
        .any(|(name, must, fields)| *name == table && *must && fields.contains(&field))
}

/// Makes the parts fit each other.
pub fn settle(pod: &mut Value, maker: &mut Maker) {
    let spec = &mut pod["spec"];
    let host_network = spec["hostNetwork"] == true;
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    let names = volumes(spec);
    security(&mut spec["securityContext"]);
    if host_network {
        spec["securityContext"]["sysctls"] = Value::Null;
    }
    self::names(spec, host_network);
    let profile = *maker.pick(&[None, Some("default"), Some("strict"), Some("trusted")]);
    let (mut number, mut last) = (0, 0);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let Some(containers) = spec[list].as_array_mut() else {
            continue;
        };
        for container in containers {
            number += 1;
            container["name"] = format!("c{number}").into();
            self::container(
                container,
                number,
                list == "initContainers",
                host_network,
                grace,
            );
            security(&mut container["securityContext"]);
            mounts(container, &names, maker);
            from_files(container, &names, maker);
            if list == "ephemeralContainers" {
                ephemeral(container);
            } else {
                last = number;
            }
        }
    }
    all_mounted(spec, &names);
    storage::settle_devices(spec, last);
    // A class says the same as the number that comes with it.
    if !spec["priorityClassName"].is_null() && !spec["priority"].is_null() {
        spec["priority"] = 1000.into();
        spec["priorityClassName"] = "high".into();
    }
    if let Some(profile) = profile {
        pod["metadata"]["annotations"]["vks.io/profile"] = profile.into();
    }
    tidy(pod);
}

/// What only an ephemeral container has, and what it has not.
fn ephemeral(container: &mut Value) {
    for field in ["resources", "restartPolicy", "restartPolicyRules"] {
        container.as_object_mut().unwrap().remove(field);
    }
    if !container["targetContainerName"].is_null() {
        container["targetContainerName"] = "c1".into();
    }
    for mount in container["volumeMounts"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        mount["subPath"] = Value::Null;
        mount["subPathExpr"] = Value::Null;
    }
}

/// Names of a pod, and what it has as a whole.
fn names(spec: &mut Value, host_network: bool) {
    if host_network || spec["setHostnameAsFQDN"] == true {
        spec["hostnameOverride"] = Value::Null;
    }
    if spec["setHostnameAsFQDN"] == true && spec["subdomain"].is_null() {
        spec["subdomain"] = "s1".into();
    }
    let mut seen = BTreeSet::new();
    if let Some(options) = spec["dnsConfig"]["options"].as_array_mut() {
        options.retain(|option| seen.insert(option["name"].to_string()));
    }
    if !spec["resources"].is_null() {
        let cpu = if spec["resources"]["limits"]["cpu"].is_null() {
            Value::Null
        } else {
            json!("16")
        };
        let memory = if spec["resources"]["limits"]["memory"].is_null() {
            Value::Null
        } else {
            json!("16Gi")
        };
        spec["resources"]["limits"] = json!({"cpu": cpu, "memory": memory});
        resources(&mut spec["resources"]);
    }
}

/// What goes with each other in a security context.
fn security(context: &mut Value) {
    for (profile, name) in [("seccompProfile", "a.json"), ("appArmorProfile", "web")] {
        let profile = &mut context[profile];
        if profile["type"] == "Localhost" {
            let name = profile["localhostProfile"]
                .as_str()
                .unwrap_or(name)
                .to_owned();
            profile["localhostProfile"] = name.into();
        } else if profile.is_object() {
            profile["localhostProfile"] = Value::Null;
        }
    }
    if !context["seLinuxOptions"].is_null() {
        context["seLinuxChangePolicy"] = Value::Null;
    }
    let mut seen = BTreeSet::new();
    if let Some(sysctls) = context["sysctls"].as_array_mut() {
        sysctls.retain(|sysctl| seen.insert(sysctl["name"].to_string()));
    }
    if context["privileged"] == true {
        context["allowPrivilegeEscalation"] = Value::Null;
    }
    let add = context["capabilities"]["add"].to_string();
    if add.contains("SYS_ADMIN") || add.contains("ALL") {
        context["allowPrivilegeEscalation"] = Value::Null;
    }
    // Only a user that is no root is surely none.
    context["runAsNonRoot"] = if context["runAsUser"].as_u64().unwrap_or(0) > 0 {
        true.into()
    } else {
        Value::Null
    };
}

/// Names the volumes. What may be missing is optional.
fn volumes(spec: &mut Value) -> Vec<String> {
    let mut names = Vec::new();
    for (index, volume) in spec["volumes"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .enumerate()
    {
        volume["name"] = format!("v{index}").into();
        if let Some(path) = volume["hostPath"]["path"].as_str().map(str::to_owned) {
            volume["hostPath"]["path"] = format!("{path}{index}").into();
        }
        storage::settle(volume);
        names.push(format!("v{index}"));
    }
    names
}

fn container(container: &mut Value, number: usize, init: bool, host_network: bool, grace: u64) {
    if init && container["restartPolicy"] != "Always" {
        for field in [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            container.as_object_mut().unwrap().remove(field);
        }
    }
    for (index, variable) in container["env"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .enumerate()
    {
        variable["name"] = format!("V{index}").into();
    }
    for (index, port) in container["ports"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let of_its_own = 1000 + 10 * number + index;
        port["containerPort"] = of_its_own.into();
        if !port["name"].is_null() {
            port["name"] = format!("p{index}").into();
        }
        if !port["hostPort"].is_null() {
            port["hostPort"] = if host_network {
                of_its_own.into()
            } else {
                Value::Null
            };
        }
    }
    if container["stdinOnce"] == true {
        container["stdin"] = true.into();
    }
    let mut seen = BTreeSet::new();
    if let Some(policies) = container["resizePolicy"].as_array_mut() {
        policies.retain(|policy| seen.insert(policy["resourceName"].to_string()));
    }
    if !container["restartPolicyRules"].is_null() && container["restartPolicy"].is_null() {
        container["restartPolicy"] = "Never".into();
    }
    told(container, number);
    checks(container, grace);
    resources(&mut container["resources"]);
    // A variable of a secret may not stand on a command line.
    if container["env"][0]["valueFrom"]["secretKeyRef"].is_object() {
        let words = container["command"].as_array_mut().into_iter().flatten();
        words
            .filter(|word| *word == "$(V0)")
            .for_each(|word| *word = json!("1"));
    }
}

/// What is told of resources is that of this container, and it has some.
fn told(container: &mut Value, number: usize) {
    let mut told = false;
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        let from = &mut variable["valueFrom"]["resourceFieldRef"];
        told |= !from["resource"].is_null();
        if from["containerName"].is_string() {
            from["containerName"] = format!("c{number}").into();
        }
    }
    if told {
        container["resources"]["limits"] = json!({"cpu": "2", "memory": "64Mi"});
    }
}

/// Probes and hooks.
fn checks(container: &mut Value, grace: u64) {
    for (field, readiness) in [
        ("livenessProbe", false),
        ("startupProbe", false),
        ("readinessProbe", true),
    ] {
        if let Some(probe) = container[field].as_object_mut() {
            let wrong = if readiness {
                "terminationGracePeriodSeconds"
            } else {
                "successThreshold"
            };
            probe.remove(wrong);
        }
    }
    for hook in ["postStart", "preStop"] {
        let seconds = &mut container["lifecycle"][hook]["sleep"]["seconds"];
        if let Some(long) = seconds.as_u64() {
            *seconds = long.min(grace).into();
        }
    }
}

/// A request is not larger than its limit.
fn resources(resources: &mut Value) {
    for what in ["cpu", "memory"] {
        if !resources["limits"][what].is_null() && resources["requests"][what] == "1" {
            resources["requests"][what] = json!("250m");
        }
    }
}

fn mounts(container: &mut Value, names: &[String], maker: &mut Maker) {
    if names.is_empty() {
        container["volumeMounts"] = Value::Null;
    }
    for (index, mount) in container["volumeMounts"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .enumerate()
    {
        mount["name"] = maker.pick(names).clone().into();
        let path = mount["mountPath"].as_str().unwrap_or_default().to_owned();
        mount["mountPath"] = format!("{path}{index}").into();
    }
    storage::settle_mounts(container);
}

/// A variable from a file is one of a volume that is there, and stands in no other field.
fn from_files(container: &mut Value, names: &[String], maker: &mut Maker) {
    let mut any = false;
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        let from = &mut variable["valueFrom"]["fileKeyRef"];
        if !from["key"].is_null() {
            match names.is_empty() {
                true => variable["valueFrom"] = Value::Null,
                false => from["volumeName"] = maker.pick(names).clone().into(),
            }
            any = true;
        }
    }
    let words = container["command"].as_array_mut().into_iter().flatten();
    words
        .filter(|word| any && *word == "$(V0)")
        .for_each(|word| *word = json!("1"));
}

/// A volume that nobody mounts has no effect, and that is right.
fn all_mounted(spec: &mut Value, names: &[String]) {
    let lists = ["initContainers", "containers", "ephemeralContainers"]
        .map(|list| spec[list].as_array().cloned().unwrap_or_default());
    let used: BTreeSet<String> = lists
        .iter()
        .flatten()
        .flat_map(|container| {
            container["volumeMounts"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .filter_map(|mount| mount["name"].as_str().map(str::to_owned))
        .collect();
    for name in names.iter().filter(|name| !used.contains(*name)) {
        let mounts = &mut spec["containers"][0]["volumeMounts"];
        let mount = json!({"name": name, "mountPath": format!("/all/{name}")});
        match mounts.as_array_mut() {
            Some(mounts) => mounts.push(mount),
            None => *mounts = json!([mount]),
        }
    }
}

/// Tables that may not be empty, and are left so by looking into them.
const LEFT: &[&str] = &[
    "lifecycle",
    "resources",
    "valueFrom",
    "sleep",
    "postStart",
    "preStop",
    "limits",
    "requests",
    "secretKeyRef",
    "fileKeyRef",
    "resourceFieldRef",
    "dnsConfig",
    "hostPath",
    "securityContext",
    "capabilities",
    "seccompProfile",
    "appArmorProfile",
    "seLinuxOptions",
];

/// Takes away what looking at absent fields has left, and makes what is missing optional.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            map.retain(|key, value| {
                let left = LEFT.contains(&key.as_str())
                    && value.as_object().is_some_and(|map| map.is_empty());
                !value.is_null() && !left
            });
            if map.get("name").or(map.get("secretName")) == Some(&json!("missing")) {
                map.insert("optional".to_owned(), json!(true));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
