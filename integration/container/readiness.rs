//! Readiness probes of each kind, and the timings all probes share.

use super::host::shared;
use super::servers::Server;
use super::space::{Pod, Space, sleeper, with};
use serde_json::{Value, json};

/// A pod with a server and a readiness probe that asks it, every second unless `more` says otherwise.
fn probed<'a>(space: &'a Space<'a>, server: &Server, check: &Value, more: &Value) -> Pod<'a> {
    let mut probe = json!({ "periodSeconds": 1, "failureThreshold": 1 });
    for part in [check, more] {
        probe = with(probe, part);
    }
    space.pod(
        "probed",
        &json!({ "containers": [server.container("c", &json!({ "readinessProbe": probe }))] }),
    )
}

/// Ready follows the answers, and the container is left alone.
fn follows(pod: &Pod, server: &Server, good: &str, bad: &str) {
    pod.wait_for("condition=Ready");
    assert_eq!(pod.container("c")["ready"], true);
    let life = pod.life("c");
    server.answers(bad);
    pod.wait_for("condition=Ready=False");
    let status = pod.container("c");
    assert_eq!(status["ready"], false);
    assert!(status["state"]["running"].is_object(), "{status}");
    assert_eq!(
        pod.condition("ContainersReady")["reason"],
        "ContainersNotReady"
    );
    server.answers(good);
    pod.wait_for("condition=Ready");
    assert_eq!(pod.life("c"), life);
    assert_eq!(pod.restarts("c"), 0);
}

#[test]
fn http() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rhttp");
    let server = Server::new(&space, "http", "204");
    let check = json!({ "httpGet": {
        "port": server.port, "path": "/ok?a=b%20c",
        "httpHeaders": [{ "name": "X-Test", "value": "one" }, { "name": "X-Test", "value": "two" }],
    } });
    let pod = probed(&space, &server, &check, &json!({}));
    // A redirection is followed on this host; one to another host is good enough, as for the kubelet.
    follows(&pod, &server, "302", "500");
    follows(&pod, &server, "307 204", "307 500");
    let (_, first) = server.asked().remove(0);
    let (path, headers): (String, Vec<(String, String)>) = serde_json::from_str(&first).unwrap();
    assert_eq!(path, "/ok?a=b%20c");
    let of = |name: &str| -> Vec<&str> {
        headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    };
    assert_eq!(of("x-test"), ["one", "two"]);
    assert_eq!(of("user-agent").len(), 1, "{headers:?}");
    assert_eq!(of("host").len(), 1, "{headers:?}");
}

#[test]
fn https_without_a_look_at_the_certificate() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rhttps");
    let server = Server::new(&space, "https", "200");
    let check = json!({ "httpGet": { "port": "web", "scheme": "HTTPS" } });
    let container = server.container(
        "c",
        &json!({
            "ports": [{ "name": "web", "containerPort": server.port }],
            "readinessProbe": with(check, &json!({ "periodSeconds": 1, "failureThreshold": 1 })),
        }),
    );
    let pod = space.pod("probed", &json!({ "containers": [container] }));
    follows(&pod, &server, "200", "404");
}

#[test]
fn tcp() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rtcp");
    let server = Server::new(&space, "tcp", "open");
    let pod = probed(
        &space,
        &server,
        &json!({ "tcpSocket": { "port": server.port } }),
        &json!({}),
    );
    follows(&pod, &server, "open", "closed");
}

#[test]
fn grpc() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rgrpc");
    let server = Server::new(&space, "grpc", "1");
    let pod = probed(
        &space,
        &server,
        &json!({ "grpc": { "port": server.port, "service": "some.Service" } }),
        &json!({}),
    );
    follows(&pod, &server, "1", "2");
    follows(&pod, &server, "1", "error");
    assert_eq!(server.asked()[0].1, "service some.Service");
}

#[test]
fn exec_in_the_container() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rexec");
    let (flag, seen) = (space.path("flag"), space.path("seen"));
    host.ok(&format!("touch {flag}"));
    let script = format!(
        "echo \"$ONE $PWD $(id -u) $(cat /mnt/x/key)\" >{seen}.new; mv {seen}.new {seen}; test -e {flag}"
    );
    space.apply_ok(
        "objects",
        &[space.object("ConfigMap", "m", &json!({ "key": "mounted" }))],
    );
    host.ok(&format!("chmod 777 {}", space.path("")));
    let pod = space.pod("probed", &json!({
        "volumes": [{ "name": "m", "configMap": { "name": "m" } }],
        "containers": [with(sleeper("c"), &json!({
            "env": [{ "name": "ONE", "value": "1 %n" }], "workingDir": "/etc",
            "securityContext": { "runAsUser": 4711 },
            "volumeMounts": [{ "name": "m", "mountPath": "/mnt/x" }],
            "readinessProbe": {
                "exec": { "command": ["/bin/sh", "-c", script] }, "periodSeconds": 1, "failureThreshold": 1,
            },
        }))],
    }));
    pod.wait_for("condition=Ready");
    assert_eq!(space.read("seen"), "1 %n /etc 4711 mounted\n");
    host.ok(&format!("rm {flag}"));
    pod.wait_for("condition=Ready=False");
    host.ok(&format!("touch {flag}"));
    pod.wait_for("condition=Ready");
}

