//! Programs that everybody knows, in images made from their Debian packages, by vks and by `crun` with its default
//! specification: nginx with its user and its signals, busybox, a program of Python; and what status each end gives.
//! What differs stands in `docs/crun-images.md` with the reason.

use super::crun::USUAL;
use super::host::Host;
use super::lab;
use super::oci::{OciHost, PLAIN};
use super::space::Space;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// nginx and busybox from Debian's packages: fetched with the network of the machine that runs the tests.
pub fn programs() -> PathBuf {
    let to = lab::state().join("packages/programs");
    if !to.join("usr/sbin/nginx").exists() {
        std::fs::create_dir_all(&to).unwrap();
        let script = "apt-get download nginx busybox-static >&2 && for deb in *.deb; do dpkg-deb -x $deb .; done";
        let got = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(&to)
            .status();
        assert!(got.unwrap().success(), "cannot download nginx and busybox");
    }
    to
}

/// A bundle for crun with the layers of an image as its root, anew.
struct Bundle<'a> {
    host: &'a Host,
    dir: String,
}

impl<'a> Bundle<'a> {
    fn new(host: &'a Host, image: &str) -> Self {
        let dir = format!("/var/lib/vks/crun-{image}");
        let reference = format!("oci:localhost:5000/{image}:1");
        host.ok(&format!(
            "mkdir -p {dir}/root {dir}/upper {dir}/work && cd {dir} && crun spec && \
             lower=$(jq -r 'select(.resolved.reference == \"{reference}\" or .reference == \"{reference}\") | \
               [.. | .layers? | arrays][0] | reverse | map(\"/var/lib/vks/images/layers/\" + ltrimstr(\"sha256:\") + \"/fs\") | join(\":\")' \
               /var/lib/vks/images/refs/*.json | head -1) && test -n \"$lower\" && \
             mount -t overlay overlay -o lowerdir=$lower,upperdir={dir}/upper,workdir={dir}/work {dir}/root"
        ));
        Self { host, dir }
    }

    /// The words that run it as a container of that name.
    fn run(&self, name: &str, args: &Value) -> String {
        let path = format!("{}/config.json", self.dir);
        let mut config: Value = serde_json::from_str(&self.host.machine.read(&path)).unwrap();
        let sets = json!({ "bounding": USUAL, "effective": USUAL, "permitted": USUAL });
        config["process"] = json!({
            "user": { "uid": 0, "gid": 0, "additionalGids": [0] }, "args": args, "cwd": "/", "capabilities": sets,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"],
        });
        config["root"] = json!({ "path": "root", "readonly": false });
        self.host.machine.write(&path, &config.to_string(), "0644");
        format!(
            "crun --cgroup-manager=disabled run --no-new-keyring --bundle {} --pid-file {}/pid {name}",
            self.dir, self.dir
        )
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        let _ = self
            .host
            .machine
            .sh(&format!("umount {}/root; rm -r {}", self.dir, self.dir));
    }
}

/// The cells of a table of the page, by their first.
fn table(title: &str) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(lab::repository().join("docs/crun-images.md")).unwrap();
    let part = text.split("\n## ").find(|part| part.starts_with(title));
    let rows = part.unwrap_or_default().lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.map(|row| {
        let mut cells = row
            .split(" | ")
            .map(|cell| cell.trim_matches('`').to_owned());
        (cells.next().unwrap(), cells.collect())
    })
    .collect()
}

/// What ends how: the words, and who sends which signal to it from outside.
const ENDS: [(&str, &[&str], &str); 9] = [
    ("exit 0", &["sh", "-c", "exit 0"], ""),
    ("exit 7", &["sh", "-c", "exit 7"], ""),
    ("exit 255", &["sh", "-c", "exit 255"], ""),
    (
        "its child is killed",
        &[
            "sh",
            "-c",
            "sh -c 'read -r me rest </proc/self/stat; kill -9 $me'; exit $?",
        ],
        "",
    ),
    (
        "it kills itself",
        &[
            "sh",
            "-c",
            "read -r me rest </proc/self/stat; kill -9 $me; kill -15 $me; exit 5",
        ],
        "",
    ),
    ("SIGKILL from outside", &["sleep", "1000"], "KILL"),
    (
        "a signal that it handles",
        &[
            "sh",
            "-c",
            "trap 'exit 9' USR1; echo x >/ready; while :; do sleep 0.1; done",
        ],
        "USR1",
    ),
    ("no such program", &["/no/such/program"], ""),
    ("not executable", &["/etc/passwd"], ""),
];

