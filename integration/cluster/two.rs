//! Two nodes with a mesh between them: services, each kind of workload by the real controllers, a rolling update that no
//! client notices, and a node that is drained.

use super::host::Host;
use super::node::{LONG, Node, own_with};
use super::services::{balances_offline, balances_over_two_nodes};

#[test]
fn two_nodes_are_one_cluster() {
    let Some(node) = own_with("two", "[wireguard]\n") else {
        return;
    };
    let other = node.beside("n2", "10.200.0.3");
    // The hosts find each other by what they say of themselves in their Node objects.
    for host in [&node.host, &other] {
        host.wait("vks wireguard show 2>/dev/null | grep -q 10.200.0");
    }
    // Its minute comes while the rest is looked at.
    node.plane.apply(
        "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: minute}\nspec: {schedule: '* * * * *', jobTemplate: \
         {spec: {template: {spec: {hostNetwork: true, automountServiceAccountToken: false, restartPolicy: Never, \
         containers: [{name: main, image: 'host:true'}]}}}}}\n",
    );
    let ip = balances_over_two_nodes(&node, &other);
    // First: after the API server was away, the scheduler may hear of other things than nodes for half a minute, and would put
    // pods on the one that is drained.
    balances_offline(&node, &other, &ip);
    node.ready();
    workloads_have_pods_on_both(&node);
    a_rolling_update_loses_no_request(&node, &other);
    let done = [
        "get",
        "jobs",
        "-o",
        "jsonpath={range .items[?(@.status.succeeded==1)]}{.metadata.name} {end}",
    ];
    node.plane
        .wait_for("a job of the CronJob", LONG, &done, |text| {
            text.contains("minute-")
        });
    a_drained_node_has_no_pods_of_controllers_that_may_go(&node, &other);
}

/// A workload whose pods would rather not share a node.
fn workload(kind: &str, version: &str, name: &str, more: &str, spec: &str) -> String {
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{more}  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    spec:\n      automountServiceAccountToken: false\n      affinity: {{podAntiAffinity: \
         {{preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 100, podAffinityTerm: {{topologyKey: \
         kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: {name}}}}}}}}}]}}}}\n{spec}"
    )
}

/// The nodes on which the pods of an app are.
fn nodes_of(node: &Node, app: &str) -> String {
    let label = format!("app={app}");
    let path = "jsonpath={range .items[*]}{.spec.nodeName}{'\\n'}{end}";
    let nodes = node
        .plane
        .kubectl_ok(&["get", "pods", "-l", &label, "-o", path]);
    let mut nodes: Vec<&str> = nodes.lines().collect();
    nodes.sort_unstable();
    nodes.join(" ")
}

fn workloads_have_pods_on_both(node: &Node) {
    let sleeps = "      hostNetwork: true\n      containers: [{name: main, image: 'host:sleep', args: ['86400']}]\n";
    let selects = |name: &str| format!("  selector: {{matchLabels: {{app: {name}}}}}\n");
    let two = |name: &str, more: &str| format!("  replicas: 2\n{more}{}", selects(name));
    for (kind, name, more) in [
        ("Deployment", "w-dep", two("w-dep", "")),
        ("DaemonSet", "w-each", selects("w-each")),
        (
            "StatefulSet",
            "w-set",
            two("w-set", "  serviceName: w-set\n"),
        ),
    ] {
        node.plane
            .apply(&workload(kind, "apps/v1", name, &more, sleeps));
    }
    let once = "      hostNetwork: true\n      restartPolicy: Never\n      containers: [{name: main, image: 'host:sh', \
                args: [-c, 'sleep 3']}]\n";
    node.plane.apply(&workload(
        "Job",
        "batch/v1",
        "w-job",
        "  completions: 2\n  parallelism: 2\n",
        once,
    ));
    for name in ["deployment/w-dep", "daemonset/w-each", "statefulset/w-set"] {
        node.plane
            .kubectl_ok(&["rollout", "status", name, "--timeout=120s"]);
    }
    node.plane.kubectl_ok(&[
        "wait",
        "job/w-job",
        "--for=condition=complete",
        "--timeout=80s",
    ]);
    for app in ["w-dep", "w-each", "w-set", "w-job"] {
        assert_eq!(nodes_of(node, app), "n1 n2", "{app}");
    }
    let names = [
        "get",
        "pods",
        "-l",
        "app=w-set",
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ];
    assert_eq!(node.plane.kubectl_ok(&names), "w-set-0 w-set-1");
}

