//! Containers from images of layers: what their process is, what they see and write, and that they come back after a
//! reboot with nothing else around. Images are made from Debian packages, and come from a registry on loopback.

use super::host::Host;
use super::lab::{self, Machine, Tier};
use super::space::{Space, with};
use serde_json::{Value, json};
use std::path::PathBuf;

const IMAGES: &str = include_str!("images.py");
const REGISTRY: &str = include_str!("registry.py");

/// A host whose state is on the machine's own disk (overlayfs writes to no overlayfs), with a registry.
pub struct OciHost {
    pub host: Host,
    state: PathBuf,
}

impl OciHost {
    /// `None` when this tier cannot run here.
    pub fn boot(name: &'static str) -> Option<Self> {
        Self::boot_with(name, &[])
    }

    /// With more options of the machine.
    pub fn boot_with(name: &'static str, more: &[&str]) -> Option<Self> {
        if !lab::require(Tier::Container) {
            return None;
        }
        let state = lab::state().join(format!("oci-{name}"));
        let _ = std::fs::remove_dir_all(&state);
        std::fs::create_dir_all(&state).unwrap();
        let bind = format!("{}:/var/lib/vks", state.display());
        let options = [&["--bind", bind.as_str()][..], more].concat();
        let machine = Machine::boot_with("trixie", name, &options);
        let host = Host { machine };
        host.install();
        host.machine.write("/srv/images.py", IMAGES, "0644");
        host.machine.write("/srv/registry.py", REGISTRY, "0644");
        host.ok("mkdir -p /srv/reg && python3 /srv/images.py /srv/reg");
        Some(Self { host, state })
    }

    /// Adds to the settings, and starts the agent.
    pub fn start(&self, settings: &str) {
        let text = format!("[pods]\nprofile = 'trusted'\n{settings}");
        self.host.machine.write("/etc/vks/vks.toml", &text, "0644");
        self.host
            .ok("systemctl enable -q vks-pods.target vks.service; systemctl start vks-pods.target; systemctl restart vks.service");
    }

    /// Starts a registry on a port.
    pub fn registry(&self, port: u16, options: &str) {
        self.host.ok(&format!(
            "systemd-run -q --unit=registry-{port} python3 /srv/registry.py /srv/reg {port} {options}"
        ));
        self.host
            .wait(&format!("ss -Hltn sport = :{port} | grep -q ."));
    }
}

impl Drop for OciHost {
    fn drop(&mut self) {
        // Before its state: a machine that runs writes there.
        let _ = self
            .host
            .machine
            .exec(&["systemctl", "stop", "vks.service", "vks.slice"]);
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

pub const PLAIN: &str = "[images.registries.'localhost:5000']\nhttp = true\n";

pub fn container(image: &str, more: &Value) -> Value {
    let image = format!("oci:localhost:5000/{image}");
    with(json!({ "name": "c", "image": image }), more)
}

pub fn shell(script: &str, more: &Value) -> Value {
    with(
        container("base:1", more),
        &json!({ "command": ["sh", "-c", script] }),
    )
}

#[test]
fn an_image_says_what_runs_and_as_whom() {
    let Some(on) = OciHost::boot("oci") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "oci");
    let pod = space.ready(
        "app",
        &json!({ "hostNetwork": false, "containers": [container("app:latest", &json!({
            "env": [{ "name": "BOTH", "value": "pod" }] }))] }),
    );
    let log = || on.host.vks_ok(&["logs", "app", "-n", "oci"]);
    on.host.wait("vks logs app -n oci | grep -q ^env");
    assert_eq!(
        log(),
        "args $(HOME) b c\nwho 1234 1235 77 1235 /home/app /srv/app 1\nenv 1 pod /nowhere\n"
    );
    let status = pod.container("c");
    let id = status["imageID"].as_str().unwrap();
    assert!(id.contains("@sha256:"), "{id}");
    // In: with the user, directory and environment of the image, and its files.
    let exec = |script: &str| {
        on.host
            .vks_ok(&["exec", "app", "-n", "oci", "--", "sh", "-c", script])
    };
    assert_eq!(
        exec("id -u; id -g; pwd; echo $FROM_IMAGE"),
        "1234\n1235\n/srv/app\n1\n"
    );
    assert_eq!(
        exec("test ! -e /etc/gone && ls /srv/old | wc -l; stat -c %a /usr/bin/setuid"),
        "0\n4755\n"
    );
    assert_eq!(
        exec("cat /etc/hostname; test -w /srv/app && echo own; touch /usr/x 2>&1 | grep -o denied"),
        "app\nown\ndenied\n"
    );
    // The stop signal is the image's.
    on.host.vks_ok(&["restart", "pod", "app", "-n", "oci"]);
    on.host.wait(
        "vks logs app -n oci -p | grep -q 'signal 3' || vks logs app -n oci | grep -q 'signal 3'",
    );
    // Arguments replace the image's, a command replaces both.
    let words = |name: &'static str, more: Value| {
        let pod = space.pod(
            name,
            &json!({ "restartPolicy": "Never", "containers": [container("app:1", &more)] }),
        );
        let _ = pod;
        on.host.wait(&format!("vks logs {name} -n oci | grep -q ."));
        on.host
            .vks_ok(&["logs", name, "-n", "oci"])
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        words("args", json!({ "args": ["x", "$(HOSTNAME)"] })),
        "args x $(HOSTNAME)"
    );
    assert_eq!(
        words("command", json!({ "command": ["echo", "only this"] })),
        "only this"
    );
}

