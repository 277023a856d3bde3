//! Images of a registry: fetched once for all who want them, by those who may, and waited for with the kubelet's words.
//! The registry is the one of the distribution project, on loopback.

use super::host::Host;
use super::lab::{self, Machine, Tier};
use super::space::{Pod, Space};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `user:right` as htpasswd(1) writes it with bcrypt.
const HTPASSWD: &str = "user:$2b$04$3vn1rsiP6Pe2172XbCMK..HpWLfQ8ngRFd3r6pmjOvnSbXkcMl2Cq\n";

/// The registry's program, from Debian's package: fetched with the network of the machine that runs the tests.
fn registry() -> PathBuf {
    let cache = lab::state().join("packages");
    let program = cache.join("registry/usr/bin/docker-registry");
    if !program.exists() {
        std::fs::create_dir_all(&cache).unwrap();
        let script =
            "apt-get download docker-registry >&2 && dpkg-deb -x docker-registry_*.deb registry";
        let got = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(&cache)
            .status();
        assert!(
            got.unwrap().success(),
            "cannot download the package docker-registry"
        );
    }
    program
}

/// A machine with a registry at localhost:5000 that anybody can use, and one at localhost:5001 for `user`.
fn with_registries(name: &str) -> Option<Host> {
    if !lab::require(Tier::Container) {
        return None;
    }
    let bind = format!("{}:/usr/bin/registry", registry().display());
    let host = Host {
        machine: Machine::boot_with("trixie", name, &["--bind-ro", &bind]),
    };
    // The machine's own root is an overlay, and overlayfs writes to no overlayfs.
    host.ok("mkdir -p /var/lib/vks && mount -t tmpfs -o mode=755 state /var/lib/vks");
    host.install();
    host.machine.write(
        "/etc/vks/vks.toml.d/images.toml",
        "[images.registries.'localhost:5000']\nhttp = true\n[images.registries.'localhost:5001']\nhttp = true\n\
         [images.registries.'localhost:5002']\nhttp = true\n",
        "0644",
    );
    host.machine.write("/t/htpasswd", HTPASSWD, "0644");
    host.machine
        .write("/t/push.py", include_str!("push.py"), "0644");
    for (port, auth) in [
        (5000, ""),
        (
            5001,
            "auth:\n  htpasswd:\n    realm: vks\n    path: /t/htpasswd\n",
        ),
    ] {
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /var/lib/registry{port}\nhttp:\n  addr: localhost:{port}\n{auth}"
        );
        host.machine
            .write(&format!("/t/{port}.yml"), &config, "0644");
        host.ok(&format!(
            "systemd-run -q --unit registry{port} /usr/bin/registry serve /t/{port}.yml"
        ));
        host.wait(&format!("curl -s localhost:{port}/v2/ -o /dev/null"));
    }
    host.ok("systemctl enable --now vks-pods.target vks.service");
    Some(host)
}

