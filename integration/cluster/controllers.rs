//! What the real controllers and the real scheduler make for the node.

use super::node::{LONG, shared};

const TEMPLATE: &str = "{metadata: {labels: {app: NAME}}, spec: {hostNetwork: true, automountServiceAccountToken: false, \
                        containers: [{name: main, image: 'host:sleep', args: ['3600']}]}}";

fn workload(kind: &str, name: &str, more: &str) -> String {
    let template = TEMPLATE.replace("NAME", name);
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template: {template}\n{more}"
    )
}

#[test]
fn a_deployment_rolls_out_scales_and_goes() {
    let Some(node) = shared() else { return };
    node.plane
        .apply(&workload("Deployment", "dep", "  replicas: 3\n"));
    node.plane
        .kubectl_ok(&["rollout", "status", "deployment/dep", "--timeout=80s"]);
    node.plane
        .kubectl_ok(&["scale", "deployment/dep", "--replicas=1"]);
    let args = ["get", "pods", "-l", "app=dep", "-o", "name"];
    node.plane
        .wait_for("one pod", LONG, &args, |text| text.lines().count() == 1);
    node.plane
        .kubectl_ok(&["rollout", "restart", "deployment/dep"]);
    node.plane
        .kubectl_ok(&["rollout", "status", "deployment/dep", "--timeout=80s"]);
    node.plane.kubectl_ok(&["delete", "deployment", "dep"]);
    node.plane.wait_for("no pod", LONG, &args, str::is_empty);
    node.host
        .wait("! ls /etc/systemd/system.attached | grep -q dep");
}

#[test]
fn a_job_completes() {
    let Some(node) = shared() else { return };
    node.plane.apply(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec:\n  template: {spec: {hostNetwork: true, \
         automountServiceAccountToken: false, restartPolicy: Never, containers: [{name: main, image: 'host:true'}]}}\n",
    );
    node.plane.kubectl_ok(&[
        "wait",
        "job/once",
        "--for=condition=complete",
        "--timeout=80s",
    ]);
}

#[test]
fn a_daemon_set_has_its_pod_here() {
    let Some(node) = shared() else { return };
    node.plane.apply(&workload("DaemonSet", "each", ""));
    node.plane
        .kubectl_ok(&["rollout", "status", "daemonset/each", "--timeout=80s"]);
    let pod = node.get(&["pods", "-l", "app=each"]);
    assert_eq!(pod["items"][0]["spec"]["nodeName"], "n1");
}
