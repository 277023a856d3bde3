//! Names, namespaces, terminals, signals, resources and devices: what is right, and what is wrong and how it is said.

use super::*;
use crate::model::naming::{DnsPolicy, Sharing};
use crate::model::pod::{Pod, Resize, Resources};
use crate::model::process::{Device, Stdio};
use crate::model::quantity::{Bytes, CpuMillis};

/// A pod with a line in its spec, which is line 4, and one in its container, which is line 6.
fn text(spec: &str, container: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  hostNetwork: false\n  {spec}\n  containers:\n  - {container}\n    name: b\n    image: host:true\n"
    )
}

fn pod(spec: &str, container: &str) -> Pod {
    let text = text(spec, container);
    let mut parsed = parse(Path::new("/x.yaml"), text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    parsed.pods.remove(0)
}

const SPECS: &[(&str, &str)] = &[
    ("hostname: a.b", "hostname: "),
    ("hostname: A", "hostname: "),
    ("subdomain: a_b", "subdomain: "),
    (
        "{setHostnameAsFQDN: true, hostnameOverride: x}",
        "hostnameOverride: cannot be together with setHostnameAsFQDN: remove one of them",
    ),
    (
        "{hostNetwork: true, hostnameOverride: x}",
        "hostnameOverride: has no meaning with hostNetwork: true: remove one of them",
    ),
    (
        "hostAliases: [{ip: 1.2.3, hostnames: [a]}]",
        "hostAliases[0].ip: is not an IP address: write one such as 192.0.2.7 or 2001:db8::7",
    ),
    (
        "hostAliases: [{ip: 1.2.3.4}]",
        "hostAliases[0]: names nothing: add at least one name to hostnames",
    ),
    (
        "hostAliases: [{ip: 1.2.3.4, hostnames: [a b]}]",
        "hostAliases[0].hostnames[0]: ",
    ),
    (
        "dnsPolicy: none",
        "dnsPolicy: unknown value: write ClusterFirst, ClusterFirstWithHostNet, Default or None",
    ),
    (
        "dnsPolicy: None",
        "dnsPolicy: None leaves the pod without name servers: add one to dnsConfig.nameservers",
    ),
    (
        "dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}",
        "dnsConfig: has more than 3 nameservers: remove some",
    ),
    (
        "dnsConfig: {searches: [a b]}",
        "dnsConfig.searches[0]: is not a domain: write one such as example.org",
    ),
    (
        "dnsConfig: {options: [{name: 'ndots:2'}]}",
        "dnsConfig.options[0].name: must be one word without ':': correct it",
    ),
    (
        "shareProcessNamespace: true",
        "shareProcessNamespace: systemd cannot give several services one pid namespace of their own: remove the field, \
         or set hostPID: true if containers may see all processes of the host",
    ),
    (
        "{hostPID: true, hostUsers: false}",
        "hostUsers: false cannot be together with hostPID: true: remove one of them",
    ),
    (
        "resources: {limits: {hugepages-2Mi: 4Mi}}",
        "resources.limits[\"hugepages-2Mi\"]: systemd has no setting for huge pages (the hugetlb controller): remove it",
    ),
];

#[test]
fn specs() {
    for (line, wanted) in SPECS {
        let block = line
            .strip_prefix('{')
            .and_then(|line| line.strip_suffix('}'));
        let line = match block {
            Some(both) => both.replace(", ", "\n  "),
            None => (*line).to_owned(),
        };
        let manifest = text(&line, "tty: false").replace(
            "  hostNetwork: false\n",
            match block {
                Some(_) => "",
                None => "  hostNetwork: false\n",
            },
        );
        let found = problems("/x.yaml", &manifest);
        let starts = |problem: &String| {
            problem
                .split_once(": ")
                .is_some_and(|(_, rest)| rest.starts_with(&format!("spec.{wanted}")))
        };
        assert!(found.iter().any(starts), "{line}: {found:#?}");
    }
}

const CONTAINERS: &[(&str, &str)] = &[
    (
        "stdin: 1",
        "stdin: expected true or false, found a whole number",
    ),
    (
        "lifecycle: {stopSignal: TERM}",
        "lifecycle.stopSignal: \"TERM\" is no signal: write a name such as SIGTERM, SIGUSR1, SIGRTMIN+3 or SIGRTMAX-1",
    ),
    (
        "resources: {limits: {ephemeral-storage: 1Gi}}",
        "resources.limits[\"ephemeral-storage\"]: systemd has no limit on what a service writes to disk: remove it, or set \
         the sizeLimit of an emptyDir in memory",
    ),
    (
        "resources: {limits: {nvidia.com/gpu: 1}}",
        "resources.limits[\"nvidia.com/gpu\"]: vks knows no device plugins: remove it, and name the device in the annotation \
         vks.io/device",
    ),
    (
        "resizePolicy: [{resourceName: gpu, restartPolicy: NotRequired}]",
        "resizePolicy[0].resourceName: unknown value: write cpu or memory",
    ),
    (
        "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: NotRequired}]",
        "resizePolicy[1]: the resource is there twice: remove one",
    ),
];

#[test]
fn containers() {
    for (line, wanted) in CONTAINERS {
        let found = problems("/x.yaml", &text("subdomain: x", line));
        assert_eq!(found, [format!("6: spec.containers[0].{wanted}")], "{line}");
    }
}

#[test]
fn what_is_right_arrives() {
    let named = pod(
        "dnsPolicy: None\n  hostname: h\n  subdomain: s\n  setHostnameAsFQDN: true\n  hostIPC: true\n  hostPID: false\n  \
         dnsConfig: {nameservers: [1.1.1.1], searches: [a.example, ., _x.y], options: [{name: ndots, value: '2'}, {name: single}]}\n  \
         hostAliases: [{ip: '::1', hostnames: [x, y.z]}]\n  resources: {limits: {cpu: 2}, requests: {memory: 1Gi}}",
        "stdin: true\n    stdinOnce: true\n    tty: true\n    lifecycle: {stopSignal: SIGRTMIN+3}\n    \
         resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]\n    \
         resources: {requests: {ephemeral-storage: 1Gi}, limits: {hugepages-1Gi: 0}}",
    );
    let naming = &named.spec.naming;
    assert_eq!(naming.dns_policy, DnsPolicy::None);
    assert!(naming.fqdn && naming.host_aliases.len() == 1);
    let option = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(
        naming.dns.options,
        [option("ndots", Some("2")), option("single", None)]
    );
    let sharing = Sharing {
        host_ipc: Some(true),
        host_pid: Some(false),
        own_users: false,
    };
    assert_eq!(named.spec.sharing, sharing);
    let own = |users: &str| {
        pod(&format!("hostUsers: {users}"), "")
            .spec
            .sharing
            .own_users
    };
    assert!(own("false") && !own("true"));
    let whole = Resources {
        cpu_request: Some(CpuMillis(2000)),
        cpu_limit: Some(CpuMillis(2000)),
        memory_request: Some(Bytes(1 << 30)),
        memory_limit: None,
    };
    assert_eq!(named.spec.resources, whole);
    let container = &named.spec.containers[0];
    assert_eq!(
        container.stdio,
        Stdio {
            stdin: true,
            once: true,
            tty: true
        }
    );
    assert_eq!(
        container.stop_signal.map(|signal| signal.number()),
        Some(37)
    );
    assert_eq!(
        container.resize,
        Resize {
            cpu: false,
            memory: true
        }
    );
    assert!(container.resources.is_default());
}

#[test]
fn devices_are_annotations() {
    let with = |annotations: &str| {
        text("subdomain: x", "tty: false").replace(
            "name: a}",
            &format!("name: a, annotations: {{{annotations}}}}}"),
        )
    };
    let good = with("vks.io/device: '/dev/ttyUSB0, /dev/sdb:r', device.vks.io/b: '/dev/fuse:rwm'");
    let parsed = parse(Path::new("/x.yaml"), good.as_bytes());
    assert_eq!(parsed.problems, []);
    let device = |container: Option<&str>, path: &str, access: &str| Device {
        container: container.map(|name| name.parse().unwrap()),
        path: path.to_owned(),
        access: access.to_owned(),
    };
    let wanted = [
        device(Some("b"), "/dev/fuse", "rwm"),
        device(None, "/dev/ttyUSB0", "rw"),
        device(None, "/dev/sdb", "r"),
    ];
    assert_eq!(parsed.pods[0].spec.devices, wanted);
    for (bad, message) in [
        (
            "vks.io/device: ttyUSB0",
            "\"ttyUSB0\" is no device: write a path such as /dev/ttyUSB0 or /dev/sdb:r",
        ),
        ("vks.io/device: /dev/../x", "is no device"),
        (
            "vks.io/device: '/dev/x:rx'",
            "\"rx\" is no access: write letters of rwm, each once",
        ),
        (
            "device.vks.io/z: /dev/x",
            "the pod has no container \"z\": correct the name",
        ),
    ] {
        let found = problems("/x.yaml", &with(bad));
        assert!(
            found.len() == 1 && found[0].contains(message),
            "{bad}: {found:?}"
        );
    }
}
