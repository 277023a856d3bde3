//! Images that are not programs of the host by name: packages of Debian, directories, the Nix store; what is told of
//! them while they are not here, and what stays of them.

use super::host::{Host, own};
use super::lab;
use super::space::{Pod, Space};
use serde_json::{Value, json};

/// Makes a repository of packages that apt takes, in `/repo`: a daemon that would start itself as often as it can, in
/// two versions, and a tool without a service.
const REPOSITORY: &str = r#"
set -e
mkdir -p /repo
make() { # NAME VERSION
  d=$(mktemp -d); mkdir -p $d/DEBIAN $d/usr/sbin $d/usr/bin $d/usr/lib/systemd/system
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n' $1 $2 >$d/DEBIAN/control
  case $1 in
  vksd)
    printf '#!/bin/sh\necho %s $* >/run/vksd/said\necho started by $PPID >>/t/starts\nexec sleep infinity\n' $2 >$d/usr/sbin/vksd
    printf '[Service]\nType=simple\nUser=daemon\nExecStart=/usr/sbin/vksd --own $WORD\nEnvironment=WORD=package\nRuntimeDirectory=%%p\nPrivateTmp=yes\nNoNewPrivileges=yes\nRestart=no\n[Install]\nWantedBy=multi-user.target\n' >$d/usr/lib/systemd/system/vksd.service
    cat >$d/DEBIAN/postinst <<'E'
#!/bin/sh
set -e
deb-systemd-helper unmask vksd.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled vksd.service; then deb-systemd-helper enable vksd.service >/dev/null || true; fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
  deb-systemd-invoke restart vksd.service || true
  invoke-rc.d vksd start || true
