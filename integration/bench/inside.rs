//! Inside: what the figures need of the machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The agent's unit.
pub const AGENT: &str = "vks.service";

/// Runs a program that must succeed; its standard output.
pub fn run<S: AsRef<str>>(program: &str, arguments: &[S]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let mut command = Command::new(program);
    command.args(&arguments).stdin(Stdio::null());
    let output = command.output().expect(program);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// How long a program takes.
pub fn time<S: AsRef<str>>(program: &str, arguments: &[S]) -> Duration {
    let begin = Instant::now();
    run(program, arguments);
    begin.elapsed()
}

/// Waits by the clock.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until something is so; a minute at most.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not after a minute");
        pause(Duration::from_millis(20));
    }
}

pub fn start_agent() {
    run("systemctl", &["start", AGENT]);
}

pub fn stop_agent() {
    run("systemctl", &["stop", AGENT]);
}

/// The process of the agent.
pub fn agent() -> u32 {
    main_pid(AGENT)
}

/// The main process of a service.
pub fn main_pid(unit: &str) -> u32 {
    let text = run("systemctl", &["show", "-P", "MainPID", unit]);
    text.trim().parse().expect("MainPID")
}

/// The container unit of [`pods`]' pod of this name.
pub fn unit(pod: &str) -> String {
    format!("vks.default.{}.sleep.service", pod.replace('-', "\\x2d"))
}

/// `prefix0` to `prefix<count-1>`.
pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number}"))
        .collect()
}

/// The manifests of pods of one process on the host's network, with the profile trusted: what is compared is a
/// hand-written service of the host, which is not shut in either.
pub fn pods(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        write!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  \
             annotations: {{vks.io/profile: trusted}}\nspec:\n  hostNetwork: true\n  \
             terminationGracePeriodSeconds: 1\n  containers:\n  - name: main\n    image: host:/usr/bin/sleep\n    \
             args: [infinity]\n"
        )
        .expect("text");
    }
    text
}

/// Writes the manifests of such pods; the path of the file.
pub fn manifest(file: &str, names: &[String]) -> String {
    let path = PathBuf::from("/root").join(format!("{file}.yaml"));
    std::fs::write(&path, pods(names)).expect("a manifest");
    path.display().to_string()
}

/// `vks apply --wait`: how long it takes until all the pods are ready.
pub fn apply(file: &str) -> Duration {
    time("vks", &["apply", "--wait", "-f", file])
}

/// `vks delete`, until nothing of the pods is loaded any more.
pub fn delete(file: &str, names: &[String]) {
    run("vks", &["delete", "-f", file]);
    until("deleted pods are gone", || {
        let loaded = run(
            "systemctl",
            &["list-units", "--all", "--plain", "--no-legend", "vks*"],
        );
        let loaded: Vec<&str> = loaded.split_whitespace().collect();
        !names
            .iter()
            .any(|name| loaded.contains(&unit(name).as_str()))
    });
}

/// Waits until the agent and PID 1 have nothing to do. Does not ask systemd, which would keep it busy.
pub fn settle() {
    let agent = agent();
    let used = || (cpu_ticks(1), cpu_ticks(agent));
    let (mut before, mut quiet) = (used(), 0);
    until("the machine comes to rest", || {
        pause(Duration::from_millis(200));
        let now = used();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        quiet >= 5
    });
}

/// Processor time of a process so far.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let (_, fields) = stat.rsplit_once(')').expect("stat");
    let number = |index: usize| -> u64 {
        let field = fields.split_whitespace().nth(index);
        field.and_then(|text| text.parse().ok()).expect("stat")
    };
    number(11) + number(12)
}

/// The sum of a field, such as `voluntary_ctxt_switches`, over all threads of a process.
pub fn over_threads(pid: u32, field: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("tasks");
    let of = |path: PathBuf| number_in(&path.join("status"), field);
    tasks.flatten().map(|entry| of(entry.path())).sum()
}

/// The number after `field:` in a file of /proc; 0 when it is not there.
pub fn number_in(path: &Path, field: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = value.and_then(|text| text.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// How often systemd has read all unit files again since boot.
pub fn reloads() -> usize {
    let said = run("journalctl", &["-b", "-o", "cat", "--no-pager", "_PID=1"]);
    said.lines()
        .filter(|line| line.starts_with("Reloading finished"))
        .count()
}
