//! Config maps, secrets and tokens reach pods, by the rights of a node alone.

use super::node::{pod, shared};

#[test]
fn config_maps_and_secrets_are_there_and_kept_up_to_date() {
    let Some(node) = shared() else { return };
    node.plane.kubectl_ok(&[
        "create",
        "configmap",
        "words",
        "--from-literal=greeting=hello",
    ]);
    node.plane.kubectl_ok(&[
        "create",
        "secret",
        "generic",
        "hidden",
        "--from-literal=key=hunter2",
    ]);
    let manifest = pod("reader", "echo $GREETING >/t/greeting; exec sleep 3600").replace(
        "args:",
        "env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}], \
                  volumeMounts: [{name: w, mountPath: /mnt}], args:",
    ) + "  volumes: [{name: w, projected: {sources: [{configMap: {name: words}}, {secret: {name: hidden}}]}}]\n";
    node.plane.apply(&manifest);
    node.wait(&["pod", "reader"], "{.status.phase}", "Running");
    node.host.wait("grep -qx hello /t/greeting");
    let pid = node.pid("vks.default.reader.sh.service");
    let root = format!("/proc/{pid}/root/mnt");
    node.host.wait(&format!(
        "grep -qx hello {root}/greeting && grep -qx hunter2 {root}/key"
    ));
    node.host
        .ok("test $(stat -c %a /var/lib/vks/cluster) = 700");
    node.host
        .ok("test $(stat -c %a /var/lib/vks/cluster/secret.default.hidden.json) = 600");
    let patch = r#"{"data":{"greeting":"goodbye"}}"#;
    node.plane
        .kubectl_ok(&["patch", "configmap", "words", "-p", patch]);
    node.host.wait(&format!("grep -qx goodbye {root}/greeting"));
    assert_eq!(node.pid("vks.default.reader.sh.service"), pid);
    node.plane
        .kubectl_ok(&["delete", "pod", "reader", "--grace-period=1"]);
    node.host
        .wait("! ls /var/lib/vks/cluster | grep -qE 'words|hidden'");
}

#[test]
fn what_is_missing_is_waited_for() {
    let Some(node) = shared() else { return };
    let manifest = pod("waiter", "exec sleep 3600")
        .replace("args:", "envFrom: [{secretRef: {name: later}}], args:");
    node.plane.apply(&manifest);
    let reason = "{.status.containerStatuses[0].state.waiting.reason}";
    node.wait(&["pod", "waiter"], reason, "CreateContainerConfigError");
    node.plane
        .kubectl_ok(&["create", "secret", "generic", "later", "--from-literal=A=b"]);
    node.wait(&["pod", "waiter"], "{.status.phase}", "Running");
}

#[test]
fn a_token_of_the_service_account_is_bound_to_the_pod() {
    let Some(node) = shared() else { return };
    let manifest = pod("tokened", "exec sleep 3600").replace(
        "args:",
        "volumeMounts: [{name: t, mountPath: /run/token}], args:",
    ) + "  volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: token, audience: somebody, expirationSeconds: 600}}]}}]\n";
    node.plane.apply(&manifest);
    node.wait(&["pod", "tokened"], "{.status.phase}", "Running");
    let pid = node.pid("vks.default.tokened.sh.service");
    node.host
        .wait(&format!("test -s /proc/{pid}/root/run/token/token"));
    let claims = node.host.ok(&format!(
        "python3 -c 'import base64,sys; p=open(\"/proc/{pid}/root/run/token/token\").read().split(\".\")[1]; print(base64.urlsafe_b64decode(p+\"===\").decode())'"
    ));
    let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["aud"][0], "somebody");
    let uid = node.get(&["pod", "tokened"])["metadata"]["uid"].clone();
    assert_eq!(claims["kubernetes.io"]["pod"]["uid"], uid);
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 600);
}

#[test]
fn a_claim_is_the_volume_that_it_is_bound_to() {
    let Some(node) = shared() else { return };
    node.host
        .ok("mkdir -p /srv/kept && echo kept >/srv/kept/file");
    node.plane.apply(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: kept}\nspec:\n  capacity: {storage: 1Gi}\n  \
         accessModes: [ReadWriteOnce]\n  storageClassName: ''\n  hostPath: {path: /srv/kept}\n---\n\
         apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
         storageClassName: ''\n  volumeName: kept\n  resources: {requests: {storage: 1Gi}}\n",
    );
    let manifest = pod("claimant", "cat /data/file >/t/claimed; exec sleep 3600").replace(
        "args:",
        "volumeMounts: [{name: d, mountPath: /data}], args:",
    ) + "  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n";
    node.plane.apply(&manifest);
    node.wait(&["pod", "claimant"], "{.status.phase}", "Running");
    node.host.wait("grep -qx kept /t/claimed");
}
