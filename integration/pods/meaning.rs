//! When two manifests mean the same although they differ.

use super::make::{Step, at};
use super::storage;
use serde_json::Value;

/// Field and value that say what the absence of the field says, beside nothing, `false`, 0 and empty.
const DEFAULTS: &[(&str, &str)] = &[
    ("periodSeconds", "10"),
    ("timeoutSeconds", "1"),
    ("failureThreshold", "3"),
    ("successThreshold", "1"),
    ("terminationMessagePolicy", "\"File\""),
    ("scheme", "\"HTTP\""),
    ("type", "\"RuntimeDefault\""),
    ("dnsPolicy", "\"ClusterFirst\""),
    ("hostPID", "true"),
    ("hostUsers", "true"),
    ("divisor", "\"1\""),
    ("restartPolicy", "\"NotRequired\""),
    ("supplementalGroupsPolicy", "\"Merge\""),
    ("fsGroupChangePolicy", "\"Always\""),
    ("path", "\"/\""),
    ("mountPropagation", "\"HostToContainer\""),
    ("volumeMode", "\"Filesystem\""),
    ("terminationGracePeriodSeconds", "30"),
    ("terminationMessagePolicy", "\"File\""),
    ("terminationMessagePath", "\"/dev/termination-log\""),
];

/// Whether a change at a path, without an effect, is none.
pub fn is_the_same(before: &Value, after: &Value, path: &[Step]) -> bool {
    let last = |name: &str| path.last() == Some(&Step::Key(name.to_owned()));
    normal(before) == normal(after)
        || optional(before, path)
        || of_what_is_missing(before, after, path)
        || storage::is_the_same(before, path)
        || security(before) == security(after)
        || confinement(before, after, path)
        || names(before, after, path)
        || resources(before, after, path)
        || of_pod(path) && whole(before) == whole(after)
        || same_volume(before, after, path)
        || last("restartPolicy") && policies(before) == policies(after)
        || requests(before, path)
        || last("priority") && priority(before) == priority(after)
        || last("priorityClassName") && priority(before) == priority(after)
}

/// The priority in force: a class and the number that comes with it say the same.
fn priority(pod: &Value) -> i64 {
    let said = pod["spec"]["priority"].as_i64();
    match pod["spec"]["priorityClassName"].as_str() {
        Some("high") => 1000,
        Some("system-node-critical") => 2_000_001_000,
        _ => said.unwrap_or(0),
    }
}

/// Without what says what its absence says.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| (key.clone(), normal(value)));
            let said = fields.filter(|(key, value)| {
                let text = value.to_string();
                !is_zero(value) && !DEFAULTS.contains(&(key.as_str(), text.as_str()))
            });
            Value::Object(said.collect())
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// What is there may be called optional or not.
fn optional(before: &Value, path: &[Step]) -> bool {
    let Some((Step::Key(last), above)) = path.split_last() else {
        return false;
    };
    let names =
        at(before, above).map(|object| (object["name"].clone(), object["secretName"].clone()));
    last == "optional"
        && names.is_some_and(|(name, secret)| name != "missing" && secret != "missing")
}

fn containers(pod: &Value) -> impl Iterator<Item = (bool, &Value)> {
    let of = |list: &str| pod["spec"][list].as_array().into_iter().flatten();
    of("initContainers")
        .map(|one| (true, one))
        .chain(of("containers").map(|one| (false, one)))
}

/// A variable or volume of an object that may be missing, and is.
fn of_what_is_missing(before: &Value, after: &Value, path: &[Step]) -> bool {
    let from = path
        .iter()
        .position(|step| matches!(step, Step::Key(key) if ["env", "envFrom", "volumes"].contains(&key.as_str())));
    let Some(from) = from else {
        return false;
    };
    let refers = |pod| {
        let end = path.len().min(from + 2);
        at(pod, &path[..end]).is_some_and(|item| item.to_string().contains("\"missing\""))
    };
    refers(before) || refers(after)
}

/// The security context in force for each container, and all else as it is.
fn security(pod: &Value) -> (Vec<Value>, Value) {
    let mut rest = pod.clone();
    let of_pod = rest["spec"]["securityContext"].take();
    let mut in_force = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in rest["spec"][list].as_array_mut().into_iter().flatten() {
            let mut all = of_pod.as_object().cloned().unwrap_or_default();
            all.extend(
                container["securityContext"]
                    .take()
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
            );
            in_force.push(normal(&Value::Object(all)));
        }
    }
    (in_force, normal(&rest))
}