/// A rolling update, while clients on both nodes ask again and again, at most twice for each answer.
fn a_rolling_update_loses_no_request(node: &Node, other: &Host) {
    let server = "      containers: [{name: main, image: 'host:/usr/bin/python3', args: [-m, http.server, '7000', --bind, \
                  '0.0.0.0', --directory, /etc/vks], readinessProbe: {httpGet: {port: 7000}, periodSeconds: 1}, \
                  lifecycle: {preStop: {exec: {command: [sleep, '3']}}}, env: [{name: ROUND, value: 'first'}]}]\n";
    let more = "  replicas: 4\n  selector: {matchLabels: {app: roll}}\n  \
                strategy: {rollingUpdate: {maxUnavailable: 1, maxSurge: 1}}\n";
    node.plane
        .apply(&workload("Deployment", "apps/v1", "roll", more, server));
    let status = ["rollout", "status", "deployment/roll", "--timeout=240s"];
    node.plane.kubectl_ok(&status);
    node.plane.kubectl_ok(&[
        "expose",
        "deployment",
        "roll",
        "--port=80",
        "--target-port=7000",
    ]);
    let ip = node.get(&["service", "roll"])["spec"]["clusterIP"].clone();
    let ip = ip.as_str().unwrap();
    let file = "/var/lib/vks/cluster/service.default.roll.json";
    for host in [&node.host, other] {
        host.wait(&format!("test $(grep -o '\"ip\"' {file} | wc -l) = 4"));
        host.wait(&format!("curl -sf -o /dev/null http://{ip}/"));
    }
    let nodes = nodes_of(node, "roll");
    assert!(nodes.contains("n1") && nodes.contains("n2"), "{nodes}");
    let client = format!(
        "asked=0; lost=0; until test -e /run/enough; do asked=$((asked+1)); \
         curl -sf -o /dev/null --connect-timeout 2 --max-time 5 http://{ip}/ || \
         curl -sf -o /dev/null --connect-timeout 2 --max-time 5 http://{ip}/ || lost=$((lost+1)); done; \
         echo $asked $lost >/run/asked"
    );
    for host in [&node.host, other] {
        host.machine
            .ok(&["systemd-run", "--unit=client", "sh", "-c", &client]);
    }
    node.plane
        .kubectl_ok(&["set", "env", "deployment/roll", "ROUND=second"]);
    node.plane.kubectl_ok(&status);
    for host in [&node.host, other] {
        host.ok("touch /run/enough");
        host.wait("test -s /run/asked");
        let said = host.ok("cat /run/asked");
        let numbers: Vec<u32> = said
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        eprintln!("during a rolling update: asked and lost {numbers:?}");
        assert!(
            numbers[0] > 50 && numbers[1] == 0,
            "asked, and lost: {numbers:?}"
        );
    }
}

fn a_drained_node_has_no_pods_of_controllers_that_may_go(node: &Node, other: &Host) {
    node.plane.kubectl_ok(&[
        "drain",
        "n2",
        "--ignore-daemonsets",
        "--force",
        "--delete-emptydir-data",
        "--timeout=120s",
    ]);
    let field = "spec.nodeName=n2,status.phase=Running";
    let left = node.plane.kubectl_ok(&[
        "get",
        "pods",
        "--field-selector",
        field,
        "-o",
        "jsonpath={.items[*].metadata.labels.app}",
    ]);
    assert_eq!(left, "w-each");
    other.wait("test $(vks get pods --no-headers | wc -l) = 1");
    // They come up elsewhere, and this node takes pods again.
    node.plane
        .kubectl_ok(&["rollout", "status", "deployment/w-dep", "--timeout=120s"]);
    assert_eq!(nodes_of(node, "w-dep"), "n1 n1");
    node.plane.kubectl_ok(&["uncordon", "n2"]);
    node.plane
        .kubectl_ok(&["scale", "deployment/w-dep", "--replicas=4"]);
    node.plane
        .kubectl_ok(&["rollout", "status", "deployment/w-dep", "--timeout=120s"]);
    assert!(nodes_of(node, "w-dep").contains("n2"));
}