#[test]
fn programs_run_and_end_as_by_crun() {
    let programs = programs();
    let bind = format!("{}:/srv/programs", programs.display());
    let Some(on) = OciHost::boot_with("ociprograms", &["--bind-ro", &bind]) else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    let space = Space::new(&on.host, "ociprograms");
    ends(&on, &space);
    nginx(&on, &space);
    busybox(&on, &space);
    nothing_of_ours_runs_beside(&on, &space);
}

/// The status of each end: of `crun run` its own, of vks the container's.
fn ends(on: &OciHost, space: &Space<'_>) {
    let names: Vec<String> = (0..ENDS.len()).map(|index| format!("e{index}")).collect();
    let containers = ENDS.iter().zip(&names).map(|((_, words, _), name)| {
        json!({ "name": name, "image": "oci:localhost:5000/base:1", "command": words })
    });
    let containers: Vec<Value> = containers.collect();
    let pod = space.pod(
        "ends",
        &json!({ "hostNetwork": false, "restartPolicy": "Never", "containers": containers }),
    );
    let signalled = ENDS
        .iter()
        .zip(&names)
        .filter(|((.., signal), _)| !signal.is_empty());
    for ((_, words, signal), name) in signalled {
        pod.wait_until("runs", |pod| {
            pod.container(name)["state"]["running"].is_object()
        });
        let pid = pod.pid(name);
        if words[0] == "sh" {
            on.host.wait(&format!("test -e /proc/{pid}/root/ready"));
        }
        on.host.ok(&format!("kill -{signal} {pid}"));
    }
    pod.wait_until("ended", |pod| {
        names
            .iter()
            .all(|name| pod.container(name)["state"]["terminated"].is_object())
    });
    let expected = table("How it ends");
    let mut seen = BTreeMap::new();
    let bundle = Bundle::new(&on.host, "base");
    for (index, (what, words, signal)) in ENDS.iter().enumerate() {
        let run = bundle.run(&format!("end-{index}"), &json!(words));
        let ready = format!("{}/root/ready", bundle.dir);
        let script = match *signal {
            "" => format!("{run} 2>/dev/null; echo $?"),
            _ => format!(
                "rm -f {ready} {0}/pid; ({run}; echo $? >{0}/code) & until test -s {0}/pid && crun state end-{index} | grep -q running; \
                 do sleep 0.05; done; test {1} != sh || until test -e {ready}; do sleep 0.05; done; \
                 kill -{signal} $(cat {0}/pid); wait; cat {0}/code",
                bundle.dir, words[0]
            ),
        };
        let theirs = on.host.ok(&script).trim().to_owned();
        let end = &pod.container(&names[index])["state"]["terminated"];
        let ours = format!(
            "{} {}",
            end["exitCode"],
            end["reason"].as_str().unwrap_or_default()
        );
        seen.insert((*what).to_owned(), (theirs, ours));
    }
    drop(bundle);
    let said: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(what, cells)| (what, (cells[0].clone(), cells[1].clone())))
        .collect();
    assert_eq!(seen, said, "docs/crun-images.md says otherwise");
    pod.delete();
}

/// Master and worker of a running nginx: their users, capabilities and what they answer.
fn look(host: &Host, master: &str) -> String {
    let worker = host.ok(&format!("pgrep -P {master}"));
    let worker = worker.trim();
    let of = |pid: &str| {
        host.ok(&format!(
            "grep -E '^(Uid|Gid|Groups|CapEff|CapBnd|CapPrm|NoNewPrivs|NSpid)' /proc/{pid}/status | tr -s ' \\t\\n' ' ' | \
             sed 's/NSpid: [0-9]* /pid in it: /'; tr '\\0' ' ' </proc/{pid}/cmdline"
        ))
    };
    let page = host.ok(&format!("nsenter -n -t {master} curl -s http://127.0.0.1/"));
    format!("{}\n{}\n{page}", of(master), of(worker))
}

