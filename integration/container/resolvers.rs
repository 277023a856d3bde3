//! Daemons of the host that answer for names, running in earnest: the C library in pods asks none of them, whenever they start.
//! Judged by getent, nscd's own counts and strace.

use super::host::{Host, own};
use super::network::wait_endpoints;
use super::space::{Pod, Space, sleeper};
use serde_json::json;

/// What nscd has been asked for hosts, in its own words.
fn asked(host: &Host) -> String {
    let part = "nscd -g | sed -n '/^hosts cache/,/^services cache/p' | grep -E 'hits|misses|cached values'";
    host.ok(part)
}

/// Whether a container finds something else than the host's socket.
fn wait_hidden(host: &Host, pod: &Pod, socket: &str) {
    let path = format!("/proc/{}/root{socket}", pod.pid("c"));
    host.wait(&format!("test -e {path} && test $(stat -c %a {path}) = 0"));
}

fn finds_nothing(host: &Host) {
    let said = host.vks(&[
        "exec",
        "p",
        "-n",
        "res",
        "--",
        "getent",
        "hosts",
        "leak.test",
    ]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
}

#[test]
fn lookups_of_pods_go_by_none_of_the_hosts_daemons() {
    let Some(host) = own("resolvers") else { return };
    let host = &host;
    host.ok("echo 192.0.2.99 leak.test >>/etc/hosts; systemctl unmask nscd.service systemd-resolved.service; systemctl start nscd.service");
    let by_host = "strace -f -e trace=connect getent hosts leak.test 2>&1";
    host.wait(&format!("{by_host} | grep -q 'nscd/socket.*= 0'"));
    assert!(host.ok(by_host).contains("192.0.2.99"));
    let space = Space::new(host, "res");
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "res" },
        "spec": { "selector": { "app": "p" }, "clusterIP": "10.96.3.6", "ports": [{ "port": 80 }] } });
    let options =
        json!([{ "name": "timeout", "value": "1" }, { "name": "attempts", "value": "2" }]);
    let mut pod = space.manifest(
        "p",
        &json!({ "hostNetwork": false, "dnsConfig": { "options": options }, "containers": [sleeper("c")] }),
    );
    pod["metadata"]["labels"] = json!({ "app": "p" });
    space.apply_ok("objects", &[service, pod]);
    let pod = space.known("p");
    pod.wait_for("condition=Ready");
    wait_endpoints(host, "res", "web", 2);
    let before = asked(host);
    wait_hidden(host, &pod, "/run/nscd/socket");
    finds_nothing(host);
    assert_eq!(asked(host), before, "nscd was asked");

    // One that starts under a running container makes its socket anew.
    host.ok("systemctl restart nscd.service");
    wait_hidden(host, &pod, "/run/nscd/socket");
    let before = asked(host);
    finds_nothing(host);
    assert_eq!(asked(host), before, "nscd was asked");

    // The other one, by its module of the C library, which the pod has too.
    host.ok("systemctl stop nscd.service; echo 'hosts: resolve [!UNAVAIL=return] dns' >/t/nsswitch; \
             cat /t/nsswitch >/etc/nsswitch.conf; systemctl start dbus.service systemd-resolved.service");
    host.wait("getent hosts leak.test | grep -q 192.0.2.99");
    wait_hidden(host, &pod, "/run/systemd/resolve/io.systemd.Resolve");
    finds_nothing(host);
    let name = "web.res.svc.cluster.local";
    let found = host.vks_ok(&["exec", "p", "-n", "res", "--", "getent", "hosts", name]);
    assert!(found.starts_with("10.96.3.6"), "{found}");
}