/// Parts of a security context that have no say: a privileged container has everything, the profile strict leaves
/// nothing to take away, and trusted takes away nothing.
fn confinement(before: &Value, after: &Value, path: &[Step]) -> bool {
    let Some(from) = path
        .iter()
        .position(|step| *step == Step::Key("securityContext".to_owned()))
    else {
        return false;
    };
    let fields: Vec<&str> = match path.get(from + 1) {
        Some(Step::Key(field)) => vec![field],
        _ => [before, after]
            .iter()
            .filter_map(|pod| at(pod, path)?.as_object())
            .flat_map(|map| map.keys().map(String::as_str))
            .collect(),
    };
    let of_calls = [
        "allowPrivilegeEscalation",
        "appArmorProfile",
        "capabilities",
        "seLinuxOptions",
        "seccompProfile",
    ];
    let free = |pod: &Value| {
        containers(pod).any(|(_, container)| container["securityContext"]["privileged"] == true)
            || pod["metadata"]["annotations"]["vks.io/profile"] != "default"
    };
    // As the pod says it anyway, or as nobody says it.
    let of_pod = |field: &str| {
        let said = at(after, &path[..=from]).map_or(&Value::Null, |context| &context[field]);
        is_zero(said) || *said == before["spec"]["securityContext"][field]
    };
    // Said with the words of what holds anyway.
    let unsaid = |field: &str| {
        [before, after].iter().all(|pod| {
            at(pod, &path[..=from]).is_none_or(|context| is_zero(&normal(&context[field])))
        })
    };
    fields.iter().all(|field| match *field {
        "allowPrivilegeEscalation" => at(after, path) != Some(&Value::Bool(false)) || free(before),
        "privileged" => free(before) || unsaid(field),
        "capabilities" if same_capabilities(before, after, &path[..=from]) => true,
        // Not every volume has an owner to change.
        "fsGroupChangePolicy" => true,
        "supplementalGroupsPolicy" => {
            !containers(before).any(|(_, one)| !one["securityContext"]["runAsUser"].is_null())
        }
        // Without labels it says nothing, and with them it is refused.
        "procMount" | "runAsNonRoot" | "seLinuxChangePolicy" => true,
        field if of_calls.contains(&field) => free(before) || unsaid(field),
        field => of_pod(field),
    })
}

/// All dropped leaves what is added by name: to add all of them beside it says nothing, as with containerd.
fn same_capabilities(before: &Value, after: &Value, context: &[Step]) -> bool {
    let of = |pod: &Value| {
        let said = at(pod, context).map_or(Value::Null, |context| context["capabilities"].clone());
        let list = |key: &str| said[key].as_array().cloned().unwrap_or_default();
        let (mut add, drop) = (list("add"), list("drop"));
        if drop.iter().any(|name| name == "ALL") {
            add.retain(|name| name != "ALL");
        }
        (add, drop)
    };
    of(before) == of(after)
}

/// Names of a pod that shares those of the host, domains without a name in them, and what is as it would be anyway.
fn names(before: &Value, after: &Value, path: &[Step]) -> bool {
    let [Step::Key(_), Step::Key(field), ..] = path else {
        return false;
    };
    let on_host = |pod: &Value| pod["spec"]["hostNetwork"] == true;
    let spec = &before["spec"];
    let cluster = |pod: &Value| match pod["spec"]["dnsPolicy"].as_str() {
        None | Some("ClusterFirst") => !on_host(pod),
        other => other == Some("ClusterFirstWithHostNet"),
    };
    match field.as_str() {
        "hostname" | "subdomain" | "setHostnameAsFQDN" if on_host(before) => true,
        "hostname" | "subdomain" => !spec["hostnameOverride"].is_null(),
        "setHostnameAsFQDN" => spec["subdomain"].is_null(),
        "dnsPolicy" => cluster(before) == cluster(after),
        "hostIPC" => {
            let shared = |pod: &Value| pod["spec"]["hostIPC"].as_bool().unwrap_or(on_host(pod));
            shared(before) == shared(after)
        }
        _ => false,
    }
}