/// Makes an image as old as that: its record says when it was fetched, the time of the file when it was used last.
const AGE: &str = r#"
import glob, json, os, sys, time
name, then = sys.argv[1], time.time() - 3600 * int(sys.argv[2])
for path in glob.glob("/var/lib/vks/images/refs/*"):
    record = json.load(open(path))
    if name in json.dumps(record["resolved"]["reference"]):
        record["fetched"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
        json.dump(record, open(path, "w"))
        os.utime(path, (then, then))
"#;

#[test]
fn a_full_disk_takes_the_oldest_that_nobody_names() {
    let Some(host) = with_registries("imgdisk") else {
        return;
    };
    // A disk of their own: it is that which counts.
    host.ok("systemctl stop vks; mkdir -p /var/lib/vks/images; mount -t tmpfs -o size=100m,mode=755 images /var/lib/vks/images; systemctl start vks");
    host.machine.write("/t/age.py", AGE, "0644");
    let space = Space::new(&host, "disk");
    for (name, hours) in [
        ("named", 50),
        ("first", 40),
        ("second", 30),
        ("third", 20),
        ("fresh", 0),
    ] {
        push(&host, 5000, name, name, "");
        let image = format!("localhost:5000/{name}:1");
        match name {
            "named" => drop(space.ready("named", &spec(&image, "IfNotPresent"))),
            _ => drop(host.vks_ok(&["image", "pull", &image])),
        }
        host.ok(&format!("python3 /t/age.py {name} {hours}"));
    }
    let pod = space.known("named");
    let life = pod.life("c");
    let here = || {
        let all = host.vks_ok(&["image", "list"]);
        let names = ["named", "first", "second", "third", "fresh"];
        let there = names.into_iter();
        let there: Vec<&str> = there
            .filter(|name| all.contains(&format!("localhost:5000/{name}:1")))
            .collect();
        there.join(" ")
    };
    // As the timer has it done, when so many percent are full.
    let at = |percent: u32| {
        host.ok(&format!(
            "cd /var/lib/vks/images && rm -f ballast && set -- $(df --output=size,used -k . | tail -1) && \
             head -c $((($1 * {percent} / 100 - $2) * 1024)) /dev/zero >ballast && systemctl start vks-images.service"
        ));
        here()
    };
    assert_eq!(at(84), "named first second third fresh");
    assert_eq!(at(87), "named second third fresh", "one is enough");
    assert_eq!(at(87), "named third fresh");
    host.ok("python3 /t/age.py fresh 0");
    // What has just come stays, and what a pod names, however full it is.
    assert_eq!(at(99), "named fresh");
    assert_eq!(at(99), "named fresh");
    assert_eq!(host.ok("ls /var/lib/vks/images/layers | wc -l").trim(), "2");
    assert_eq!(pod.life("c"), life);
    host.vks_ok(&["restart", "pod", "named", "-n", "disk"]);
    pod.wait_for("condition=Ready");
}

fn push(host: &Host, port: u16, name: &str, word: &str, login: &str) -> String {
    let digest = host.ok(&format!(
        "python3 /t/push.py http://localhost:{port} {name} 1 {word} {login}"
    ));
    digest.trim().to_owned()
}

fn spec(image: &str, policy: &str) -> Value {
    json!({ "hostNetwork": true, "containers": [{ "name": "c", "image": image, "imagePullPolicy": policy }] })
}

fn secret(space: &Space, name: &str, password: &str) -> Value {
    let config =
        json!({ "auths": { "localhost:5001": { "username": "user", "password": password } } });
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": { "name": name, "namespace": space.name },
        "stringData": { ".dockerconfigjson": config.to_string() },
    })
}

