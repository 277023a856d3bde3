//! Images of layers: how soon a program of one runs, beside `crun run` of the same root, and how long unpacking takes,
//! beside tar and the decompressor.

use crate::Effort;
use crate::inside::{run, start_agent, stop_agent};
use crate::report::{Figure, Target, list, median, ms};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const IMAGES: &str = include_str!("../../container/images.py");
const OF_START: f64 = 1.0;
const OF_UNPACKING: f64 = 1.3;
/// A unit with nothing but a program.
const PLAIN: &str = "bench-plain.service";
/// One with all the settings of a container's unit, and nothing of vks.
const SETTINGS: &str = "bench-settings.service";
/// A program says by this that it runs.
const FIFO: &str = "/bench/fifo";
const LAYERS: &str = "/var/lib/vks/images/layers";

pub fn measure(effort: Effort) -> bool {
    // overlayfs writes to no overlayfs, which is what the machine's own root is.
    shell("mkdir -p /var/lib/vks /srv/reg /bench && mount -t tmpfs -o mode=755 state /var/lib/vks");
    fs::write("/srv/images.py", IMAGES).expect("a program");
    run("python3", &["/srv/images.py", "/srv/reg"]);
    run("mkfifo", &[FIFO]);
    let unpacking = unpacking(effort.of(9, 3));
    let start = start(effort.of(41, 5));
    unpacking && start
}

fn shell(script: &str) -> String {
    run("sh", &["-c", script])
}

fn timed(act: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    act();
    begin.elapsed()
}

/// The layers of an image by `vks image import`, and by gzip and tar into the same file system.
fn unpacking(rounds: usize) -> bool {
    let blobs = "cd /srv/reg/blobs/sha256 && d=$(jq -r '.manifests[0].digest' ../../index.json) && \
        jq -r '.layers[].digest' ${d#sha256:} | sed 's/sha256://'";
    let blobs = shell(blobs);
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    // The first round warms caches up and is not counted.
    for round in 0..=rounds {
        let import = timed(|| drop(run("vks", &["image", "import", "/srv/reg"])));
        shell("mkdir -p /var/lib/vks/peer");
        let tar = timed(|| {
            for (index, blob) in blobs.split_whitespace().enumerate() {
                shell(&format!(
                    "mkdir /var/lib/vks/peer/{index} && gzip -dc /srv/reg/blobs/sha256/{blob} | tar -xpC /var/lib/vks/peer/{index} --numeric-owner"
                ));
            }
        });
        shell("rm -r /var/lib/vks/peer");
        if round > 0 {
            ours.push(import);
            peer.push(tar);
        }
        if round < rounds {
            run("vks", &["image", "rm", "oci:local/app:1"]);
        }
    }
    println!("  import: {}\n  tar: {}", list(&ours), list(&peer));
    Figure {
        name: format!(
            "unpacking {} layers, beside gzip and tar",
            blobs.lines().count()
        ),
        ours: ms(median(&ours)),
        peer: Some(ms(median(&peer))),
        unit: "ms",
        target: Target::AtMost(OF_UNPACKING),
    }
    .print()
}

/// From the command to the first sign of the program.
fn start(rounds: usize) -> bool {
    let program = format!("echo here >{FIFO}; exec sleep 1000");
    let pod = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"image\"}}, \"spec\": {{\"hostNetwork\": true, \
         \"terminationGracePeriodSeconds\": 1, \"volumes\": [{{\"name\": \"b\", \"hostPath\": {{\"path\": \"/bench\"}}}}], \"containers\": [{{\"name\": \"c\", \
         \"image\": \"oci:local/app:1\", \"imagePullPolicy\": \"Never\", \"securityContext\": {{\"runAsUser\": 0, \"runAsGroup\": 0}}, \
         \"command\": [\"sh\", \"-c\", \"{program}\"], \"volumeMounts\": [{{\"name\": \"b\", \"mountPath\": \"/bench\"}}]}}]}}}}"
    );
    fs::write("/root/image.json", pod).expect("a manifest");
    start_agent();
    first_sign(|| drop(run("vks", &["apply", "-f", "/root/image.json"])));
    let unit = shell("cd /etc/systemd/system.attached && grep -l '^Container=c' vks.*");
    let unit = unit.trim();
    stop_agent();
    bundle(&program);
    floors(unit, &program);
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    let (mut floor, mut settings) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        run("systemctl", &["stop", unit, PLAIN, SETTINGS]);
        let plain = first_sign(|| drop(run("systemctl", &["start", PLAIN])));
        let without = first_sign(|| drop(run("systemctl", &["start", SETTINGS])));
        let vks = first_sign(|| drop(run("systemctl", &["start", unit])));
        let crun = first_sign(|| {
            let mut command = Command::new("crun");
            command.args(["--cgroup-manager=disabled", "run", "--detach", "peer"]);
            command.current_dir("/var/lib/vks/crun");
            command.stdin(Stdio::null()).stdout(Stdio::null());
            assert!(command.status().expect("crun").success());
        });
        run("crun", &["delete", "--force", "peer"]);
        if round > 0 {
            ours.push(vks);
            peer.push(crun);
            floor.push(plain);
            settings.push(without);
        }
    }
    tell((&ours, &peer), (&floor, &settings));
    let beside = beside(unit);
    let start = Figure {
        name: "warm start of a container of an image, beside crun run of the same root".to_owned(),
        ours: ms(median(&ours)),
        peer: Some(ms(median(&peer))),
        unit: "ms",
        target: Target::AtMost(OF_START),
    }
    .print();
    beside && start
}