/// nginx with a worker that is another user, which ends gracefully by the image's signal.
fn nginx(on: &OciHost, space: &Space<'_>) {
    let host = &on.host;
    let pod = space.ready(
        "nginx",
        &json!({ "hostNetwork": false, "restartPolicy": "Never", "terminationGracePeriodSeconds": 30,
            "containers": [{ "name": "c", "image": "oci:localhost:5000/nginx:1",
                "readinessProbe": { "httpGet": { "port": 80 }, "periodSeconds": 1 } }] }),
    );
    let bundle = Bundle::new(host, "nginx");
    let run = bundle.run("web", &json!(["nginx", "-g", "daemon off;"]));
    let dir = &bundle.dir;
    host.ok(&format!(
        "systemd-run -q --unit=crun-web -p RemainAfterExit=yes -p Environment=PATH=/usr/bin:/usr/sbin {run}"
    ));
    host.wait(&format!(
        "test -s {dir}/pid && nsenter -n -t $(cat {dir}/pid) true"
    ));
    // crun's namespace has a loopback interface that is down.
    host.ok(&format!("nsenter -n -t $(cat {dir}/pid) ip link set lo up"));
    host.wait(&format!(
        "nsenter -n -t $(cat {dir}/pid) curl -so /dev/null http://127.0.0.1/"
    ));
    let theirs = host.ok(&format!("cat {dir}/pid")).trim().to_owned();
    let ours = pod.pid("c");
    let (own, other) = (look(host, &ours), look(host, &theirs));
    assert!(
        own.contains("Uid: 33 33 33 33") && own.contains("hello"),
        "{own}"
    );
    assert_eq!(own, other);
    // SIGHUP: a new worker, the same master. SIGUSR1 opens the log again.
    for (master, log) in [
        (&ours, format!("/proc/{ours}/root/var/log/nginx/access.log")),
        (&theirs, format!("{dir}/root/var/log/nginx/access.log")),
    ] {
        let worker = host.ok(&format!("pgrep -P {master}"));
        host.ok(&format!("kill -HUP {master}"));
        host.wait(&format!(
            "test \"$(pgrep -P {master})\" != '{}' && test $(pgrep -P {master} | wc -l) = 1",
            worker.trim()
        ));
        host.ok(&format!("mv {log} {log}.1; kill -USR1 {master}"));
        host.wait(&format!("test -e {log}"));
    }
    // The image's signal is SIGQUIT: a request under way is answered before the end, and the status is 0.
    for (master, name) in [(&ours, "vks"), (&theirs, "crun")] {
        host.ok(&format!(
            "systemd-run -q --unit=slow-{name} -p RemainAfterExit=yes nsenter -n -t {master} curl -sS --limit-rate 100k \
             -o /t/slow-{name} http://127.0.0.1/big"
        ));
        host.wait(&format!("test -s /t/slow-{name}"));
    }
    host.ok("crun kill web QUIT");
    host.ok("systemd-run -q vks delete pod nginx -n ociprograms");
    for name in ["vks", "crun"] {
        host.wait(&format!(
            "test $(systemctl show -P SubState slow-{name}) = exited -a $(stat -c %s /t/slow-{name}) = 400000"
        ));
    }
    host.wait("test $(systemctl show -P SubState crun-web) = exited");
    assert_eq!(host.ok("systemctl show -P ExecMainStatus crun-web"), "0\n");
    host.wait("! vks get pod nginx -n ociprograms");
    let said = host.ok("journalctl -q -o cat --no-pager -u 'vks.ociprograms.nginx.*'");
    assert!(said.contains("gracefully shutting down"), "{said}");
    host.ok("systemctl stop slow-vks slow-crun crun-web");
    drop(bundle);
    // In a pod that stays, the status is told.
    let pod = space.ready(
        "again",
        &json!({ "hostNetwork": false, "restartPolicy": "Never", "containers": [{ "name": "c",
            "image": "oci:localhost:5000/nginx:1", "readinessProbe": { "httpGet": { "port": 80 }, "periodSeconds": 1 } }] }),
    );
    host.ok(&format!("kill -QUIT {}", pod.pid("c")));
    pod.wait_until("ended", |pod| {
        pod.container("c")["state"]["terminated"]["exitCode"] == 0
    });
    pod.delete();
}

