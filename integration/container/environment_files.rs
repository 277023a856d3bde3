//! Variables from files that another container of the pod has written (`fileKeyRef`).

use super::host::shared;
use super::space::{Space, sh, sleeper, with};
use serde_json::{Value, json};

fn variable(name: &str, path: &str, key: &str, optional: bool) -> Value {
    json!({ "name": name, "valueFrom": { "fileKeyRef":
        { "volumeName": "given", "path": path, "key": key, "optional": optional } } })
}

/// An init container that writes a file into the volume.
fn writer(script: &str) -> Value {
    with(
        sh("writer", script),
        &json!({ "volumeMounts": [{ "name": "given", "mountPath": "/t/envfiles/given" }] }),
    )
}

#[test]
fn an_init_container_gives_variables_to_others() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envfiles");
    let write = "mkdir /t/envfiles/given/sub && cd /t/envfiles/given/sub && printf '%s\\n' '# made' \"A='it is \\\"q\\\" \\$HOME \\\\ %n'\" \
                 \"TWO='one\" \"  two'\" \"EMPTY=''\" \"HOST='from the file'\" >a.env";
    let reader = with(
        sleeper("reader"),
        &json!({ "env": [
            { "name": "HOST", "value": "plain" },
            variable("TAKEN", "sub/a.env", "A", false),
            variable("LINES", "sub//a.env", "TWO", false),
            variable("NONE", "sub/a.env", "B", true),
            variable("NOTHING", "sub/a.env", "EMPTY", true),
            variable("NO_FILE", "sub/b.env", "A", true),
            variable("FROM", "sub/a.env", "HOST", false),
        ] }),
    );
    let spec = json!({ "initContainers": [writer(write)], "containers": [reader],
        "volumes": [{ "name": "given", "emptyDir": {} }] });
    let pod = space.ready("p", &spec);
    let env = host.words(&format!("/proc/{}/environ", pod.pid("reader")));
    let of = |name: &str| {
        let start = format!("{name}=");
        env.iter().find_map(|word| word.strip_prefix(&start))
    };
    assert_eq!(of("TAKEN"), Some("it is \"q\" $HOME \\ %n"));
    assert_eq!(of("LINES"), Some("one\n  two"));
    assert_eq!(of("FROM"), Some("from the file"));
    assert_eq!(of("HOST"), Some("plain"));
    for name in ["NONE", "NOTHING", "NO_FILE"] {
        assert_eq!(of(name), None, "{env:?}");
    }
    // It does not see the volume that they are from, and nobody else reads them.
    let unit = pod.unit("reader");
    let shown = host.ok(&format!("systemctl show '{unit}'"));
    assert!(!shown.contains("from the file"), "{shown}");
    let path = shown
        .lines()
        .find_map(|line| line.strip_prefix("EnvironmentFiles=")?.split(' ').next())
        .unwrap();
    assert_eq!(host.ok(&format!("stat -c %a:%u {path}")), "600:0\n");
    pod.delete();
    host.wait(&format!("test ! -e {path}"));
}

#[test]
fn each_run_takes_what_the_file_says_then() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envagain");
    let (log, gate) = (space.path("log"), space.path("gate"));
    host.ok("mkdir -p /t/envagain/given");
    let reader = with(
        sh(
            "reader",
            &format!(
                "echo $WORD >>{log}; test -e {gate} && exec sleep 1d; until test -e {gate}; do sleep 0.1; done; exit 1"
            ),
        ),
        &json!({ "env": [variable("WORD", "w.env", "W", false)] }),
    );
    let spec = json!({ "containers": [reader, sleeper("beside")],
        "volumes": [{ "name": "given", "hostPath": { "path": "/t/envagain/given" } }] });
    let pod = space.pod("p", &spec);
    // Until there is a file, it does not start; the others do.
    pod.wait_until("it has been tried", |pod| {
        pod.restarts("reader") > 0 || !pod.container("reader")["state"]["waiting"].is_null()
    });
    pod.wait_until("the other one runs", |pod| {
        pod.container("beside")["ready"] == true
    });
    assert_eq!(space.read("log"), "");
    host.wait("journalctl -t vks -o cat --no-pager | grep -q 'variable WORD from file \"w.env\".*cannot find'");
    host.ok("echo \"W='first'\" >/t/envagain/given/w.env");
    assert_eq!(space.wait_lines("log", 1), ["first"]);
    host.ok(&format!(
        "echo \"W='second'\" >/t/envagain/given/w.env; touch {gate}"
    ));
    assert_eq!(space.wait_lines("log", 2), ["first", "second"]);
}

#[test]
fn a_file_that_leads_out_of_the_volume_is_none() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envout");
    host.ok("mkdir -p /t/envout/given && echo \"S='host'\" >/t/envout/secret");
    host.ok(
        "cd /t/envout/given && ln -s /t/envout/secret link && ln -s ../secret up && mkfifo pipe",
    );
    let reader = |name: &str, path: &str| {
        with(
            sh(
                name,
                &format!("echo {name} $WORD >>/t/envout/log; exec sleep 1d"),
            ),
            &json!({ "env": [variable("WORD", path, "S", false)] }),
        )
    };
    let spec = json!({
        "containers": [reader("link", "link"), reader("up", "up"), reader("pipe", "pipe"), reader("good", "t/envout/good")],
        "volumes": [{ "name": "given", "hostPath": { "path": "/t/envout/given" } }] });
    host.ok("mkdir -p /t/envout/given/t/envout && echo \"S='in'\" >/t/envout/given/t/envout/good");
    space.pod("p", &spec);
    assert_eq!(space.wait_lines("log", 1), ["good in"]);
    let said = |path: &str, why: &str| {
        host.wait(&format!(
            "journalctl -t vks -o cat --no-pager | grep -q 'variable WORD from file \"{path}\".*{why}'"
        ));
    };
    said("link", "cannot find");
    said("up", "cannot find");
    said("pipe", "not a regular file");
    assert_eq!(space.lines("log").len(), 1);
    // In the volume, the same link leads to what is there.
    host.ok("echo \"S='inside'\" >/t/envout/given/secret");
    let lines = space.wait_lines("log", 2);
    assert_eq!(lines[1], "up inside");
}

#[test]
fn what_is_not_known_before_the_start_stands_in_no_other_field() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "envrefused");
    let spec = |more: &Value| {
        let container = with(
            sleeper("c"),
            &json!({ "env": [variable("A", "a", "A", false)] }),
        );
        json!({ "containers": [with(container, more)], "volumes": [{ "name": "given", "emptyDir": {} }] })
    };
    for (more, word) in [
        (json!({ "args": ["$(A)"] }), "$(A) comes from a file"),
        (
            json!({ "env": [variable("A", "a", "A", false), { "name": "B", "value": "x$(A)" }] }),
            "$(A) comes from a file",
        ),
        (
            json!({ "env": [variable("A", "a", "A", false), { "name": "A", "value": "x" }] }),
            "is there twice",
        ),
        (
            json!({ "env": [variable("A", "../a", "A", false)] }),
            "fileKeyRef.path: must not contain",
        ),
    ] {
        let said = space.refused(&space.manifest("p", &spec(&more)));
        assert!(said.contains(word), "{said}");
    }
}
