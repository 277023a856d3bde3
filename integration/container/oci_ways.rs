//! Where images come from beside a plain registry, how their layers are packed, and what they are besides containers.

use super::oci::{OciHost, PLAIN};
use super::space::Space;
use serde_json::{Value, json};

fn spec(image: &str, script: &str) -> Value {
    json!({ "containers": [{ "name": "c", "image": format!("oci:{image}"), "command": ["sh", "-c", script] }] })
}

fn prints(space: &Space<'_>, name: &'static str, image: &str, script: &str) -> String {
    space.ready(name, &spec(image, &format!("{script}; exec sleep 1d")));
    let log = || space.host.vks_ok(&["logs", name, "-n", space.name]);
    space
        .host
        .wait(&format!("vks logs {name} -n {} | grep -q .", space.name));
    log()
}

#[test]
fn packings_mirrors_and_proxies() {
    let Some(on) = OciHost::boot("ociways") else {
        return;
    };
    let settings = "[images.registries.'localhost:5009']\nhttp = true\nmirrors = ['http://localhost:5008', 'http://localhost:5001']\n\
        [images.registries.'behind.test']\nhttp = true\nproxy = 'http://localhost:5002'\n\
        [images.registries.'own.test:5000']\nhttp = true\nmirrors = ['http://localhost:5008']\n";
    on.start(&format!("{PLAIN}{settings}"));
    for port in [5000, 5001, 5002] {
        on.registry(port, "");
    }
    on.host.ok("echo 127.0.0.1 own.test >>/etc/hosts");
    let space = Space::new(&on.host, "ociways");
    assert_eq!(
        prints(&space, "zstd", "localhost:5000/zstd:1", "cat /kind; echo"),
        "zstd\n"
    );
    assert_eq!(
        prints(&space, "tar", "localhost:5000/plain:1", "cat /kind; echo"),
        "plain\n"
    );
    // The first mirror is down, the second has it, the registry itself is never there. The image is the registry's all the same.
    assert_eq!(
        prints(&space, "mirror", "localhost:5009/many:1", "cat /name; echo"),
        "many\n"
    );
    let id = space.known("mirror").container("c")["imageID"].to_string();
    assert!(id.contains("localhost:5009/many@sha256:"), "{id}");
    on.host.ok("grep -q many/blobs /srv/reg/log-5001");
    // No mirror has it: the registry does.
    assert_eq!(
        prints(&space, "own", "own.test:5000/plain:1", "cat /kind; echo"),
        "plain\n"
    );
    // A name that nobody can look up, for whom the proxy asks.
    assert_eq!(
        prints(&space, "proxy", "behind.test/app:1", "echo here"),
        "here\n"
    );
    on.host
        .ok("grep -q 'GET http://behind.test/v2/app/manifests/1' /srv/reg/log-5002");
}

#[test]
fn images_come_from_files() {
    let Some(on) = OciHost::boot("ocifiles") else {
        return;
    };
    // No registry at all.
    on.start(PLAIN);
    let space = Space::new(&on.host, "ocifiles");
    let never = |image: &str, command: Value| json!({ "hostNetwork": false, "containers": [{ "name": "c", "image": image, "imagePullPolicy": "Never", "command": command }] });
    let early = space.pod("early", &never("oci:local/app:1", Value::Null));
    early.wait_until("waits", |pod| {
        pod.container("c")["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    });
    // A layout of the OCI, an archive of `docker save`, and one under another name.
    on.host.vks_ok(&["image", "import", "/srv/reg"]);
    on.host
        .vks_ok(&["image", "import", "/srv/reg/saved.tar.gz"]);
    on.host.vks_ok(&[
        "image",
        "import",
        "/srv/reg/saved.tar.gz",
        "--name",
        "oci:other.test/name:2",
    ]);
    early.wait_for("condition=Ready");
    on.host
        .wait("vks logs early -n ocifiles | grep -q '^who 1234'");
    for (name, image) in [("saved", "oci:saved:1"), ("other", "oci:other.test/name:2")] {
        let pod = space.ready(
            name,
            &never(
                image,
                json!(["sh", "-c", "echo $(cat /etc/gone); exec sleep 1d"]),
            ),
        );
        on.host.wait(&format!(
            "vks logs {name} -n ocifiles | grep -q 'hidden by'"
        ));
        pod.delete();
    }
    let list = on.host.vks_ok(&["image", "list"]);
    for name in ["local/app", "saved", "other.test/name"] {
        assert!(list.contains(name), "{name}: {list}");
    }
    // What a pod runs from is never removed, and all the rest is.
    on.host.vks_ok(&["image", "prune"]);
    assert!(early.is_ready());
    on.host
        .ok("test $(ls /var/lib/vks/images/layers | wc -l) = 2");
    // A file that is none is said to be none.
    on.host
        .ok("head -c 5000 /srv/reg/saved.tar.gz >/srv/cut.tar.gz");
    let out = on.host.vks(&["image", "import", "/srv/cut.tar.gz"]);
    assert_ne!(out.code, 0);
    assert!(out.stderr.contains("/srv/cut.tar.gz"), "{}", out.stderr);
}

#[test]
fn an_image_is_a_volume() {
    let Some(mut on) = OciHost::boot("ocivolume") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let script = "cd /v && echo $(ls); cat changed third; touch /v/x 2>/dev/null || echo ro; echo $(ls /one); cat /part; exec sleep 1d";
    let wanted = "changed first second third\nchanged of 1\nthird of 2\nro\nchanged first hidden\nsecond of 1\n";
    let volumes = json!([
        { "name": "v", "image": { "reference": "oci:localhost:5000/volume:1" } },
        { "name": "one", "image": { "reference": "oci:localhost:5000/volume:one" } } ]);
    let mounts = json!([{ "name": "v", "mountPath": "/v" }, { "name": "one", "mountPath": "/one" },
        { "name": "v", "mountPath": "/part", "subPath": "second" }]);
    {
        let space = Space::new_kept(&on.host, "ocivolume");
        space.ready("rooted", &json!({ "volumes": volumes, "containers": [
            { "name": "c", "image": "oci:localhost:5000/base:1", "command": ["sh", "-c", script], "volumeMounts": mounts }] }));
        space.ready("hosts", &json!({ "volumes": volumes, "containers": [
            { "name": "c", "image": "host:/bin/sh", "args": ["-c", script], "volumeMounts": mounts }] }));
        for pod in ["rooted", "hosts"] {
            on.host.wait(&format!(
                "vks logs {pod} -n ocivolume | grep -q 'second of'"
            ));
            assert_eq!(
                on.host.vks_ok(&["logs", pod, "-n", "ocivolume"]),
                wanted,
                "{pod}"
            );
        }
        // Its layers stay as long as the pod.
        on.host.vks_ok(&["image", "prune"]);
    }
    // After a boot with nobody to ask.
    on.host
        .ok("systemctl disable -q vks.service; systemctl mask -q vks.service; sync");
    on.host.machine.reboot();
    on.host.ok("! ss -Hltn sport = :5000 | grep .");
    let space = Space::new_kept(&on.host, "ocivolume");
    for pod in ["rooted", "hosts"] {
        space
            .known(pod)
            .wait_until("runs again", |pod| pod.is_ready());
        on.host.wait(&format!(
            "test \"$(journalctl -b -o cat -t c KUBERNETES_POD={pod} | grep -c 'second of 1')\" = 1"
        ));
        space.known(pod).delete();
    }
    on.host
        .ok("! grep overlay /proc/self/mountinfo | grep /run/vks");
}
