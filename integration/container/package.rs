//! The packages: built the same every time, installed, upgraded under running pods, removed and purged.

use super::host::{Host, LONG};
use super::lab::{self, Machine, Tier};
use super::space::Space;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory for packages, empty.
fn directory(name: &str) -> PathBuf {
    let path = lab::state().join("packages").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Runs a command of this machine, which must succeed.
fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{command:?}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

/// Builds one by `packaging/SCRIPT` and gives its path.
fn build(script: &str, to: &Path, environment: &[(&str, &str)]) -> PathBuf {
    let path = run(
        Command::new(lab::repository().join("packaging").join(script))
            .arg(lab::vks_program())
            .arg(to)
            // Quicker, and nothing else about it is another.
            .env("VKS_COMPRESS", "gzip")
            .envs(environment.iter().copied()),
    );
    path.trim_end().into()
}

fn tar(arguments: &[&str], archive: &Path) -> Vec<String> {
    let text = run(Command::new("tar").args(arguments).arg(archive));
    text.lines().map(str::to_owned).collect()
}

/// The files of a list, without the directory that all are in.
fn below(lines: &[String], prefix: &str) -> BTreeSet<String> {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(prefix))
        .filter(|path| path.starts_with("usr/") && !path.ends_with('/'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_same_program_makes_the_same_packages() {
    if !lab::require(Tier::Container) {
        return;
    }
    let to = directory("same");
    let archives = ["one", "two"].map(|name| {
        let other: &[(&str, &str)] = match name {
            "one" => &[("LC_ALL", "C.UTF-8"), ("TZ", "Asia/Tokyo")],
            _ => &[("TMPDIR", "/var/tmp"), ("TZ", "UTC")],
        };
        let to = to.join(name);
        let built = [build("deb.sh", &to, other), build("tar.sh", &to, other)];
        built.map(|path| (path.clone(), std::fs::read(path).unwrap()))
    });
    for (one, two) in archives[0].iter().zip(&archives[1]) {
        assert!(one.1 == two.1, "{} is another one", one.0.display());
    }

    let [(deb, _), (tarball, _)] = &archives[0];
    // Debian 12's: the oldest of a system whose systemd is new enough.
    let needs = run(Command::new("dpkg-deb").arg("-f").arg(deb).arg("Depends"));
    let glibc = needs.split_once("libc6 (>= 2.").unwrap().1;
    let glibc: u32 = glibc.split_once(')').unwrap().0.parse().unwrap();
    assert!(glibc <= 36, "{needs}");

    let said = run(Command::new("lintian")
        .args(["--no-cfg", "--pedantic"])
        .arg(deb));
    assert_eq!(said, "", "lintian");
    // The archive for other hosts has the same, but what is for Debian alone.
    let files = run(Command::new("sh")
        .args(["-c", "dpkg-deb --fsys-tarfile \"$1\" | tar -t", "sh"])
        .arg(deb));
    let files: Vec<String> = files.lines().map(str::to_owned).collect();
    let name = tarball.file_name().unwrap().to_str().unwrap();
    let inside = format!("{}/", name.strip_suffix(".tar.gz").unwrap());
    let debian = |path: &String| {
        path.contains("/lintian/")
            || path.ends_with("/copyright")
            || path.to_lowercase().contains("/changelog")
    };
    let other =
        |path: &String| path.ends_with("/doc/vks/LICENSE") || path.ends_with("/doc/vks/vks.toml");
    let mut left = below(&files, "./");
    left.retain(|path| !debian(path));
    let mut right = below(&tar(&["-tzf"], tarball), &inside);
    right.retain(|path| !other(path));
    assert_eq!(left, right);
    for page in [
        "man1/vks.1",
        "man1/vks-get.1",
        "man5/vks.toml.5",
        "man5/vks-pod.5",
        "man7/vks-units.7",
    ] {
        assert!(left.contains(&format!("usr/share/man/{page}.gz")), "{page}");
    }
    for file in [
        "bash-completion/completions/vks",
        "zsh/vendor-completions/_vks",
        "fish/vendor_completions.d/vks.fish",
    ] {
        assert!(left.contains(&format!("usr/share/{file}")), "{file}");
    }
    std::fs::remove_dir_all(&to).unwrap();
}

/// The settings that the package brings say what holds without them.
#[test]
fn the_settings_of_the_package_are_settings() {
    let root = directory("settings");
    let text = std::fs::read_to_string(lab::repository().join("packaging/vks.toml")).unwrap();
    let active: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert!(active.len() > 4, "{active:?}");
    std::fs::create_dir_all(root.join("etc/vks")).unwrap();
    let mut file = std::fs::File::create(root.join("etc/vks/vks.toml")).unwrap();
    file.write_all(active.join("\n").as_bytes()).unwrap();
    let example = lab::repository().join("examples/hello/hello.toml");
    run(Command::new(lab::vks_program())
        .arg("--root")
        .arg(&root)
        .arg("verify")
        .arg(example));
}

/// A host that has not heard of vks, and two versions of the package on it.
fn bare(name: &str) -> Host {
    let machine = Machine::boot_bare("trixie", name, &[]);
    let to = directory(name);
    for version in ["0.1.0", "0.1.1"] {
        let deb = build("deb.sh", &to, &[("VKS_VERSION", version)]);
        let mut copy = machine.command(&["sh", "-c", &format!("cat >/root/vks-{version}.deb")]);
        run(copy.stdin(std::fs::File::open(deb).unwrap()));
    }
    std::fs::remove_dir_all(&to).unwrap();
    Host { machine }
}

impl Host {
    fn dpkg(&self, arguments: &str) -> String {
        self.ok(&format!("dpkg {arguments} 2>&1"))
    }

    /// All files but those of dpkg itself and of what goes with a reboot.
    fn files(&self) -> BTreeSet<String> {
        let out =
            "proc sys run tmp dev t var/log var/lib/dpkg var/lib/systemd var/cache var/tmp root"
                .split(' ')
                .map(|path| format!("-path /{path} -o "))
                .collect::<String>();
        let text = self.ok(&format!(
            "find / -xdev \\( {out} -false \\) -prune -o -print"
        ));
        text.lines().map(str::to_owned).collect()
    }

    /// Each active unit of pods, with the run it is in.
    fn lives(&self) -> BTreeMap<String, String> {
        let units = self.ok("systemctl list-units --plain --no-legend --state=active 'vks.*' 'vks-*' | cut -d' ' -f1");
        let pods = units.lines().filter(|unit| *unit != "vks.service");
        pods.map(|unit| {
            let life = ["InvocationID", "MainPID", "ActiveEnterTimestampMonotonic"];
            (
                unit.to_owned(),
                life.map(|name| self.property(unit, name)).join(" "),
            )
        })
        .collect()
    }

    fn is(&self, unit: &str, states: &str) {
        let state = self.machine.sh(&format!(
            "systemctl is-enabled {unit}; systemctl is-active {unit}"
        ));
        assert_eq!(
            state
                .stdout
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            states,
            "{unit}"
        );
    }
}

#[test]
fn the_life_of_the_debian_package() {
    if !lab::require(Tier::Container) {
        return;
    }
    let host = bare("package");
    let before = host.files();

    let said = host.dpkg("-i /root/vks-0.1.0.deb");
    assert!(!said.contains("warning"), "{said}");
    for unit in ["vks.service", "vks-pods.target"] {
        host.is(unit, "enabled active");
    }
    host.is("vks-units.service", "enabled inactive");
    host.ok("printf '# mine\\n[pods]\\nprofile = \"trusted\"\\n' >/etc/vks/vks.toml; systemctl restart vks");
    host.ok("mkdir /t");

    let space = Space::new_kept(&host, "pkg");
    space.apply_ok("claim", &[json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data", "namespace": "pkg" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1M" } } },
    })]);
    let pod = space.ready("applied", &json!({
        "hostNetwork": false,
        "volumes": [{ "name": "d", "persistentVolumeClaim": { "claimName": "data" } }, { "name": "e", "emptyDir": {} }],
        "containers": [{
            "name": "c", "image": "host:/bin/sh", "args": ["-c", "echo run >>/mnt/runs; exec sleep 1d"],
            "volumeMounts": [{ "name": "d", "mountPath": "/mnt" }, { "name": "e", "mountPath": "/srv" }],
            "lifecycle": { "preStop": { "exec": { "command": ["touch", "/t/pkg/stopped"] } } },
            "livenessProbe": { "exec": { "command": ["true"] } },
        }],
    }));
    host.machine.write(
        "/etc/vks/pods.d/file.toml",
        "metadata.name = 'file'\n[spec]\nhostNetwork = true\n[[spec.containers]]\nname = 'c'\nimage = 'host:/bin/sleep'\nargs = ['1d']\n",
        "0644",
    );
    host.wait("vks wait --for=condition=Ready pod/file");

    upgrades_leave_pods_alone(&host);

    // Removal stops them as people do, and keeps what they are.
    let uid = pod.json()["metadata"]["uid"].clone();
    host.dpkg("-r vks");
    host.ok("test -e /t/pkg/stopped; test -e /etc/vks/vks.toml; ! test -e /usr/bin/vks");
    assert_eq!(host.lives(), BTreeMap::new());
    assert_eq!(host.ok("systemctl list-units --plain --no-legend --failed; ls /run/netns; nft list tables; pgrep -x vks || true"), "");

    host.dpkg("-i /root/vks-0.1.1.deb");
    host.wait("vks wait --for=condition=Ready pod/file && vks wait --for=condition=Ready pod/applied -n pkg");
    assert_eq!(pod.json()["metadata"]["uid"], uid);
    host.ok("grep -qx '# mine' /etc/vks/vks.toml; test \"$(wc -l </var/lib/vks/volumes/pkg/data/runs)\" = 2");

    // Purging leaves what people have written and what pods have kept, and says so.
    let said = host.dpkg("--purge vks");
    assert!(said.contains("/var/lib/vks/volumes"), "{said}");
    let left: Vec<String> = host.files().difference(&before).cloned().collect();
    assert_eq!(
        left,
        [
            "/etc/vks",
            "/etc/vks/pods.d",
            "/etc/vks/pods.d/file.toml",
            "/var/lib/vks",
            "/var/lib/vks/volumes",
            "/var/lib/vks/volumes/pkg",
            "/var/lib/vks/volumes/pkg/data",
            "/var/lib/vks/volumes/pkg/data/runs",
        ]
    );
    host.ok("! test -e /run/vks; rm -r /etc/vks /var/lib/vks");
    assert!(host.files().is_subset(&before));
}