/// What of a start is systemd's: of a unit of one line and one with the settings of the container's, beside crun, and what vks adds.
fn tell((ours, peer): (&[Duration], &[Duration]), (floor, settings): (&[Duration], &[Duration])) {
    println!("  vks: {}\n  crun: {}", list(ours), list(peer));
    println!("  a plain unit: {}", list(floor));
    println!("  with the same settings: {}", list(settings));
    let told = [
        (
            "systemctl start of a unit of one line, beside crun",
            floor,
            peer,
        ),
        (
            "of a unit with the settings of the container's, without vks, beside crun",
            settings,
            peer,
        ),
        ("the container's, beside that", ours, settings),
    ];
    for (name, one, other) in told {
        Figure {
            name: name.to_owned(),
            ours: ms(median(one)),
            peer: Some(ms(median(other))),
            unit: "ms",
            target: Target::None,
        }
        .print();
    }
}

/// Units by hand with the same program: what starting one costs at all, and with the namespaces, filters and limits that
/// systemd gives a container.
fn floors(unit: &str, program: &str) {
    let text = fs::read_to_string(format!("/etc/systemd/system.attached/{unit}")).expect("a unit");
    let kept = |line: &&str| {
        let others = ["[", "#", "Exec", "Type", "Restart", "Kill"];
        !others.iter().any(|other| line.starts_with(other))
    };
    let service = text.lines().skip_while(|line| *line != "[Service]").skip(1);
    let service = service.take_while(|line| !line.starts_with('['));
    let settings: Vec<&str> = service.filter(kept).collect();
    for (name, settings) in [(PLAIN, String::new()), (SETTINGS, settings.join("\n"))] {
        // Process 1 of a pid namespace hears no signal that it has not asked for, but this one.
        let unit = format!(
            "[Service]\nType=exec\nExecStart=/bin/sh -c '{program}'\nKillSignal=SIGKILL\n{settings}\n"
        );
        fs::write(format!("/run/systemd/system/{name}"), unit).expect("a unit");
    }
    run("systemctl", &["daemon-reload"]);
}

/// Memory of vks while the container of a unit runs and no agent: of processes beside the program, and of any others.
fn beside(unit: &str) -> bool {
    let kb = shell(&format!(
        "systemctl is-active -q '{unit}' || exit 1; for p in /proc/[0-9]*; do test \"$(readlink $p/exe)\" = \"$(readlink -f /usr/bin/vks)\" && \
         sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' $p/smaps_rollup; done | awk '{{ kb += $1 }} END {{ print kb + 0 }}'"
    ));
    Figure {
        name: "memory of vks for a running container of an image".to_owned(),
        ours: kb.trim().parse().expect("a number"),
        peer: None,
        unit: "kB",
        target: Target::AtMost(0.0),
    }
    .print()
}

/// How long it takes from the beginning of an act until a program has written to the pipe. The act has ended then, too.
fn first_sign(act: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    let reader = std::thread::spawn(|| {
        let text = fs::read_to_string(FIFO).expect("a pipe");
        assert_eq!(text, "here\n");
        Instant::now()
    });
    act();
    reader.join().expect("the reader") - begin
}

/// The same root and program for crun, with its own default specification; its root is mounted beforehand.
fn bundle(program: &str) {
    let records = "/var/lib/vks/images/records";
    shell(&format!(
        "mkdir -p /var/lib/vks/crun && cd /var/lib/vks/crun && mkdir root upper work && crun spec && \
         n=0 && for layer in $(jq -rs '[.[] | select(.config.user == \"app\")][0].layers[] | ltrimstr(\"sha256:\")' {records}/*.json); do \
         ln -s {LAYERS}/$layer/fs $n && lower=$n${{lower:+:$lower}} && n=$((n + 1)); done && \
         mount -t overlay overlay -o lowerdir=$lower,upperdir=upper,workdir=work root && \
         jq --arg p '{program}' '.process.args = [\"sh\", \"-c\", $p] | .process.terminal = false | .root = {{path: \"root\", readonly: false}} | \
         .mounts += [{{destination: \"/bench\", type: \"bind\", source: \"/bench\", options: [\"rbind\", \"rw\"]}}]' config.json >new && mv new config.json"
    ));
    assert!(Path::new("/var/lib/vks/crun/root/etc/passwd").exists());
}