#[test]
fn a_container_sees_its_root_and_nothing_of_the_host() {
    let Some(on) = OciHost::boot("ocisee") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ocisee");
    on.host
        .ok("mkdir -p /srv/share/part && echo hello >/srv/share/part/f");
    let looks = "echo fresh >>/written; cat /written | wc -l; touch /t && echo root; \
        touch /sys/x /proc/sys/kernel/x 2>/dev/null || echo frozen; cat /proc/timer_list | wc -c; ls / | tr '\\n' ' '; echo; \
        cat /data/f; cat /part; touch /ro/x 2>/dev/null || echo ro; echo note >/dev/termination-log; exec sleep 1d";
    let pod = space.ready(
        "see",
        &json!({ "hostNetwork": false,
            "volumes": [{ "name": "share", "hostPath": { "path": "/srv/share" } }, { "name": "e", "emptyDir": {} },
                { "name": "l", "hostPath": { "path": "/srv/share" } }],
            "containers": [shell(looks, &json!({
                "volumeMounts": [{ "name": "share", "mountPath": "/data", "subPath": "part" },
                    { "name": "share", "mountPath": "/part", "subPath": "part/f" },
                    { "name": "share", "mountPath": "/ro", "readOnly": true }, { "name": "e", "mountPath": "/deep/new/e" }],
                "lifecycle": { "postStart": { "exec": { "command": ["sh", "-c", "echo post >/deep/new/e/post"] } } },
                "readinessProbe": { "exec": { "command": ["test", "-f", "/written"] } } }))] }),
    );
    let log = on.host.vks_ok(&["logs", "see", "-n", "ocisee"]);
    assert_eq!(
        log,
        "1\nroot\nfrozen\n0\nbin data deep dev etc home lib lib64 part proc ro root run sbin srv sys t tmp usr var written\nhello\nhello\nro\n"
    );
    // Nothing of it on the host.
    on.host.ok("test ! -e /written -a ! -e /deep -a ! -e /data");
    let pid = pod.pid("c");
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];
    for kind in kinds {
        let own = on.host.ok(&format!("readlink /proc/{pid}/ns/{kind}"));
        assert_ne!(
            own,
            on.host.ok(&format!("readlink /proc/1/ns/{kind}")),
            "{kind}"
        );
    }
    let caps = on.host.ok(&format!("grep CapBnd /proc/{pid}/status"));
    assert_eq!(
        caps.split_whitespace().nth(1),
        Some("00000000a80425fb").map(|usual| {
            // As containerd's, but for MKNOD.
            if caps.contains("00000000a00425fb") {
                "00000000a00425fb"
            } else {
                usual
            }
        })
    );
    let seen = on.host.vks_ok(&["exec", "see", "-n", "ocisee", "--", "sh", "-c", "cat /deep/new/e/post; ls /proc | grep -c '^[0-9]'; mount 2>/dev/null; cat /proc/1/mountinfo | grep -c host"]);
    assert!(seen.starts_with("post\n"), "{seen}");
    // Each run begins with the image as it is.
    on.host.ok(&format!("kill -9 {pid}"));
    on.host.wait(
        "test $(vks logs see -n ocisee | head -1) = 1 && vks get pod see -n ocisee | grep -q ' 1 '",
    );
    assert_eq!(
        pod.container("c")["lastState"]["terminated"]["message"],
        "note\n"
    );
    pod.delete();
    on.host.ok("! ls -d /var/lib/vks/pods/* 2>/dev/null");
}

#[test]
fn pods_come_back_without_agent_and_registry() {
    let Some(mut on) = OciHost::boot("ociboot") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    {
        let space = Space::new_kept(&on.host, "ociboot");
        space.ready(
            "own",
            &json!({ "hostNetwork": false, "containers": [container("app:1", &json!({}))] }),
        );
        space.ready("shared", &json!({ "containers": [shell("exec sleep 1d", &json!({ "readinessProbe": { "exec": { "command": ["true"] } } }))] }));
        space.ready("users", &whole_users());
        on.host
            .wait("vks logs users -n ociboot | grep -q '^run 1$'");
    }
    on.host
        .ok("systemctl disable -q vks.service; systemctl mask -q vks.service; sync");
    on.host.machine.reboot();
    let space = Space::new_kept(&on.host, "ociboot");
    assert_ne!(
        on.host.ok("systemctl is-active vks.service || true").trim(),
        "active"
    );
    for pod in ["own", "shared", "users"] {
        space
            .known(pod)
            .wait_until("runs again", |pod| pod.is_ready());
    }
    on.host
        .wait("vks logs own -n ociboot | grep -q '^who 1234'");
    // Users of its own again, and its volume is owned as it sees it.
    on.host
        .wait("vks logs users -n ociboot | grep -q '^run 2$'");
    let log = on.host.vks_ok(&["logs", "users", "-n", "ociboot"]);
    assert!(log.contains("owner 0:0\n"), "{log}");
    let pid = space.known("users").pid("c");
    let map = on.host.ok(&format!("cat /proc/{pid}/uid_map"));
    let map: Vec<&str> = map.split_whitespace().collect();
    let owner = on.host.ok(&format!("stat -c %u /proc/{pid}"));
    assert_eq!((map[0], map[1], map[2]), ("0", owner.trim(), "65536"));
    assert_ne!(owner.trim(), "0");
    on.host.ok("! ss -Hltn sport = :5000 | grep .");
}

/// With users of its own, and a volume that counts its runs.
fn whole_users() -> Value {
    let script = "echo x >>/data/runs; echo run $(wc -l </data/runs); echo owner $(stat -c %u:%g /data/runs); exec sleep 1d";
    json!({ "hostNetwork": false, "hostUsers": false, "volumes": [{ "name": "data", "emptyDir": {} }],
        "containers": [shell(script, &json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }))] })
}