/// To the same version and to a newer one, and of an agent that is switched off.
fn upgrades_leave_pods_alone(host: &Host) {
    let lives = host.lives();
    assert!(
        lives.contains_key("vks.pkg.applied.sh.service"),
        "{lives:?}"
    );
    assert!(lives.contains_key("vks-network.service"), "{lives:?}");
    let agent = host.property("vks.service", "MainPID");
    for deb in ["vks-0.1.1.deb", "vks-0.1.0.deb"] {
        let said = host.dpkg(&format!("--force-downgrade -i /root/{deb}"));
        assert!(!said.contains("onfiguration file"), "{said}");
        assert_eq!(host.lives(), lives, "{deb}");
    }
    host.is("vks.service", "enabled active");
    assert_ne!(
        host.property("vks.service", "MainPID"),
        agent,
        "the agent is the new one"
    );
    // Its first pass is over, and has changed nothing.
    host.machine
        .wait_until("a pass", LONG, "systemctl reload vks.service");
    assert_eq!(host.lives(), lives);

    host.ok("systemctl disable --now vks.service");
    host.dpkg("-i /root/vks-0.1.1.deb");
    host.is("vks.service", "disabled inactive");
    assert_eq!(host.lives(), lives);
    host.ok("systemctl enable --now vks.service");
    assert_eq!(host.lives(), lives);
}