const LOOKS: &str = "id; umask; pwd; ulimit -a; env | sort; grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status; ls /; \
    ls /dev | grep -v -e termination-log -e core; touch /x /tmp/x /dev/shm/x && echo writes; touch /proc/sys/x /sys/x 2>&1; hostname | wc -l; \
    ps | wc -l; exit 3";

fn busybox(on: &OciHost, space: &Space<'_>) {
    let pod = space.pod(
        "busybox",
        &json!({ "hostNetwork": false, "restartPolicy": "Never", "containers": [{
            "name": "c", "image": "oci:localhost:5000/busybox:1", "args": ["sh", "-c", LOOKS] }] }),
    );
    pod.wait_until("ended", |pod| {
        pod.container("c")["state"]["terminated"]["exitCode"] == 3
    });
    let bundle = Bundle::new(&on.host, "busybox");
    let run = bundle.run("box", &json!(["sh", "-c", LOOKS]));
    let theirs = on.host.ok(&format!(
        "systemd-run -q --wait --pipe {run} </dev/null; test $? = 3"
    ));
    let ours = on.host.vks_ok(&["logs", "busybox", "-n", "ociprograms"]);
    // The journal keeps no spaces at the end of a line.
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines
            .filter(|line| !line.starts_with("HOSTNAME="))
            .collect()
    };
    assert_eq!(lines(&ours), lines(&theirs));
}

/// The processes that run vks: number, unit, kB of memory that are theirs (PSS).
fn ours(host: &Host) -> Vec<(String, String, u64)> {
    let found = host.ok(
        "for p in /proc/[0-9]*; do test \"$(readlink $p/exe)\" = \"$(readlink -f /usr/bin/vks)\" || continue; \
         echo \"${p#/proc/} $(grep -o '[^/]*$' $p/cgroup | tail -1) $(sed -n 's/^Pss: *//p' $p/smaps_rollup)\"; done",
    );
    let processes = found.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (pid, unit, kb) = (words.next()?, words.next()?, words.next()?);
        Some((pid.to_owned(), unit.to_owned(), kb.parse().ok()?))
    });
    processes.collect()
}

/// A running container is its program alone: what vks does for it is over when it runs.
fn nothing_of_ours_runs_beside(on: &OciHost, space: &Space<'_>) {
    const COUNT: usize = 20;
    let host = &on.host;
    let before = ours(host);
    let containers: Vec<Value> = (0..COUNT)
        .map(|index| {
            json!({ "name": format!("c{index}"), "image": "oci:localhost:5000/busybox:1",
                "args": ["sh", "-c", "sh -c 'read -r me rest </proc/self/stat; kill -STOP $me' & wait"] })
        })
        .collect();
    let pod = space.ready(
        "many",
        &json!({ "hostNetwork": false, "containers": containers }),
    );
    for index in 0..COUNT {
        let unit = pod.unit(&format!("c{index}"));
        let programs = host.ok(&format!(
            "dir=$(systemctl show -P ControlGroup '{unit}'); for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do \
             test ! -e $root$dir/cgroup.procs || cat $root$dir/cgroup.procs; done | sort -u | while read pid; do \
             tr '\\0' ' ' </proc/$pid/cmdline; readlink /proc/$pid/exe; done"
        ));
        assert_eq!(
            programs
                .lines()
                .map(|line| line.rsplit(' ').next().unwrap())
                .collect::<Vec<_>>(),
            ["/bin/busybox", "/bin/busybox"],
            "{unit}: {programs}"
        );
    }
    let after = ours(host);
    let units = |found: &[(String, String, u64)]| {
        let mut units: Vec<String> = found.iter().map(|(_, unit, _)| unit.clone()).collect();
        units.sort();
        units
    };
    let sum = |found: &[(String, String, u64)]| found.iter().map(|(.., kb)| kb).sum::<u64>();
    println!(
        "vks: {} processes, {} kB; with {COUNT} containers {} processes, {} kB",
        before.len(),
        sum(&before),
        after.len(),
        sum(&after)
    );
    assert_eq!(units(&before), units(&after));
    // Without the agent, there is nothing of vks at all.
    host.ok("systemctl stop vks.service");
    let left = ours(host);
    let left: Vec<_> = left
        .iter()
        .filter(|(_, unit, _)| unit.contains("many"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    host.ok("systemctl start vks.service");
    pod.delete();
}
