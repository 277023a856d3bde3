//! A host laid out as NixOS: `/etc/systemd/system` is a link into a store that cannot be written, manifests are links into
//! it, and a switch exchanges links and reloads the agent.

use super::host::{Host, own};
use super::space::sleeper;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is in the store before the agent starts: the units of the configuration, those of vks among them.
const LAY_OUT: &str = "\
    systemctl disable --now vks.service vks-pods.target; \
    mkdir -p /nix/store/0-units; cp -a /etc/systemd/system/. /nix/store/0-units/; \
    mv /usr/lib/systemd/system/vks* /nix/store/0-units/; \
    mkdir -p /nix/store/0-units/multi-user.target.wants; \
    for unit in vks.service vks-pods.target; do ln -s ../$unit /nix/store/0-units/multi-user.target.wants/; done; \
    rm -r /etc/systemd/system; ln -s /nix/store/0-units /etc/systemd/system; \
    mount --bind /nix/store/0-units /nix/store/0-units; mount -o remount,bind,ro /nix/store/0-units; \
    systemctl daemon-reload; systemctl start vks-pods.target vks.service";

fn pod(name: &str, seconds: &str) -> Value {
    let mut container = sleeper("c");
    container["args"] = json!([seconds]);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "nixos" },
        "spec": { "hostNetwork": true, "terminationGracePeriodSeconds": 2, "containers": [container] },
    })
}

/// A generation: manifests checked and rendered as the build does it, in a store path of its own.
fn build(host: &Host, generation: u32, pods: &[Value]) {
    let store = format!("/nix/store/{generation}-vks-manifests");
    for pod in pods {
        let path = format!(
            "{store}/manifests/pod-nixos-{}.json",
            pod["metadata"]["name"].as_str().unwrap()
        );
        host.machine.write(&path, &pod.to_string(), "0444");
    }
    let settings = "mkdir -p /tmp/settings/etc/vks; cp /etc/vks/vks.toml /tmp/settings/etc/vks/";
    host.ok(&format!(
        "{settings}; cd {store}; vks --root /tmp/settings verify manifests; \
         vks --root /tmp/settings render -f manifests --output-dir units"
    ));
}

/// As switch-to-configuration: links are exchanged one by one, then those units are reloaded that ask for it.
fn switch(host: &Host, generation: u32) {
    host.ok(&format!(
        "cd /etc/vks/pods.d; \
         for new in /nix/store/{generation}-vks-manifests/manifests/*; do \
           ln -sfn $new .new; mv -T .new $(basename $new); done; \
         for old in *; do test -e /nix/store/{generation}-vks-manifests/manifests/$old || rm $old; done; \
         systemctl reload vks.service"
    ));
}

/// The main process and run of each pod's container.
fn lives(host: &Host) -> BTreeMap<String, String> {
    let units = host.ok(
        "systemctl list-units --plain --no-legend --state=active 'vks.nixos.*' | cut -d' ' -f1",
    );
    units
        .lines()
        .map(|unit| (unit.to_owned(), host.property(unit, "InvocationID")))
        .collect()
}

/// The units of a directory without what is different on each host.
fn texts(host: &Host, directory: &str) -> String {
    host.ok(&format!(
        "cd {directory}; for unit in vks*nixos*; do echo \"== $unit\"; \
         grep -v '^UID=\\|^Source=\\|^SourcePath=' \"$unit\" | sed 's/[0-9a-f]\\{{8\\}}-[0-9a-f-]\\{{27\\}}/UID/g'; done"
    ))
}

#[test]
fn a_switch_changes_what_differs() {
    let Some(host) = own("nixos") else {
        return;
    };
    host.ok(LAY_OUT);
    assert!(host.machine.sh("touch /etc/systemd/system/x").code != 0);
    build(
        &host,
        1,
        &[
            pod("same", "1000"),
            pod("other", "1000"),
            pod("gone", "1000"),
        ],
    );
    build(
        &host,
        2,
        &[
            pod("same", "1000"),
            pod("other", "2000"),
            pod("new", "1000"),
        ],
    );

    switch(&host, 1);
    host.wait("vks wait --for=condition=Ready pod/same pod/other pod/gone -n nixos");
    let first = lives(&host);
    assert_eq!(first.len(), 3, "{first:?}");
    // What the build has shown is what runs.
    assert_eq!(
        texts(&host, "/nix/store/1-vks-manifests/units"),
        texts(&host, "/etc/systemd/system.attached")
    );

    switch(&host, 2);
    host.wait("vks wait --for=condition=Ready pod/same pod/other pod/new -n nixos && ! vks get pod gone -n nixos && pgrep -f 'sleep 2000'");
    let second = lives(&host);
    let of = |lives: &BTreeMap<String, String>, name: &str| {
        lives
            .get(&format!("vks.nixos.{name}.sleep.service"))
            .cloned()
    };
    assert_eq!(second.len(), 3, "{second:?}");
    assert_eq!(of(&second, "same"), of(&first, "same"));
    assert_ne!(of(&second, "other"), of(&first, "other"));
    assert!(
        of(&second, "new").is_some() && of(&second, "gone").is_none(),
        "{second:?}"
    );

    // Back, and once more to where we are: that is no change.
    switch(&host, 1);
    host.wait("vks wait --for=condition=Ready pod/same pod/other pod/gone -n nixos && ! vks get pod new -n nixos && pgrep -f 'sleep 1000'");
    let back = lives(&host);
    assert_eq!(of(&back, "same"), of(&first, "same"));
    switch(&host, 1);
    assert_eq!(lives(&host), back);

    // A generation that cannot be does not get as far as the host.
    let wrong = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "w" }, "spec": { "containerz": [] } });
    host.machine.write(
        "/nix/store/3-vks-manifests/manifests/w.json",
        &wrong.to_string(),
        "0444",
    );
    let said = host.vks(&["verify", "/nix/store/3-vks-manifests/manifests"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr
            .contains("w.json:1: spec.containerz: unknown field"),
        "{}",
        said.stderr
    );
}
