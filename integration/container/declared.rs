//! Pods whose units are part of the host's configuration, on a host laid out as NixOS: `/etc/systemd/system` is a link into a
//! store that cannot be written, what is in it are links again, and a switch exchanges them all at once.

use super::host::{Host, own};
use super::space::sleeper;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The configuration without pods: what `/etc/systemd/system` and the package have, moved to the store.
const LAY_OUT: &str = "\
    systemctl disable --now vks.service vks-pods.target; \
    mkdir -p /nix/store/base /etc/vks/pods.d; cp -a /etc/systemd/system/. /nix/store/base/; \
    mv /usr/lib/systemd/system/vks* /nix/store/base/; \
    mkdir -p /nix/store/base/multi-user.target.wants /tmp/settings/etc/vks; \
    ln -s ../vks-pods.target /nix/store/base/multi-user.target.wants/; \
    cp /usr/lib/systemd/system/multi-user.target /nix/store/base/; \
    cp /etc/vks/vks.toml /tmp/settings/etc/vks/; rm -r /etc/systemd/system";

/// A generation, as the module and NixOS make it of manifests and options in `/nix/store/N-vks`.
const BUILD: &str = "\
    set -e; cd /nix/store/N-vks; etc=/nix/store/N-etc; units=$etc/systemd/system; \
    mkdir -p lib $units $etc/vks/pods.d; \
    vks --root /tmp/settings verify manifests >/dev/null; \
    test ! -e options.json || vks --root /tmp/settings render --given options.json -f manifests --output-dir lib; \
    ln -s $PWD/manifests/* $etc/vks/pods.d/; cp -a /nix/store/base/. $units/; \
    for unit in lib/*; do name=$(basename $unit); \
      if test -d $unit; then mkdir -p $units/$name; ln -s $PWD/$unit/* $units/$name/; \
      elif test -e $unit; then ln -s $PWD/$unit $units/$name; fi; done; \
    mkdir $units/vks.service.d; printf '[Unit]\nX-Reload-Triggers=%s\n' $PWD > $units/vks.service.d/overrides.conf; \
    test ! -e options.json || ln -s ../vks-declared.target $units/multi-user.target.wants/";

fn pod(name: &str, args: &[&str]) -> Value {
    let mut container = sleeper("c");
    container["args"] = json!(args);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "nix" },
        "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 2, "containers": [container] },
    })
}

/// One with an address of its own, a volume of a config map and variables of it.
fn with_map() -> Value {
    let script = "echo $MODE > /t/mode; exec sleep 1000";
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "map", "namespace": "nix" },
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "volumes": [
                { "name": "conf", "configMap": { "name": "conf" } },
                { "name": "own", "emptyDir": {} },
                { "name": "t", "hostPath": { "path": "/t" } },
            ],
            "containers": [{
                "name": "c", "image": "host:/bin/sh", "command": ["/bin/sh", "-c", script],
                "envFrom": [{ "configMapRef": { "name": "conf" } }],
                "volumeMounts": [
                    { "name": "conf", "mountPath": "/mnt/conf" },
                    { "name": "own", "mountPath": "/mnt/own" },
                    { "name": "t", "mountPath": "/t" },
                ],
            }],
        },
    })
}

fn map(mode: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "conf", "namespace": "nix" }, "data": { "MODE": mode } })
}

/// A pod that needs what only the agent has.
fn with_secret() -> [Value; 2] {
    let mut pod = pod("secret", &["1000"]);
    pod["spec"]["containers"][0]["env"] = json!([
        { "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "key", "key": "key" } } },
    ]);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key", "namespace": "nix" },
        "stringData": { "key": "x" } });
    [pod, secret]
}

fn build(host: &Host, generation: u32, objects: &[Value], given: bool) {
    let store = format!("/nix/store/{generation}-vks");
    for object in objects {
        let kind = object["kind"].as_str().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{store}/manifests/{kind}-{name}.json");
        host.machine.write(&path, &object.to_string(), "0444");
    }
    let systemd = host.ok("systemctl --version | sed -n '1s/systemd \\([0-9]*\\).*/\\1/p'");
    let options = json!({
        "systemd": systemd.trim().parse::<u32>().unwrap(),
        "manifests": "/etc/vks/pods.d",
        "pods": {
            "nix/held": { "restartIfChanged": false, "serviceConfig": { "Nice": ["7"] } },
            "nix/manual": { "autoStart": false },
        },
    });
    if given {
        let path = format!("{store}/options.json");
        host.machine.write(&path, &options.to_string(), "0444");
    }
    host.ok(&BUILD.replace("/N-", &format!("/{generation}-")));
}