/// The prober asks inside the pod's network: two pods have a server on one port.
#[test]
fn in_a_network_of_the_pods_own() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rown");
    let server = Server::new(&space, "http", "200");
    let spec = json!({ "hostNetwork": false, "containers": [server.container("c", &json!({
        "readinessProbe": { "httpGet": { "port": server.port }, "periodSeconds": 1, "failureThreshold": 1 },
    }))] });
    let (a, b) = (space.ready("a", &spec), space.ready("b", &spec));
    host.ok(&format!("kill -STOP {}", a.pid("c")));
    a.wait_for("condition=Ready=False");
    assert!(b.is_ready());
    host.ok(&format!("kill -CONT {}", a.pid("c")));
    a.wait_for("condition=Ready");
    assert_ne!(
        host.machine
            .exec(&["curl", "-s", &format!("http://127.0.0.1:{}/", server.port)])
            .code,
        0
    );
}

#[test]
fn delay_period_and_thresholds() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rtimes");
    let server = Server::new(&space, "http", "500");
    let pod = probed(
        &space,
        &server,
        &json!({ "httpGet": { "port": server.port } }),
        &json!({
            "initialDelaySeconds": 3, "periodSeconds": 2, "successThreshold": 3, "failureThreshold": 2,
        }),
    );
    let times: Vec<f64> = server.wait_asked(3).iter().map(|(time, _)| *time).collect();
    let ticks = host.property(&pod.unit("c"), "ExecMainStartTimestampMonotonic");
    let started = ticks.parse::<f64>().unwrap() / 1e6;
    assert!(
        times[0] - started >= 2.9,
        "first after the delay: {started} {times:?}"
    );
    let span = times[2] - times[0];
    assert!(span >= 3.8, "two periods apart: {times:?}");
    assert!(!pod.is_ready());

    // Good three times in a row, and no sooner.
    let before = server.asked().len();
    server.answers("200");
    pod.wait_for("condition=Ready");
    let good = server.asked().len() - before;
    assert!(
        good >= 2,
        "ready after {good} good answers, three are needed (one may have been under way)"
    );

    // Bad twice in a row.
    let before = server.asked().len();
    server.answers("500");
    pod.wait_for("condition=Ready=False");
    assert!(
        server.asked().len() - before >= 1,
        "not ready after one bad answer"
    );
}

#[test]
fn no_answer_in_time_is_a_failure() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "rslow");
    let server = Server::new(&space, "http", "200");
    let pod = probed(
        &space,
        &server,
        &json!({ "httpGet": { "port": server.port } }),
        &json!({ "timeoutSeconds": 1 }),
    );
    follows(&pod, &server, "200", "slow");
}

#[test]
fn gates_are_set_by_hand_and_kept() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "gates");
    let spec = json!({
        "readinessGates": [{ "conditionType": "example.com/checked" }],
        "containers": [sleeper("c")],
    });
    let pod = space.pod("p", &spec);
    pod.wait_until("its container is ready", |pod| {
        pod.condition("ContainersReady")["status"] == "True"
    });
    assert!(!pod.is_ready());
    let set = |change: &str| {
        host.vks_ok(&[
            "condition",
            "pod/p",
            change,
            "-n",
            "gates",
            "--reason",
            "Asked",
        ])
    };
    set("example.com/checked=True");
    assert!(pod.is_ready());
    let set_one = pod.condition("example.com/checked");
    assert_eq!(
        (&set_one["status"], &set_one["reason"]),
        (&json!("True"), &json!("Asked"))
    );
    // Kept over a restart of all there is; and who waits hears of a change.
    host.vks_ok(&["restart", "pod/p", "-n", "gates"]);
    host.ok("systemctl restart vks.service");
    pod.wait_until("it is ready again", |pod| pod.is_ready());
    host.ok(
        "timeout 60 vks wait --for=condition=Ready=false pod/p -n gates >/t/gates/waited & \
         sleep 1; vks condition pod/p example.com/checked=False -n gates; wait $!; grep -q met /t/gates/waited",
    );
    let ready = pod.condition("Ready");
    assert_eq!(ready["reason"], "ReadinessGatesNotReady");
    assert!(
        host.vks_ok(&["describe", "pod", "p", "-n", "gates"])
            .contains("example.com/checked")
    );
    set("example.com/checked-");
    assert!(!pod.is_ready());
    let wrong = host.vks(&["condition", "pod/p", "Ready=True", "-n", "gates"]);
    assert!(wrong.stderr.contains("worked out"), "{}", wrong.stderr);
}
