//! Pulls from a real server on loopback: plain, with a password, with TLS and a server for tokens, and with everything
//! that can go wrong on the way. Nothing half-unpacked is ever used.

use super::oci::OciHost;
use super::space::{Pod, Space};
use serde_json::{Value, json};

const SETTINGS: &str = "[images.registries.'localhost:5000']\nhttp = true\n[images.registries.'localhost:5001']\nhttp = true\n\
    [images.registries.'localhost:5002']\nca = '/srv/ca.pem'\n";

fn spec(image: &str) -> Value {
    json!({ "restartPolicy": "Always", "imagePullSecrets": [{ "name": "pull" }],
        "containers": [{ "name": "c", "image": format!("oci:localhost:{image}"), "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", "1d"] }] })
}

fn secret(space: &Space, password: &str) -> Value {
    let hosts = [5001, 5002].map(|port| format!("localhost:{port}"));
    let auths: serde_json::Map<String, Value> = hosts
        .into_iter()
        .map(|host| (host, json!({ "username": "user", "password": password })))
        .collect();
    let mut object = space.object(
        "Secret",
        "pull",
        &json!({ ".dockerconfigjson": json!({ "auths": auths }).to_string() }),
    );
    object["type"] = json!("kubernetes.io/dockerconfigjson");
    object
}

fn waiting(pod: &Pod, wanted: &str) -> String {
    pod.wait_until("waits for its image", |pod| {
        let waiting = &pod.container("c")["state"]["waiting"];
        ["ErrImagePull", "ImagePullBackOff"]
            .contains(&waiting["reason"].as_str().unwrap_or_default())
    });
    let events = pod.host().vks_ok(&["events", "-n", pod.namespace()]);
    assert!(events.contains(wanted), "{wanted}: {events}");
    events
}

#[test]
fn images_are_pulled_with_every_kind_of_proof() {
    let Some(on) = OciHost::boot("ocireg") else {
        return;
    };
    on.host.ok("cd /srv && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out ca.pem \
        -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE 2>/dev/null");
    on.start(SETTINGS);
    on.registry(5000, "");
    on.registry(5001, "--basic");
    on.registry(5002, "--tls /srv/ca.pem /srv/key.pem --token");
    let space = Space::new(&on.host, "ocireg");
    // Without the right password, first: nothing is to be had.
    space.apply_ok("secret", &[secret(&space, "wrong")]);
    for (name, image) in [("basic-no", "5001/base:1"), ("token-no", "5002/base:1")] {
        let pod = space.pod(name, &spec(image));
        waiting(&pod, "does not let us pull");
        pod.delete();
    }
    space.apply_ok("secret", &[secret(&space, "secret")]);
    for (name, image) in [("basic", "5001/base:1"), ("token", "5002/base:1")] {
        space.ready(name, &spec(image)).delete();
    }
    let log = on.host.ok("cat /srv/reg/log-5002");
    assert!(log.contains("/token"), "{log}");
    // One pull for many: each blob was asked for once.
    let pods: Vec<Value> = (0..10)
        .map(|index| space.manifest(&format!("many-{index}"), &spec("5000/many:1")))
        .collect();
    space.apply_ok("many", &pods);
    for index in 0..10 {
        on.host.vks_ok(&[
            "wait",
            "--for=condition=Ready",
            &format!("pod/many-{index}"),
            "-n",
            "ocireg",
            "--timeout",
            "90s",
        ]);
    }
    let log = on.host.ok("cat /srv/reg/log-5000");
    let manifests = log
        .lines()
        .filter(|line| line.contains("/many/manifests"))
        .count();
    assert_eq!(manifests, 1, "{log}");
}

#[test]
fn what_goes_wrong_is_said_and_never_used() {
    let Some(on) = OciHost::boot("ocibad") else {
        return;
    };
    on.start(SETTINGS);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ocibad");
    space.ready("base", &spec("5000/base:1")).delete();
    let layers = || on.host.ok("ls /var/lib/vks/images/layers | wc -l");
    let before = layers();
    for (name, image, wanted) in [
        ("wrong", "wrong:1", "damaged or was tampered with"),
        ("short", "short:1", "ended after"),
        (
            "busy",
            "busy:1",
            "too many requests: to be tried again after 7 s",
        ),
        ("none", "none:1", "is not at localhost:5000"),
        ("cut", "cut:1", "localhost:5000"),
    ] {
        let pod = space.pod(name, &spec(&format!("5000/{image}")));
        waiting(&pod, wanted);
        pod.delete();
    }
    assert_eq!(layers(), before, "nothing half-unpacked");
    // Cut once: the rest is fetched, not the whole.
    space.ready("resumed", &spec("5000/once-cut:1"));
    let log = on.host.ok("grep once-cut/blobs /srv/reg/log-5000");
    assert!(log.contains("cut") && log.contains(" bytes="), "{log}");
    // No space: said, and no worse for what is there.
    on.host.ok("systemctl stop vks; mkdir /srv/full; mount -t tmpfs -o size=2m full /srv/full; mount --bind /srv/full /var/lib/vks/images/tmp; systemctl start vks");
    let pod = space.pod("full", &spec("5000/many:1"));
    waiting(&pod, "no space left");
}
