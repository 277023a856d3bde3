//! What `nix build` makes, through its daemon: kept for the pod, and alone in sight where that is asked for.

use super::crun_programs::programs;
use super::host::Host;
use super::lab::{self, Machine, Tier};
use super::space::Space;
use serde_json::json;

/// A program with a shell of its own and one thing that it needs. Nothing of it comes from the network.
const FLAKE: &str = r##"{
  outputs = { self }:
    let
      make = name: script: derivation {
        inherit name;
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [ "-c" ("PATH=/usr/bin:/bin; echo making ${name} >&2; mkdir $out; " + script) ];
      };
      word = make "word-2" "echo built >$out/word";
      thing = make "thing-1.0" ''
        mkdir $out/bin
        cp /srv/programs/bin/busybox $out/bin/busybox
        ln -s busybox $out/bin/sh
        b=$out/bin/busybox
        printf '%s\n' "#!$out/bin/sh" "echo word \$($b cat ${word}/word)" \
          "echo store \$($b ls /nix/store | $b wc -l)" "echo etc \$($b touch /etc/x 2>/dev/null && echo written)" "exec $b sleep 100000" >$out/bin/thing
        chmod 755 $out/bin/thing
      '';
    in { packages.x86_64-linux.thing = thing // { meta.mainProgram = "thing"; }; };
}
"##;

#[test]
fn what_nix_builds_runs() {
    if !lab::require(Tier::Container) {
        return;
    }
    let bind = format!("{}:/srv/programs", programs().display());
    let host = Host {
        machine: Machine::boot_with("trixie", "imgnixbuild", &["--bind-ro", &bind]),
    };
    host.install();
    host.machine.write(
        "/etc/nix/nix.conf",
        "sandbox = false\nbuild-users-group =\nsubstituters =\n",
        "0644",
    );
    host.machine.write("/srv/flake/flake.nix", FLAKE, "0644");
    host.ok("systemd-run -q --unit=nixd nix-daemon");
    host.wait("test -S /nix/var/nix/daemon-socket/socket");
    host.ok("systemctl enable -q --now vks-pods.target vks.service");
    let space = Space::new(&host, "nixbuild");
    let spec = json!({ "containers": [{ "name": "c", "image": "nix:path:/srv/flake#thing" }] });
    let pod = space.ready("whole", &spec);
    host.wait("vks logs whole -n nixbuild | grep -q ^etc");
    let said = host.vks_ok(&["logs", "whole", "-n", "nixbuild"]);
    assert!(said.starts_with("word built\nstore "), "{said}");
    let id = pod.container("c")["imageID"].as_str().unwrap().to_owned();
    assert!(
        id.starts_with("nix:/nix/store/") && id.ends_with("-thing-1.0"),
        "{id}"
    );
    // The daemon made it, not the unit that asked for it.
    host.ok("grep -q . /proc/$(systemctl show -P MainPID nixd)/comm; journalctl -q -u nixd -o cat | grep -q 'accepted connection'");
    // It stays while the pod is here, whoever collects garbage, with all that it needs.
    host.ok("nix-store --gc >/dev/null 2>&1");
    let path = id.trim_start_matches("nix:").to_owned();
    let closure = host.ok(&format!("nix-store -qR {path} | sort"));
    assert_eq!(closure.lines().count(), 2, "{closure}");
    // The next pod is told what it was built to: nothing is made again.
    let again = space.ready("again", &spec);
    assert_eq!(again.container("c")["imageID"], id.as_str());
    // Alone in sight.
    host.machine.write(
        "/etc/vks/vks.toml.d/nix.toml",
        "[images]\nnix_alone = true\n",
        "0644",
    );
    host.ok("systemctl restart vks.service");
    let alone = json!({ "containers": [{ "name": "c", "image": "nix:path:/srv/flake#thing", "imagePullPolicy": "Always" }] });
    space.ready("alone", &alone);
    host.wait("vks logs alone -n nixbuild | grep -q ^etc");
    assert_eq!(
        host.vks_ok(&["logs", "alone", "-n", "nixbuild"]),
        "word built\nstore 2\netc\n"
    );
    for name in ["whole", "again", "alone"] {
        host.vks_ok(&["delete", "pod", name, "-n", "nixbuild", "--wait"]);
    }
    host.wait("! ls /var/lib/vks/images/pods/*.json");
    host.vks_ok(&["image", "prune"]);
    host.ok(&format!("nix-store --gc >/dev/null 2>&1; test ! -e {path}"));
}