/// An input that nobody keeps open, and what of the pod's own resources its containers use up.
fn resources(before: &Value, after: &Value, path: &[Step]) -> bool {
    let last = path.last();
    let above = at(before, &path[..path.len() - 1]);
    // The pod is sure of what its containers are sure of.
    if path.len() > 1
        && path[1] == Step::Key("resources".to_owned())
        && !before["spec"]["resources"]["requests"].is_null()
    {
        return true;
    }
    let is = |name: &str| last == Some(&Step::Key(name.to_owned()));
    if is("stdinOnce") {
        return above.is_none_or(|container| container["stdin"] != true);
    }
    // The container that refers is meant when none is named.
    if is("containerName") {
        let container = at(before, &path[..4]).or(at(after, &path[..4]));
        let own = container.map(|container| &container["name"]);
        return above.is_some_and(|from| {
            from["containerName"].is_null() || Some(&from["containerName"]) == own
        });
    }
    false
}

/// Whether it is about what a pod asks for as a whole.
fn of_pod(path: &[Step]) -> bool {
    path.get(1) == Some(&Step::Key("resources".to_owned()))
}

/// What a pod asks for as a whole: requests and limits of CPU and memory in thousandths, the sums of its containers where it
/// says nothing itself. So a pod that says just that says nothing new.
fn whole(pod: &Value) -> [Option<u128>; 4] {
    let own = |kind: &str, what: &str| amount(&pod["spec"]["resources"][kind][what]);
    let of = |what: &str| {
        let limit =
            own("limits", what).or_else(|| sum(pod, true, |one| amount(&one["limits"][what])));
        let asked = |one: &Value| amount(&one["requests"][what]).or(amount(&one["limits"][what]));
        let request = own("requests", what)
            .or_else(|| sum(pod, false, asked))
            .or(limit);
        [request, limit]
    };
    let ([cpu, cpu_limit], [memory, memory_limit]) = (of("cpu"), of("memory"));
    [cpu, cpu_limit, memory, memory_limit]
}

/// The sum over what runs beside each other, or the most that an init container has with the sidecars before it; with `all`,
/// nothing unless all have some.
fn sum(pod: &Value, all: bool, of: impl Fn(&Value) -> Option<u128>) -> Option<u128> {
    let (mut beside, mut peak, mut any) = (0, 0, false);
    for (init, container) in containers(pod) {
        let some = of(&container["resources"]);
        if all && some.is_none() {
            return None;
        }
        any |= some.is_some();
        match init && container["restartPolicy"] != "Always" {
            true => peak = peak.max(beside + some.unwrap_or(0)),
            false => beside += some.unwrap_or(0),
        }
    }
    any.then_some(beside.max(peak))
}

/// An amount in thousandths, of the kinds in `values.rs` and `rules.rs`.
fn amount(value: &Value) -> Option<u128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let units = [("Mi", 1000 << 20), ("Gi", 1000 << 30), ("m", 1), ("", 1000)];
    let (digits, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let tenths = whole.parse::<u128>().unwrap() * 10 + part.parse::<u128>().unwrap();
    Some(tenths * unit / 10)
}

/// A mount of another volume that is the same in all but its name: two volumes on one claim, or of one server.
fn same_volume(before: &Value, after: &Value, path: &[Step]) -> bool {
    let [.., Step::Key(list), Step::Index(_), Step::Key(name)] = path else {
        return false;
    };
    if list != "volumeMounts" || name != "name" {
        return false;
    }
    let volume = |pod: &Value| {
        let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let found = volumes.find(|volume| Some(&volume["name"]) == at(pod, path));
        let mut found = found.cloned().unwrap_or_default();
        found["name"] = Value::Null;
        normal(&found)
    };
    let shared = |volume: &Value| {
        ["hostPath", "nfs", "csi", "persistentVolumeClaim"]
            .iter()
            .any(|kind| !volume[kind].is_null())
    };
    shared(&volume(before)) && volume(before) == volume(after)
}

/// The restart policies in force.
fn policies(pod: &Value) -> Vec<String> {
    let of_pod = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always");
    let one = |(init, container): (bool, &Value)| {
        let own = container["restartPolicy"].as_str();
        match (init, own) {
            (true, Some("Always")) => "sidecar".to_owned(),
            (true, own) if own.unwrap_or(of_pod) == "Always" => "OnFailure".to_owned(),
            (_, own) => own.unwrap_or(of_pod).to_owned(),
        }
    };
    containers(pod).map(one).collect()
}

/// A limit without a request is the request too, and weights have steps.
fn requests(before: &Value, path: &[Step]) -> bool {
    let Some((Step::Key(last), above)) = path.split_last() else {
        return false;
    };
    last == "requests"
        && at(before, above).is_some_and(|resources| resources["requests"] == resources["limits"])
}