/// What was stopped, started and so on.
fn switch(host: &Host, generation: u32) -> Value {
    let script = include_str!("declared/switch.py");
    host.machine.write("/tmp/switch.py", script, "0644");
    let said = host.ok(&format!(
        "python3 /tmp/switch.py /nix/store/{generation}-etc"
    ));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The containers that run, and which run of them it is.
fn lives(host: &Host) -> Lives {
    let units = host
        .ok("systemctl list-units --plain --no-legend --state=active 'vks.nix.*' | cut -d' ' -f1");
    let of = |unit: &str| {
        let name = unit.split('.').nth(2).unwrap();
        (name.to_owned(), host.property(unit, "InvocationID"))
    };
    units.lines().map(of).collect()
}

/// The pods that vks has written units for.
fn written(host: &Host) -> String {
    host.ok("cd /etc/systemd/system.attached; ls | sed -n 's/^vks-nix-\\(.*\\).target$/\\1/p'")
}

fn is_quiet(host: &Host) {
    let said = host.vks(&["plan"]);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "Nothing to do.\n"),
        "{}",
        said.stderr
    );
    assert_eq!(said.stderr, "");
}

fn names(lives: &Lives) -> Vec<&str> {
    lives.keys().map(String::as_str).collect()
}

type Lives = BTreeMap<String, String>;

/// Three generations, of which the last brings manifests and no units; the first is what boots.
fn set_up(host: &Host) {
    host.machine.write(
        "/etc/vks/vks.toml",
        "[pods]\nprofile = 'trusted'\n[network]\nipv4 = '10.201.7.0/24'\nipv6 = 'fd07::/64'\n",
        "0644",
    );
    host.ok(LAY_OUT);
    let [secret, key] = with_secret();
    let sleep = |name: &str| pod(name, &["1000"]);
    let pods = ["same", "other", "gone", "held", "manual"].map(sleep);
    let mut objects = pods.to_vec();
    objects.extend([with_map(), map("slow"), secret, key]);
    build(host, 1, &objects, true);
    let mut crash = pod("crash", &[]);
    crash["spec"]["containers"][0]["image"] = json!("host:/bin/false");
    objects[1] = pod("other", &["2000"]);
    objects[3] = pod("held", &["2000"]);
    objects[6] = map("fast");
    objects.remove(2);
    objects.extend([sleep("new"), crash]);
    build(host, 2, &objects, true);
    build(host, 3, &[sleep("same"), with_map(), map("slow")], false);
    host.ok(
        "ln -s /nix/store/1-etc /etc/static; ln -s /etc/static/systemd/system /etc/systemd/system; \
         for name in $(ls /etc/static/vks/pods.d); do ln -s /etc/static/vks/pods.d/$name /etc/vks/pods.d/; done; \
         printf '/nix/store /nix/store none bind,ro 0 0\\n' >> /etc/fstab",
    );
}

/// They come up for the first time without an agent.
fn first_boot(host: &mut Host) -> Lives {
    host.machine.reboot();
    assert!(host.machine.sh("touch /etc/systemd/system/x").code != 0);
    for pod in ["same", "other", "gone", "held", "map"] {
        host.wait(&format!("systemctl is-active 'vks.nix.{pod}.*'"));
    }
    let booted = lives(host);
    assert_eq!(names(&booted), ["gone", "held", "map", "other", "same"]);
    assert_eq!(written(host), "");
    host.wait("test -s /t/mode");
    assert_eq!(host.ok("cat /t/mode"), "slow\n");
    let seen = "vks exec map -n nix -- cat /mnt/conf/MODE; vks exec map -n nix -- ls -d /mnt/own";
    assert_eq!(host.ok(seen), "slow/mnt/own\n");
    assert_eq!(host.property("vks.nix.held.sleep.service", "Nice"), "7");
    booted
}

/// The agent finds them as it would have written them, and writes what it alone can.
fn with_the_agent(host: &Host, booted: &Lives) -> Lives {
    host.ok("systemctl start vks.service");
    host.wait("vks wait --for=condition=Ready pod/same pod/map pod/secret -n nix");
    is_quiet(host);
    assert_eq!(written(host), "secret\n");
    let first = lives(host);
    let mut given = first.clone();
    given.remove("secret");
    assert_eq!(given, *booted);
    first
}