fn waits_with(pod: &Pod, reason: &str) -> String {
    let waiting = |pod: &Pod| pod.container("c")["state"]["waiting"].clone();
    pod.wait_until(reason, |pod| waiting(pod)["reason"] == reason);
    waiting(pod)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Requests for layers that a registry has served whole.
fn served(host: &Host, port: u16) -> usize {
    let log = host.ok(&format!(
        "journalctl -u registry{port} -o cat | grep -c 'GET /v2/.*/blobs/.*HTTP/1.1\" 200' || true"
    ));
    log.trim().parse().unwrap()
}

#[test]
fn ten_pods_want_one_image_and_it_is_pulled_once() {
    let Some(host) = with_registries("imgten") else {
        return;
    };
    let digest = push(&host, 5000, "ten", "first", "");
    let space = Space::new(&host, "ten");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let image = "localhost:5000/ten:1";
    let pods: Vec<Value> = names
        .iter()
        .map(|name| space.manifest(name, &spec(image, "IfNotPresent")))
        .collect();
    space.apply_ok("ten", &pods);
    let pods: Vec<Pod> = names.iter().map(|name| space.known(name)).collect();
    for pod in &pods {
        pod.wait_for("condition=Ready");
        assert_eq!(
            pod.container("c")["imageID"],
            format!("localhost:5000/ten@{digest}")
        );
    }
    // The configuration and the layer, each once.
    assert_eq!(served(&host, 5000), 2);
    host.wait("vks logs a -n ten | grep -q first");
    // What the name means by now is for pods that come later.
    let other = push(&host, 5000, "ten", "second", "");
    let life = pods[0].life("c");
    host.ok("systemctl restart vks");
    assert_eq!(host.vks_ok(&["plan"]), "Nothing to do.\n");
    assert_eq!(pods[0].life("c"), life);
    let old = space.ready("old", &spec(image, "IfNotPresent"));
    assert_eq!(
        old.container("c")["imageID"],
        format!("localhost:5000/ten@{digest}")
    );
    let new = space.ready("new", &spec(image, "Always"));
    assert_eq!(
        new.container("c")["imageID"],
        format!("localhost:5000/ten@{other}")
    );
    host.wait("vks logs new -n ten | grep -q second");
    volumes_of(&space);
    // Removed is what nobody has, and nothing of what somebody runs from.
    host.vks_ok(&["image", "prune"]);
    let store = || {
        host.ok("ls /var/lib/vks/images/layers | wc -l")
            .trim()
            .to_owned()
    };
    assert_eq!(store(), "2");
    for pod in pods.iter().chain([&old]) {
        pod.delete();
    }
    host.wait("test $(ls /var/lib/vks/images/pods | wc -l) = 1");
    // As the timer has it done.
    host.ok("systemctl start vks-images.service");
    assert_eq!(store(), "1");
    assert!(new.is_ready());
}

/// An image as a volume: what its policy says is asked for, whatever the other volume has.
fn volumes_of(space: &Space) {
    let host = space.host;
    let image = |name: &str, policy: &str| json!({ "name": name, "image": { "reference": "localhost:5000/vol:1", "pullPolicy": policy } });
    push(host, 5000, "vol", "early", "");
    let pod = |volumes: &[Value]| {
        let mounts: Vec<Value> = volumes
            .iter()
            .map(|v| json!({ "name": v["name"], "mountPath": format!("/{}", v["name"].as_str().unwrap()) }))
            .collect();
        let script = "cat /*/word; exec sleep 1d";
        json!({ "hostNetwork": true, "volumes": volumes, "containers": [
            { "name": "c", "image": "host:sh", "args": ["-c", script], "volumeMounts": mounts }] })
    };
    let never = space.pod("volnever", &pod(&[image("a", "Never")]));
    waits_with(&never, "ErrImageNeverPull");
    let says = |name: &str, words: &str| {
        host.wait(&format!(
            "test \"$(vks logs {name} -n ten | tr '\\n' ' ')\" = '{words} '"
        ))
    };
    let first = space.ready("volfirst", &pod(&[image("a", "IfNotPresent")]));
    says("volfirst", "early");
    push(host, 5000, "vol", "late", "");
    let present = space.ready("volpresent", &pod(&[image("a", "IfNotPresent")]));
    says("volpresent", "early");
    let always = space.ready("volalways", &pod(&[image("a", "Always")]));
    says("volalways", "late");
    for pod in [never, first, present, always] {
        pod.delete();
    }
    host.wait("test $(ls /var/lib/vks/images/pods | wc -l) = 12");
}

#[test]
fn credentials_open_an_image_for_those_who_have_them() {
    let Some(host) = with_registries("imgauth") else {
        return;
    };
    push(&host, 5001, "mine", "secret", "user:right");
    let space = Space::new(&host, "auth");
    space.apply_ok(
        "secrets",
        &[
            secret(&space, "right", "right"),
            secret(&space, "wrong", "wrong"),
        ],
    );
    let image = "localhost:5001/mine:1";
    let with = |name: &str, policy| {
        let mut spec = spec(image, policy);
        spec["imagePullSecrets"] = json!([{ "name": name }]);
        spec
    };
    let wrong = space.pod("wrong", &with("wrong", "IfNotPresent"));
    let why = waits_with(&wrong, "ImagePullBackOff");
    assert!(
        !why.contains("right") && why.contains("localhost:5001/mine"),
        "{why}"
    );
    let right = space.ready("right", &with("right", "IfNotPresent"));
    // It is here now, and not for those who could not have fetched it.
    let none = space.pod("none", &spec(image, "IfNotPresent"));
    waits_with(&none, "ImagePullBackOff");
    let never = space.pod("never", &spec(image, "Never"));
    waits_with(&never, "ErrImageNeverPull");
    let missing = space.pod("missing", &with("no-such-secret", "IfNotPresent"));
    waits_with(&missing, "ImagePullBackOff");
    let told = host.vks_ok(&["events", "-n", "auth"]);
    assert!(
        told.contains("Unable to retrieve some image pull secrets (no-such-secret)"),
        "{told}"
    );
    let same = space.ready("same", &with("right", "Never"));
    assert_eq!(
        same.container("c")["imageID"],
        right.container("c")["imageID"]
    );
    // A secret that is mended lets the pod in at once.
    space.apply_ok("mended", &[secret(&space, "wrong", "right")]);
    wrong.wait_for("condition=Ready");
    // No password is in a unit, a record of a pod or the journal.
    host.ok("! grep -rE '\"password\"' /etc/systemd/system.attached /var/lib/vks/images /run/vks/fetch; \
             ! journalctl -o cat | grep -q 'user:right'");
    a_helper_of_the_host_has_credentials(&host, &space);
}

/// `credHelpers` of the host's file: a program that is asked by the name of the registry, and by nothing else.
fn a_helper_of_the_host_has_credentials(host: &Host, space: &Space) {
    push(host, 5001, "helped", "asked", "user:right");
    let config = json!({ "credHelpers": { "localhost:5001": "of-test" }, "credsStore": "none" });
    host.machine
        .write("/etc/vks/auth.json", &config.to_string(), "0600");
    let helper = |script: &str| {
        let text = format!("#!/bin/sh\n{script}\n");
        host.machine
            .write("/usr/local/bin/docker-credential-of-test", &text, "0755");
    };
    // It fails: said, and what it printed is not, since that may be a secret.
    helper("echo hush-hush; echo the store is locked >&2; exit 2");
    let pod = space.pod("helped", &spec("localhost:5001/helped:1", "IfNotPresent"));
    waits_with(&pod, "ImagePullBackOff");
    let said = "no credentials for localhost:5001: docker-credential-of-test: exit status: 2: the store is locked";
    host.ok(&format!(
        "journalctl -u 'vks-fetch@*' -o cat | grep -qF '{said}'; ! journalctl -o cat | grep hush-hush"
    ));
    // It answers: whoever wants the image has it now, as with the host's other credentials.
    helper(
        "echo \"$# $* $(cat) $HOME\" >>/t/asked; echo '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"right\"}'",
    );
    host.vks_ok(&["delete", "pod", "helped", "-n", "auth"]);
    space.ready("helped", &spec("localhost:5001/helped:1", "IfNotPresent"));
    assert_eq!(host.ok("sort -u /t/asked"), "1 get localhost:5001 /root\n");
    host.ok(
        "! grep -r '\"Secret\"' /etc/systemd/system.attached /var/lib/vks/images /run/vks/fetch",
    );
}

#[test]
fn what_cannot_be_fetched_is_tried_again() {
    let Some(host) = with_registries("imgfail") else {
        return;
    };
    let space = Space::new(&host, "fail");
    let none = space.pod("none", &spec("localhost:5000/nothing:1", "IfNotPresent"));
    let closed = space.pod("closed", &spec("localhost:5009/x:1", "IfNotPresent"));
    // One that has had enough of us.
    let busy = "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(s):\n    s.send_response(429); \
                s.send_header('Retry-After', '3600'); s.send_header('Content-Length', '0'); s.end_headers()\n  do_HEAD = do_GET\n\
                http.server.HTTPServer(('localhost', 5002), H).serve_forever()";
    host.machine.write("/t/busy.py", busy, "0644");
    host.ok("systemd-run -q --unit busy python3 /t/busy.py");
    host.wait("curl -s localhost:5002/ -o /dev/null");
    let busy = space.pod("busy", &spec("localhost:5002/x:1", "IfNotPresent"));
    for pod in [&none, &closed, &busy] {
        let why = waits_with(pod, "ImagePullBackOff");
        assert!(why.contains("Back-off pulling image"), "{why}");
    }
    let told = host.vks_ok(&["events", "-n", "fail"]);
    for text in [
        "Failed to pull image",
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(told.contains("has had too many requests"), "{told}");
    // It comes when it is there.
    push(&host, 5000, "nothing", "late", "");
    none.wait_for("condition=Ready");
}
