//! Values for fields: each valid, and each of another meaning than the others.

use serde_json::{Value, json};
use vks::source::fields::{Given, Shape};

/// Text that is awkward in a unit file.
const AWKWARD: &[&str] = &[
    "plain",
    "a b",
    "50%",
    "%n",
    "$HOME",
    "$$",
    "\"q\"",
    "it's",
    "back\\slash",
    "é ☃",
    "# no comment",
    "a;b",
    "-",
    "new\nline",
];

/// Values for a field that has no fields of its own.
pub fn values(table: &str, given: &Given) -> Vec<Value> {
    if let Some(values) = own(table, given.name) {
        return values.as_array().unwrap().clone();
    }
    match given.shape {
        Shape::Words(words) => words.iter().map(|word| json!(word)).collect(),
        Shape::Bool => vec![json!(true), json!(false)],
        Shape::Texts => AWKWARD.windows(3).map(|texts| json!(texts)).collect(),
        Shape::Ints => vec![json!([3]), json!([42, 137]), json!([7, 8, 9])],
        Shape::Int => vec![json!(3), json!(7), json!(21)],
        shape => panic!(
            "{table}.{}: needs values of {shape:?} in integration/pods/values.rs",
            given.name
        ),
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[rustfmt::skip]
fn own(table: &str, field: &str) -> Option<Value> {
    let values = match (table, field) {
        ("Pod", "apiVersion") => json!(["v1"]),
        ("Pod", "kind") => json!(["Pod"]),
        ("ObjectMeta", "name") => json!(["p", "q.r", "a-very-long-name-0123456789"]),
        ("ObjectMeta", "namespace") => json!(["shop", "default", "other"]),
        ("ObjectMeta", "uid") => json!(["0d1f-a", "0d1f-b"]),
        ("ObjectMeta", "labels") => json!([{"app": "a"}, {"app": "b", "example.org/tier": "front"}]),
        ("ObjectMeta", "annotations") => json!([{"note": "two\nlines"}, {"note": "%n $x \"q\""}]),
        ("PodReadinessGate", "conditionType") => json!(["example.com/a", "b"]),
        ("PodSpec", "priority") => json!([1000, 7, -7]),
        ("PodSpec", "priorityClassName") => json!(["high", "system-node-critical"]),
        ("EphemeralContainer", "targetContainerName") => json!(["c1"]),
        ("EphemeralContainer", "name") => json!(["look", "peek"]),
        ("PodSpec", "activeDeadlineSeconds") => json!([60, 3600]),
        ("PodSpec", "automountServiceAccountToken") => json!([false]),
        ("PodSpec", "hostUsers") => json!([true]),
        ("PodSpec", "serviceAccount" | "serviceAccountName") => json!(["default", "web"]),
        ("PodSpec", "terminationGracePeriodSeconds") => json!([10, 30, 45]),
        ("PodSecurityContext" | "SecurityContext", "runAsUser" | "runAsGroup") => json!([0, 1000, 65534]),
        ("ContainerRestartRuleOnExitCodes", "values") => json!([[1, 2], [42], [0, 255]]),
        ("PodSpec", "hostname") => json!(["h1", "h2"]),
        ("PodSpec", "subdomain") => json!(["s1", "s2"]),
        ("PodSpec", "hostnameOverride") => json!(["over.example", "other.example"]),
        ("PodSpec", "shareProcessNamespace") => json!([false]),
        ("PodSpec", "dnsPolicy") => json!(["ClusterFirst", "ClusterFirstWithHostNet", "Default"]),
        ("HostAlias", "ip") => json!(["192.0.2.1", "2001:db8::1"]),
        ("HostAlias", "hostnames") => json!([["a.example"], ["b", "c"]]),
        ("PodDNSConfig", "nameservers") => json!([["192.0.2.53"], ["2001:db8::53"]]),
        ("PodDNSConfig", "searches") => json!([["example.org"], ["example.com", "."]]),
        ("PodDNSConfigOption", "name") => json!(["ndots", "timeout"]),
        ("PodDNSConfigOption", "value") => json!(["1", "2"]),
        ("Lifecycle", "stopSignal") => json!(["SIGQUIT", "SIGUSR1"]),
        ("ResourceFieldSelector", "containerName") => json!(["c1", "c2"]),
        ("ResourceFieldSelector", "divisor") => json!(["1m", "1"]),
        ("ResourceFieldSelector", "resource") => json!(["limits.cpu", "requests.cpu"]),
        ("PodSecurityContext", "fsGroup") => json!([2000, 3000]),
        ("PodSecurityContext", "supplementalGroups") => json!([[4000], [4001, 4002]]),
        ("PodSecurityContext", "seLinuxChangePolicy") => json!(["Recursive"]),
        ("Sysctl", "name") => json!(["net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_fin_timeout"]),
        ("Sysctl", "value") => json!(["1", "2"]),
        ("Capabilities", "add") => json!([["NET_ADMIN"], ["SYS_TIME", "SYS_PTRACE"], ["ALL"]]),
        ("Capabilities", "drop") => json!([["CHOWN"], ["KILL", "SETUID"], ["ALL"]]),
        ("SeccompProfile", "localhostProfile") => json!(["a.json", "b.json"]),
        ("AppArmorProfile", "localhostProfile") => json!(["web", "db"]),
        ("SELinuxOptions", "level") => json!(["s0:c1", "s0:c1,c2"]),
        ("SELinuxOptions", _) => json!(["a_t", "b_t"]),
        ("Container" | "EphemeralContainer", "image") => json!(["host:/bin/sh", "host:/usr/bin/sleep", "host:true"]),
        ("Container" | "EphemeralContainer", "command") => json!([["/bin/sh", "-c", "a; b"], ["/usr/bin/sleep", "$(V0)", "$$(V0)"], ["/bin/bash"]]),
        ("Container" | "EphemeralContainer", "workingDir") => json!(["/", "/srv", "/a b/50%"]),
        ("Container" | "EphemeralContainer", "terminationMessagePath") => json!(["/dev/termination-log", "/srv/end"]),
        ("ContainerPort", "containerPort" | "hostPort") => json!([80, 8080, 65535]),
        ("ContainerPort", "hostIP") => json!(["192.0.2.1", "2001:db8::1"]),
        ("ResourceRequirements", "limits") => json!([{"cpu": "2"}, {"memory": "64Mi"}, {"cpu": 1.5, "memory": "1Gi"}]),
        ("ResourceRequirements", "requests") => json!([{"cpu": "100m"}, {"memory": "16Mi"}, {"cpu": "1", "memory": "32Mi"}]),
        ("EnvVar", "value") => json!(AWKWARD),
        ("ObjectFieldSelector", "fieldPath") => json!([
            "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['app']", "metadata.annotations['note']",
            "spec.nodeName", "spec.serviceAccountName", "status.hostIP"
        ]),
        ("ConfigMapKeySelector", "name") | ("ConfigMapEnvSource" | "ConfigMapVolumeSource", "name") => json!(["conf", "missing"]),
        ("ConfigMapKeySelector", "key") => json!(["a", "b"]),
        ("SecretKeySelector" | "SecretEnvSource", "name") | ("SecretVolumeSource", "secretName") => json!(["keys", "missing"]),
        ("SecretKeySelector", "key") => json!(["k", "l"]),
        ("FileKeySelector", "key") => json!(["K", "a key"]),
        ("FileKeySelector", "path") => json!(["a.env", "b/c 50%.env"]),
        ("EnvFromSource", "prefix") => json!(["C_", "D_"]),
        ("HTTPGetAction" | "TCPSocketAction", "host") => json!(["127.0.0.1", "example.org"]),
        ("HTTPGetAction" | "TCPSocketAction", "port") => json!([80, 8080, 443]),
        ("GRPCAction", "port") => json!([9000, 9001]),
        ("GRPCAction", "service") => json!(["a.B", "c"]),
        ("HTTPGetAction", "path") => json!(["/healthz", "/a?b=%20c"]),
        ("HTTPHeader", "name") => json!(["X-A", "Host"]),
        ("HTTPHeader", "value") => json!(["b", "c d"]),
        ("HostPathVolumeSource", "path") => json!(["/srv", "/var/a b", "/50%"]),
        ("VolumeMount", "mountPath") => json!(["/mnt/x", "/mnt/a b", "/mnt/50%"]),
        // Set by the rules, by number.
        ("Container" | "EnvVar" | "Volume" | "ContainerPort", "name") => json!(["n"]),
        ("VolumeMount", "name") | ("FileKeySelector", "volumeName") => json!(["v0", "v1", "v2"]),
        _ => return super::storage::values(table, field),
    };
    Some(values)
}
