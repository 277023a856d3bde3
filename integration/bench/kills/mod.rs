//! The agent is killed again and again while pods come, change and go. In the end the host must be what the manifests
//! say, pods that nobody touched must run as before, and nothing may be left of those that are gone.

mod check;
mod random;

use crate::inside::{AGENT, main_pid, pause, run, settle, start_agent};
use random::Random;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pods that stay as they are.
const UNTOUCHED: usize = 10;
/// Pods that come, change and go; half of them by files, half by commands.
const CHURNED: usize = 20;
const KILLS: u64 = 200;
const POD_DIRECTORY: &str = "/etc/vks/pods.d";

/// The pods that ought to be, and the version of each.
type Wanted = BTreeMap<String, usize>;

/// `[KILLS [SEED]]`: whether all is as it should be.
pub fn storm(arguments: &[String]) -> bool {
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse().ok());
    let kills = number(0).unwrap_or(KILLS) as usize;
    let seed = number(1).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_nanos() as u64 % 1_000_000
    });
    println!("storm: {kills} kills, seed {seed}");
    prepare();
    let mut storm = Storm {
        random: Random::new(seed),
        wanted: Wanted::new(),
        actions: 0,
    };
    for number in 0..UNTOUCHED {
        storm.write(&format!("still{number}"));
    }
    run("systemctl", &["restart", AGENT]);
    settle();
    let untouched = storm.wanted.clone();
    let before = check::running(&untouched);
    storm.rage(kills);
    println!("storm: over after {} changes", storm.actions);
    calm();
    let mut problems = check::all(&storm.wanted);
    let after = check::running(&untouched);
    for (pod, was) in &before {
        if after.get(pod) != Some(was) {
            let is = after.get(pod);
            problems.push(format!("{pod} was touched: {was:?}, now {is:?}"));
        }
    }
    for problem in &problems {
        println!("storm: {problem}");
    }
    let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
    let left = storm.wanted.len();
    println!("storm: {kills} kills, {left} pods in the end, seed {seed}: {verdict}");
    problems.is_empty()
}

/// The agent comes back at once, or most of the storm would pass without one.
fn prepare() {
    let folder = format!("/run/systemd/system/{AGENT}.d");
    std::fs::create_dir_all(&folder).expect(&folder);
    let text =
        "[Service]\nRestart=always\nRestartSec=10ms\nRestartSteps=0\nRestartMaxDelaySec=infinity\n";
    std::fs::write(format!("{folder}/storm.conf"), text).expect(&folder);
    std::fs::create_dir_all(POD_DIRECTORY).expect(POD_DIRECTORY);
    run("systemctl", &["daemon-reload"]);
    run("systemctl", &["enable", "--now", "vks-pods.target"]);
    start_agent();
}

/// Lets the agent finish, and starts another one, which has nothing left to do.
fn calm() {
    start_agent();
    settle();
    run("systemctl", &["restart", AGENT]);
    settle();
}

struct Storm {
    random: Random,
    wanted: Wanted,
    actions: usize,
}

impl Storm {
    /// Changes pods until the agent has been killed often enough.
    fn rage(&mut self, kills: usize) {
        let done = AtomicUsize::new(0);
        let moments = Random::new(self.random.next());
        std::thread::scope(|scope| {
            scope.spawn(|| kill_agents(moments, kills, &done));
            while done.load(Ordering::Relaxed) < kills {
                for _ in 0..=self.random.below(6) {
                    self.change();
                }
                pause(Duration::from_millis(self.random.below(400)));
            }
        });
    }

    /// One pod comes, changes or goes.
    fn change(&mut self) {
        self.actions += 1;
        let number = self.random.below(CHURNED as u64);
        let name = format!("churned{number}");
        let gone = self.random.below(3) == 0;
        match (number % 2, gone) {
            (0, false) => self.write(&name),
            (0, true) => self.remove(&name),
            (_, false) => self.apply(&name),
            (_, true) => self.delete(&name),
        }
    }

    fn write(&mut self, name: &str) {
        let path = pod_file(name);
        let new = path.with_extension("new");
        std::fs::write(&new, manifest(name, self.actions)).expect("a manifest");
        std::fs::rename(&new, &path).expect("a manifest");
        self.wanted.insert(name.to_owned(), self.actions);
    }

    fn remove(&mut self, name: &str) {
        if self.wanted.remove(name).is_some() {
            std::fs::remove_file(pod_file(name)).expect("a manifest");
        }
    }

    fn apply(&mut self, name: &str) {
        let file = format!("/root/{name}.yaml");
        std::fs::write(&file, manifest(name, self.actions)).expect("a manifest");
        insist(&["apply", "-f", &file]);
        self.wanted.insert(name.to_owned(), self.actions);
    }

    fn delete(&mut self, name: &str) {
        if self.wanted.remove(name).is_some() {
            insist(&["delete", "pod", name, "--wait=false", "--ignore-not-found"]);
        }
    }
}

fn pod_file(name: &str) -> PathBuf {
    PathBuf::from(POD_DIRECTORY).join(format!("{name}.yaml"))
}

/// What the process of a version of a pod gets as its argument.
fn sleeps(version: usize) -> String {
    format!("{}", 1_000_000 + version)
}

/// Whether a pod has a network namespace and volumes of its own, so that there is more to leave behind.
fn is_rich(name: &str) -> bool {
    name.bytes().map(u32::from).sum::<u32>() % 4 >= 2
}

fn manifest(name: &str, version: usize) -> String {
    let head = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations: {{vks.io/profile: trusted}}\nspec:\n"
    );
    let spec = format!(
        "  terminationGracePeriodSeconds: 1\n  containers:\n  - name: main\n    image: host:/usr/bin/sleep\n    \
         args: ['{}']\n",
        sleeps(version)
    );
    if !is_rich(name) {
        return format!("{head}  hostNetwork: true\n{spec}");
    }
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  key: value\n---\n{head}{spec}    \
         volumeMounts:\n    - {{name: scratch, mountPath: /mnt}}\n    - {{name: keys, mountPath: /srv}}\n  \
         volumes:\n  - name: scratch\n    emptyDir: {{}}\n  - name: keys\n    secret: {{secretName: {name}}}\n"
    )
}

/// Runs `vks` until it succeeds: an agent that starts or dies meanwhile may be in its way.
fn insist(arguments: &[&str]) {
    let mut said = String::new();
    for _ in 0..100 {
        let mut command = Command::new("vks");
        let output = command.args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("vks");
        if output.status.success() {
            return;
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        pause(Duration::from_millis(50));
    }
    panic!("vks {arguments:?} fails again and again: {said}");
}

/// Kills agents at random moments.
fn kill_agents(mut moments: Random, kills: usize, done: &AtomicUsize) {
    while done.load(Ordering::Relaxed) < kills {
        pause(Duration::from_millis(moments.below(500)));
        let agent = main_pid(AGENT);
        if let Some(pid) = Pid::from_raw(agent.cast_signed())
            && kill_process(pid, Signal::KILL).is_ok()
        {
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
