//! Ephemeral containers: put into a running pod by a change of its manifest.

use super::host::{own, shared};
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

fn spec(ephemeral: &[Value]) -> Value {
    json!({ "containers": [sleeper("app")], "ephemeralContainers": ephemeral })
}

#[test]
fn one_starts_beside_the_others_and_runs_once() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ephem");
    let pod = space.ready("p", &spec(&[]));
    let life = pod.life("app");
    let log = space.path("log");
    let look = with(
        sh(
            "look",
            &format!(
                "echo run >>{log}; ls /proc/{}; echo seen; until test -e {log}.end; do sleep 0.1; done; exit 3",
                life.0
            ),
        ),
        &json!({ "targetContainerName": "app" }),
    );
    let manifest = space.manifest("p", &spec(&[look]));
    space.apply_ok("p", std::slice::from_ref(&manifest));
    space.wait_lines("log", 1);
    let status = |state: &str| {
        let all = pod.status()["ephemeralContainerStatuses"].clone();
        all[0]["state"][state].clone()
    };
    pod.wait_until("it is told", |_| status("running").is_object());
    assert_eq!(pod.life("app"), life);
    assert!(pod.is_ready());
    let shown = host.vks_ok(&["describe", "pod", "p", "-n", "ephem"]);
    assert!(shown.contains("Ephemeral Containers:\n  look:"), "{shown}");
    let ran = host.vks_ok(&[
        "exec",
        "p",
        "-n",
        "ephem",
        "-c",
        "look",
        "--",
        "/bin/echo",
        "inside",
    ]);
    assert_eq!(ran, "inside\n");
    host.ok(&format!("touch {log}.end"));
    pod.wait_until("it has ended", |_| status("terminated")["exitCode"] == 3);
    assert!(pod.is_ready() && pod.phase() == "Running");
    assert!(
        host.vks_ok(&["logs", "p", "-n", "ephem", "-c", "look"])
            .contains("seen\n")
    );
    // Neither by the agent, nor with the pod, nor by hand.
    host.vks_ok(&["restart", "pod/p", "-n", "ephem"]);
    pod.wait_until("the pod runs again", |pod| {
        pod.container("app")["state"]["running"].is_object() && pod.pid("app") != life.0
    });
    host.ok(&format!("systemctl start '{}'", pod.unit("look")));
    assert_eq!(space.lines("log"), ["run"]);
    // What the API refuses is refused, and the rest is done.
    let life = pod.life("app");
    space.apply_ok("p", &[space.manifest("p", &spec(&[]))]);
    host.wait("journalctl -u vks.service -o cat | grep -q 'look cannot be removed'");
    assert_eq!(pod.life("app"), life);
}

#[test]
fn one_with_an_input_and_a_network_of_its_pod() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ephemin");
    let own = json!({ "hostNetwork": false, "containers": [sleeper("app")] });
    let pod = space.ready("p", &own);
    let life = pod.life("app");
    let out = space.path("out");
    let look = with(
        sh(
            "look",
            &format!("readlink /proc/self/ns/net >{out}; read line; echo \"$line\" >>{out}"),
        ),
        &json!({ "stdin": true, "stdinOnce": true }),
    );
    let more = with(own, &json!({ "ephemeralContainers": [look] }));
    space.apply_ok("p", &[space.manifest("p", &more)]);
    let lines = space.wait_lines("out", 1);
    assert_eq!(
        lines[0],
        host.ok(&format!("readlink /proc/{}/ns/net", life.0))
            .trim_end()
    );
    let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
    host.ok(&format!("echo hello >/run/vks/pods/{uid}/stdin/look"));
    assert_eq!(space.wait_lines("out", 2)[1], "hello");
    assert_eq!(pod.life("app"), life);
}

#[test]
fn one_that_could_not_see_its_target_is_refused() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ephemhid");
    let hidden = |ephemeral: &[Value]| with(spec(ephemeral), &json!({ "hostPID": false }));
    let pod = space.ready("p", &hidden(&[]));
    let life = pod.life("app");
    let look = |name: &str, more: &Value| {
        with(
            sh(name, &format!("echo {name} >>{}", space.path("log"))),
            more,
        )
    };
    let blind = look("blind", &json!({ "targetContainerName": "app" }));
    let free = look("free", &json!({}));
    space.apply_ok("p", &[space.manifest("p", &hidden(&[blind, free]))]);
    assert_eq!(space.wait_lines("log", 1), ["free"]);
    host.wait(
        "journalctl -u vks.service -o cat | grep -q 'the processes of container app are hidden'",
    );
    assert_eq!(pod.life("app"), life);
    assert_eq!(space.lines("log"), ["free"]);
}

#[test]
fn none_starts_again_at_boot_even_when_its_end_was_not_seen() {
    let Some(mut host) = own("ephemboot") else {
        return;
    };
    {
        let space = Space::new_kept(&host, "ephem");
        let pod = space.ready("p", &spec(&[]));
        let look = sh("look", "echo run >>/t/ephem/log; exec sleep 1d");
        space.apply_ok("p", &[space.manifest("p", &spec(&[look]))]);
        space.wait_lines("log", 1);
        // As a power loss leaves it: begun, and no record of an end.
        let uid = pod.json()["metadata"]["uid"].as_str().unwrap().to_owned();
        host.ok(&format!("cp /var/lib/vks/pods/{uid}/runs/look.json /t/begun; echo /var/lib/vks/pods/{uid}/runs/look.json >/t/where; sync"));
    }
    host.machine.reboot();
    host.ok("cp /t/begun $(cat /t/where)");
    let space = Space::new_kept(&host, "ephem");
    let pod = space.known("p");
    pod.wait_until("it runs", |pod| {
        pod.container("app")["state"]["running"].is_object()
    });
    host.ok("systemctl restart vks.service");
    assert_eq!(space.lines("log"), ["run"]);
}