/// A switch changes what differs, and nothing else.
fn onward(host: &Host, first: &Lives) {
    let said = switch(host, 2);
    assert_eq!(said["failed"], json!([]), "{said}");
    host.wait(
        "pgrep -f '[s]leep 2000' && systemctl is-active 'vks.nix.new.*' && ! vks get pod gone -n nix",
    );
    host.wait("vks get pod crash -n nix | grep -E 'CrashLoopBackOff|Error'");
    let second = lives(host);
    for kept in ["same", "map", "secret"] {
        assert_eq!(second[kept], first[kept], "{kept}: {said}");
    }
    assert_ne!(second["other"], first["other"], "{said}");
    // This one said that a switch leaves it as it is.
    assert_eq!(second["held"], first["held"], "{said}");
    let skipped = said["done"]["skip"].to_string();
    assert!(skipped.contains("vks.nix.held."), "{said}");
    assert!(!second.contains_key("gone") && !second.contains_key("manual"));
    // A volume follows its config map; a variable does when the container starts.
    host.wait("vks exec map -n nix -- grep -q fast /mnt/conf/MODE");
    assert_eq!(host.ok("cat /t/mode"), "slow\n");
    host.wait("test $(grep -l nix/gone /var/lib/vks/pods/*/given | wc -l) = 0");
    is_quiet(host);
}

/// Back, and once more to where it is.
fn back(host: &Host, first: &Lives) {
    switch(host, 1);
    host.wait(
        "systemctl is-active 'vks.nix.gone.*' && ! vks get pod new -n nix && ! pgrep -f '[s]leep 2000'",
    );
    let back = lives(host);
    assert_eq!(back["same"], first["same"]);
    let said = switch(host, 1);
    assert_eq!(said["done"]["stop"], json!([]), "{said}");
    assert_eq!(lives(host), back);
}

/// To one that brings no units: the agent writes them. And the way back, where those make way.
fn by_the_agent_and_back(host: &Host) {
    let quiet = "vks plan | grep -qx 'Nothing to do.'";
    let ready = "vks wait --for=condition=Ready pod/same pod/map -n nix";
    switch(host, 3);
    host.wait(&format!("{quiet} && {ready}"));
    assert_eq!(written(host), "map\nsame\n");
    is_quiet(host);
    switch(host, 1);
    host.wait(&format!("{quiet} && {ready} pod/gone pod/secret"));
    assert_eq!(written(host), "secret\n");
    host.wait("vks exec map -n nix -- grep -q slow /mnt/conf/MODE");
    is_quiet(host);
    // Nothing of the network of the pod that made way is left.
    let namespaces = host.ok("ls /run/netns | grep -c '^vks-[0-9a-f]*-[0-9a-f-]*$'");
    assert_eq!(namespaces, "1\n");
}

#[test]
fn pods_of_the_configuration_are_units_of_it() {
    let Some(mut host) = own("declared") else {
        return;
    };
    set_up(&host);
    let booted = first_boot(&mut host);
    let first = with_the_agent(&host, &booted);
    onward(&host, &first);
    back(&host, &first);
    by_the_agent_and_back(&host);
}

#[test]
fn what_cannot_be_a_unit_of_the_configuration_is_said_when_it_is_built() {
    let Some(host) = super::host::shared() else {
        return;
    };
    let machine = &host.machine;
    let [secret, key] = with_secret();
    for (name, object) in [
        ("p", secret),
        ("k", key),
        ("map", with_map()),
        ("conf", map("a")),
    ] {
        machine.write(
            &format!("/tmp/given/m/{name}.json"),
            &object.to_string(),
            "0644",
        );
    }
    let options = |pods: Value| {
        json!({ "systemd": 257, "manifests": "/etc/vks/pods.d", "pods": pods }).to_string()
    };
    machine.write("/tmp/given/auto.json", &options(json!({})), "0644");
    let must = options(json!({ "nix/secret": { "autoStart": false } }));
    machine.write("/tmp/given/must.json", &must, "0644");
    let render = |options: &str| {
        host.vks(&[
            "render",
            "--given",
            options,
            "-f",
            "/tmp/given/m",
            "--output-dir",
            "/tmp/given/out",
        ])
    };
    let said = render("/tmp/given/auto.json");
    assert_eq!(said.code, 0, "{}", said.stderr);
    // Where nothing sets the pods' network, it follows from the host.
    assert!(
        said.stderr.contains(
            "pod nix/map: the agent writes its units: they are not the same on every host"
        ),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("pod nix/secret: the agent writes its units: "),
        "{}",
        said.stderr
    );
    let said = render("/tmp/given/must.json");
    assert_eq!(said.code, 1);
    assert!(
        said.stderr
            .contains("error: pod nix/secret: its units cannot be part of the configuration"),
        "{}",
        said.stderr
    );
}