/// Where services may not be started, as in the making of an image, nothing is, and removal takes away all of it.
#[test]
fn a_package_that_may_start_nothing() {
    if !lab::require(Tier::Container) {
        return;
    }
    let host = bare("package-quiet");
    host.ok(
        "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d",
    );
    let before = host.files();
    host.dpkg("-i /root/vks-0.1.0.deb");
    host.is("vks.service", "enabled inactive");
    host.is("vks-pods.target", "enabled inactive");
    host.dpkg("-i /root/vks-0.1.1.deb");
    host.is("vks.service", "enabled inactive");
    host.dpkg("--purge vks");
    assert_eq!(host.files(), before);
    from_the_archive(&host);
}

/// On a host without packages: the commands of the page, as they stand there.
fn from_the_archive(host: &Host) {
    let to = directory("archive");
    let archive = build("tar.sh", &to, &[]);
    let page = include_str!("../../packaging/README.md");
    let (_, section) = page.split_once("\n## The archive\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let commands = section.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.collect();
    let name = commands[0].split_whitespace().nth(2).unwrap();
    let mut copy = host
        .machine
        .command(&["sh", "-c", &format!("cat >/root/{name}")]);
    run(copy.stdin(std::fs::File::open(archive).unwrap()));
    std::fs::remove_dir_all(&to).unwrap();
    assert_eq!(commands.len(), 5, "{commands:?}");
    host.ok(&format!("cd /root; set -e; {}", commands.join("; ")));
    host.is("vks.service", "enabled active");
    host.machine.write(
        "/etc/vks/pods.d/file.toml",
        "metadata.name = 'file'\n[spec]\nhostNetwork = true\n[[spec.containers]]\nname = 'c'\nimage = 'host:/bin/sleep'\nargs = ['1d']\n",
        "0644",
    );
    host.wait("vks wait --for=condition=Ready pod/file");
}