fi
E
    chmod 755 $d/DEBIAN/postinst ;;
  *) printf '#!/bin/sh\necho tool $*\nexec sleep infinity\n' >$d/usr/bin/$1 ;;
  esac
  chmod -f 755 $d/usr/sbin/* $d/usr/bin/* || true
  dpkg-deb --root-owner-group -b $d /repo/$1_$2.deb >/dev/null
  rm -r $d
}
make vksd 1.0; make vksd 2.0; make vkstool 1.0
cd /repo
for d in *.deb; do
  dpkg-deb -f $d Package Version Architecture Maintainer Depends Pre-Depends
  printf 'Description: x\nFilename: ./%s\nSize: %s\nSHA256: %s\n\n' $d $(stat -c %s $d) $(sha256sum <$d | cut -d' ' -f1)
done >Packages
rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/repo ./' >/etc/apt/sources.list
"#;

fn repository(host: &Host) {
    host.ok(REPOSITORY);
    host.ok("touch /t/starts && chmod 666 /t/starts");
}

fn from(image: &str, more: Value) -> Value {
    let container = super::space::with(json!({ "name": "c", "image": image }), &more);
    json!({ "hostNetwork": true, "containers": [container] })
}

fn waiting(pod: &Pod) -> Value {
    pod.container("c")["state"]["waiting"].clone()
}

fn waits_with(pod: &Pod, reason: &str) -> String {
    pod.wait_until(reason, |pod| waiting(pod)["reason"] == reason);
    waiting(pod)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn events(host: &Host, namespace: &str) -> String {
    host.vks_ok(&["events", "-n", namespace])
}

#[test]
fn packages_are_installed_and_run_as_their_own_service_says() {
    let Some(host) = own("imgdeb") else { return };
    repository(&host);
    let space = Space::new(&host, "deb");
    let pod = space.ready("daemon", &from("deb:vksd", json!({})));
    // As the package's unit says, although the pod runs it.
    assert_eq!(host.ok("cat /run/vksd/said").trim(), "2.0 --own package");
    let unit = pod.unit("c");
    for (name, value) in [
        ("User", "daemon"),
        ("PrivateTmp", "yes"),
        ("NoNewPrivileges", "yes"),
        ("Restart", "always"),
        ("Slice", "vks-deb-daemon.slice"),
    ] {
        assert_eq!(host.property(&unit, name), value, "{name}");
    }
    assert_eq!(pod.container("c")["imageID"], "deb:vksd=2.0");
    assert_eq!(pod.container("c")["image"], "deb:vksd");
    // Started once, by the pod; the package's own service is not, and will not be.
    assert_eq!(host.ok("wc -l </t/starts").trim(), "1");
    assert_eq!(host.property("vksd.service", "LoadState"), "masked");
    assert_ne!(host.property("vksd.service", "ActiveState"), "active");
    host.ok("test ! -e /etc/systemd/system/multi-user.target.wants/vksd.service");
    host.ok("test ! -e /usr/sbin/policy-rc.d");
    let told = events(&host, "deb");
    for text in [
        "Pulling image \"deb:vksd\"",
        "Successfully pulled image \"deb:vksd\"",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    // Arguments of the pod stand for the unit's own.
    let other = space.ready(
        "args",
        &from("deb:vksd", json!({ "args": ["--pod", "a b"] })),
    );
    assert_eq!(host.ok("cat /run/vksd/said").trim(), "2.0 --pod a b");
    assert!(
        events(&host, "deb").contains("Container image \"deb:vksd\" already present on machine")
    );
    // A new agent, and planning by hand, find it all as it is.
    let life = pod.life("c");
    host.ok("systemctl restart vks");
    assert_eq!(host.vks_ok(&["plan"]), "Nothing to do.\n");
    assert_eq!(pod.life("c"), life);
    let listed = host.vks_ok(&["image", "list"]);
    assert!(
        listed.contains("deb:vksd") && listed.contains('2'),
        "{listed}"
    );
    let listed: Value =
        serde_json::from_str(&host.vks_ok(&["image", "list", "-o", "json"])).unwrap();
    let items = listed["items"].as_array().unwrap().iter();
    let mut ours = items.filter(|item| item["resolved"]["reference"] == "deb:vksd");
    assert_eq!(ours.next().unwrap()["pods"].as_array().unwrap().len(), 2);
    let names = host.vks_ok(&["image", "list", "-o", "name"]);
    assert!(names.lines().any(|name| name == "deb:vksd"), "{names}");
    let none = host.vks(&["image", "pull", "dir:/nope"]);
    assert!(
        none.code != 0 && none.stderr.contains("there is no directory /nope"),
        "{none:?}"
    );
    assert_ne!(host.vks(&["image", "rm", "deb:vksd"]).code, 0);
    other.delete();
    pod.delete();
    host.wait("! ls /var/lib/vks/images/pods/*.json");
    host.vks_ok(&["image", "rm", "deb:vksd"]);
    host.ok("! dpkg -s vksd | grep -q '^Status: .* installed'; test ! -e /etc/systemd/system/vksd.service");
}

#[test]
fn versions_commands_and_what_is_missing() {
    let Some(host) = own("imgver") else { return };
    repository(&host);
    let space = Space::new(&host, "ver");
    // Two at the same time do not race dpkg, and a version is what it says.
    let pinned = space.pod("pinned", &from("deb:vksd=1.0", json!({})));
    let tool = space.pod("tool", &from("deb:vkstool", json!({ "args": ["x"] })));
    let none = space.pod("none", &from("deb:no-such-thing", json!({})));
    pinned.wait_for("condition=Ready");
    tool.wait_for("condition=Ready");
    assert_eq!(host.ok("cat /run/vksd/said").trim(), "1.0 --own package");
    assert_eq!(pinned.container("c")["imageID"], "deb:vksd=1.0");
    host.wait(&format!("{} | grep -q 'tool x'", "vks logs tool -n ver"));
    let why = waits_with(&none, "ImagePullBackOff");
    assert!(
        why.starts_with("Back-off pulling image \"deb:no-such-thing\": ErrImagePull:"),
        "{why}"
    );
    assert!(why.contains("Unable to locate package"), "{why}");
    let told = events(&host, "ver");
    for text in [
        "Failed to pull image \"deb:no-such-thing\"",
        "Error: ErrImagePull",
        "Back-off pulling image \"deb:no-such-thing\"",
        "Error: ImagePullBackOff",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    // A command is run as it is, by whom the pod says.
    let command =
        json!({ "command": ["/bin/sleep", "infinity"], "securityContext": { "runAsUser": 1234 } });
    let plain = space.ready("plain", &from("deb:vksd", command));
    let pid = plain.pid("c");
    assert_eq!(
        host.ok(&format!("awk '/^Uid/{{print $2}}' /proc/{pid}/status"))
            .trim(),
        "1234"
    );
    assert_eq!(plain.container("c")["imageID"], "deb:vksd=1.0");
    // What must not be fetched and is not here is waited for, until somebody brings it.
    pinned.delete();
    plain.delete();
    tool.delete();
    host.wait("! ls /var/lib/vks/images/pods/*tool* /var/lib/vks/images/pods/*plain*");
    host.vks_ok(&["image", "prune"]);
    host.ok("! test -e /usr/bin/vkstool");
    let never = space.pod(
        "never",
        &from("deb:vkstool", json!({ "imagePullPolicy": "Never" })),
    );
    let why = waits_with(&never, "ErrImageNeverPull");
    assert_eq!(
        why,
        "Container image \"deb:vkstool\" is not present with pull policy of Never"
    );
    host.vks_ok(&["image", "pull", "deb:vkstool"]);
    never.wait_for("condition=Ready");
}

#[test]
fn names_mean_what_the_settings_say() {
    let Some(host) = own("imgname") else { return };
    repository(&host);
    host.machine.write(
        "/etc/vks/vks.toml.d/images.toml",
        "[images]\ndefault = 'deb'\n[images.aliases]\n'docker.io/library/sleeper' = 'dir:/srv/root'\n\
         [images.classes]\nplain = 'host'\n",
        "0644",
    );
    // A root directory with what a shell needs.
    host.ok("mkdir -p /srv/root/{usr,proc,sys,dev,run,tmp,var/tmp,etc}; for d in bin sbin lib lib64; do ln -s usr/$d /srv/root/$d; done; \
             mkdir -p /srv/root/usr/bin; cp -a /usr/lib /usr/lib64 /srv/root/usr/ 2>/dev/null; \
             cp /usr/bin/dash /usr/bin/sleep /srv/root/usr/bin/; cp /usr/bin/dash /srv/root/usr/bin/sh; echo inside >/srv/root/mark");
    host.ok("systemctl reload vks");
    let space = Space::new(&host, "names");
    let tool = space.ready("tool", &from("vkstool", json!({})));
    assert_eq!(tool.container("c")["imageID"], "deb:vkstool=1.0");
    let script =
        json!({ "command": ["/bin/sh", "-c", "read m </mark; echo I am $m; exec sleep infinity"] });
    let root = space.ready("root", &from("sleeper:1.2", script));
    host.wait("vks logs root -n names | grep -q 'I am inside'");
    assert_eq!(root.container("c")["image"], "sleeper:1.2");
    assert_eq!(root.container("c")["imageID"], "dir:/srv/root");
    let mut class = from("sleep", json!({ "args": ["infinity"] }));
    class["runtimeClassName"] = json!("plain");
    let class = space.ready("class", &class);
    assert_eq!(class.container("c")["imageID"], "host:sleep");
    let bad = space.pod("bad", &from("Docker/Thing:1", json!({})));
    let why = waits_with(&bad, "InvalidImageName");
    assert!(why.contains("[images.aliases]"), "{why}");
    // A volume that is a tree of files.
    let volumes = json!({
        "hostNetwork": true,
        "volumes": [{ "name": "v", "image": { "reference": "dir:/srv/root" } }],
        "containers": [{ "name": "c", "image": "host:sh", "volumeMounts": [{ "name": "v", "mountPath": "/mnt" }],
            "args": ["-c", "cat /mnt/mark; touch /mnt/x || echo read-only; exec sleep infinity"] }],
    });
    space.ready("volume", &volumes);
    host.wait(
        "vks logs volume -n names | grep -q inside && vks logs volume -n names | grep -q read-only",
    );
}

#[test]
fn store_paths_run_and_stay_as_long_as_somebody_has_them() {
    let Some(host) = own("imgnix") else { return };
    // A store path made without any network: a program that needs nothing but the host's shell.
    host.ok(r#"mkdir -p /root/thing/bin && printf '#!/bin/sh\necho from the store $0 $*\nexec sleep infinity\n' >/root/thing/bin/thing && chmod 755 /root/thing/bin/thing"#);
    let path = host.ok("nix-store --add /root/thing").trim().to_owned();
    let space = Space::new(&host, "nix");
    let image = format!("nix:{path}");
    let pod = space.ready("whole", &from(&image, json!({ "args": ["a"] })));
    host.wait("vks logs whole -n nix | grep -q 'from the store'");
    let said = host.vks_ok(&["logs", "whole", "-n", "nix"]);
    assert_eq!(said.trim(), format!("from the store {path}/bin/thing a"));
    assert_eq!(pod.container("c")["imageID"], image);
    // Commands are looked for beside it; a file of it can be named.
    let beside = json!({ "command": ["thing", "b"] });
    space.ready("beside", &from(&image, beside));
    host.wait("vks logs beside -n nix | grep -q 'thing b'");
    let file = space.ready("file", &from(&format!("{image}/bin/thing"), json!({})));
    assert_eq!(file.container("c")["imageID"], image);
    // Kept from the collector of garbage while it is here.
    host.ok("nix-store --gc >/dev/null 2>&1");
    host.ok(&format!("test -e {path}"));
    let missing = format!("nix:/nix/store/{}-none", "0".repeat(32));
    let none = space.pod("none", &from(&missing, json!({})));
    waits_with(&none, "ImagePullBackOff");
    for name in ["whole", "beside", "file", "none"] {
        host.vks_ok(&["delete", "pod", name, "-n", "nix", "--wait"]);
    }
    host.wait("! ls /var/lib/vks/images/pods/*.json");
    host.vks_ok(&["image", "prune"]);
    host.ok(&format!("nix-store --gc >/dev/null 2>&1; test ! -e {path}"));
}

#[test]
fn uptimed_from_apply_to_running_and_away() {
    let Some(host) = own("imgup") else { return };
    let cache = lab::state().join("packages");
    std::fs::create_dir_all(&cache).unwrap();
    if !cache.join("uptimed.deb").exists() {
        // With the network of the machine that runs the tests: theirs have none.
        let script = "apt-get download uptimed >&2 && mv uptimed_*.deb uptimed.deb";
        let got = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(&cache)
            .status();
        assert!(
            got.unwrap().success(),
            "cannot download the package uptimed"
        );
    }
    let bytes = std::fs::read(cache.join("uptimed.deb")).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    host.ok("mkdir -p /repo");
    let fed = host.machine.feed(
        &[
            "python3",
            "-c",
            "import sys; open('/repo/uptimed.deb', 'wb').write(bytes.fromhex(sys.stdin.read()))",
        ],
        &hex,
    );
    assert_eq!(fed.code, 0, "{}", fed.stderr);
    host.ok("cd /repo; dpkg-deb -f uptimed.deb Package Version Architecture Depends Pre-Depends >Packages; \
             printf 'Description: x\nFilename: ./uptimed.deb\nSize: %s\nSHA256: %s\n' $(stat -c %s uptimed.deb) \
             $(sha256sum <uptimed.deb | cut -d' ' -f1) >>Packages; rm -f /etc/apt/sources.list.d/*; \
             echo 'deb [trusted=yes] file:/repo ./' >/etc/apt/sources.list");
    let space = Space::new(&host, "up");
    let spec = json!({ "containers": [{ "name": "c", "image": "deb:uptimed" }] });
    let pod = space.ready("uptime", &spec);
    let pid = pod.pid("c");
    let daemon = host.ok("id -u daemon");
    assert_eq!(
        host.ok(&format!("awk '/^Uid/{{print $2}}' /proc/{pid}/status")),
        daemon
    );
    assert_eq!(
        host.words(&format!("/proc/{pid}/cmdline")),
        ["/usr/sbin/uptimed", "-f"]
    );
    host.wait("test -s /var/spool/uptimed/records");
    assert_eq!(host.ok("pgrep -c uptimed").trim(), "1");
    assert_eq!(host.property("uptimed.service", "ActiveState"), "inactive");
    pod.delete();
    host.ok("! pgrep uptimed");
}
