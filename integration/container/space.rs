//! A namespace of a test's own: its pods, their units and processes, and the check that nothing stays behind.

use super::host::{Host, LONG};
use super::lab::{self, Output};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A namespace on a host. When it ends well, its pods are deleted and nothing of them may be left.
pub struct Space<'a> {
    pub host: &'a Host,
    pub name: &'static str,
    /// Files given to `vks apply`.
    applied: RefCell<Vec<String>>,
    /// Its pods outlive it.
    kept: bool,
}

impl<'a> Space<'a> {
    pub fn new(host: &'a Host, name: &'static str) -> Self {
        host.ok(&format!("mkdir -p /t/{name} && chmod 1777 /t/{name}"));
        Self {
            host,
            name,
            applied: RefCell::default(),
            kept: false,
        }
    }

    /// One whose pods stay: the machine goes, or another takes over.
    pub fn new_kept(host: &'a Host, name: &'static str) -> Self {
        let mut space = Self::new(host, name);
        space.kept = true;
        space
    }

    /// A file of this namespace's own, for pods to write and tests to read.
    pub fn path(&self, name: &str) -> String {
        format!("/t/{}/{name}", self.name)
    }

    pub fn read(&self, name: &str) -> String {
        self.host
            .machine
            .sh(&format!("cat {}", self.path(name)))
            .stdout
    }

    pub fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// Waits until a file has at least so many lines, and gives them.
    pub fn wait_lines(&self, name: &str, count: usize) -> Vec<String> {
        let path = self.path(name);
        self.host.wait(&format!(
            "test \"$(cat {path} 2>/dev/null | wc -l)\" -ge {count}"
        ));
        self.lines(name)
    }

    /// The manifest of a pod here: on the host's network and with a short grace period, unless `spec` says otherwise.
    pub fn manifest(&self, pod: &str, spec: &Value) -> Value {
        let mut whole = json!({ "hostNetwork": true, "terminationGracePeriodSeconds": 5 });
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": pod, "namespace": self.name },
            "spec": whole,
        })
    }

    /// A config map or secret with text values.
    pub fn object(&self, kind: &str, name: &str, data: &Value) -> Value {
        let key = if kind == "Secret" {
            "stringData"
        } else {
            "data"
        };
        json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": self.name },
            key: data,
        })
    }

    /// `vks apply -f` of objects, kept for the end.
    pub fn apply(&self, file: &str, objects: &[Value], more: &[&str]) -> Output {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let path = self.path(&format!("{file}.json"));
        self.host.machine.write(&path, &list.to_string(), "0600");
        if !self.applied.borrow().contains(&path) {
            self.applied.borrow_mut().push(path.clone());
        }
        let argv: Vec<&str> = ["apply", "-f", &path].iter().chain(more).copied().collect();
        self.host.vks(&argv)
    }

    /// Applies, which must succeed.
    pub fn apply_ok(&self, file: &str, objects: &[Value]) {
        let out = self.apply(file, objects, &[]);
        assert_eq!(out.code, 0, "apply: {}{}", out.stdout, out.stderr);
    }

    /// A manifest that is refused: with what words.
    pub fn refused(&self, manifest: &Value) -> String {
        let path = self.path("refused.json");
        self.host
            .machine
            .write(&path, &manifest.to_string(), "0600");
        let out = self.host.vks(&["apply", "-f", &path]);
        assert_ne!(out.code, 0, "accepted: {}", out.stdout);
        out.stderr
    }

    /// A pod that is wanted, however it fares.
    pub fn pod(&'a self, name: &'static str, spec: &Value) -> Pod<'a> {
        self.apply_ok(name, &[self.manifest(name, spec)]);
        Pod { space: self, name }
    }

    /// A pod that runs and is ready.
    pub fn ready(&'a self, name: &'static str, spec: &Value) -> Pod<'a> {
        let out = self.apply(
            name,
            &[self.manifest(name, spec)],
            &["--wait", "--timeout", "90s"],
        );
        assert_eq!(out.code, 0, "apply --wait: {}{}", out.stdout, out.stderr);
        Pod { space: self, name }
    }

    /// A pod that came from elsewhere.
    pub fn known(&'a self, name: &'static str) -> Pod<'a> {
        Pod { space: self, name }
    }

    /// Writes down what to look at after a failure; where.
    fn keep_scene(&self) -> PathBuf {
        let path = lab::state()
            .join("failed")
            .join(format!("{}.txt", self.name));
        let _ = std::fs::create_dir_all(path.parent().unwrap());
        let _ = std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(self.scene().as_bytes()));
        path
    }

    fn scene(&self) -> String {
        let ns = self.name;
        let script = format!(
            "vks get pods -n {ns} -o yaml 2>&1 | tail -n 150; systemctl list-units --all --no-legend --plain \
             'vks.{ns}.*' 'vks-{ns}-*'; journalctl -n 80 --no-pager -o short-monotonic \
             -u 'vks.{ns}.*' -u 'vks-{ns}-*' -u vks.service"
        );
        self.host.machine.sh(&script).stdout
    }

    /// Deletes what was applied. Gives what is still there of it.
    fn clean(&self) -> String {
        let mut left = String::new();
        let ns = self.name;
        for file in self.applied.borrow_mut().drain(..) {
            let out = self
                .host
                .vks(&["delete", "-f", &file, "--ignore-not-found"]);
            // What was refused was never taken on.
            if out.code != 0 && !out.stderr.contains("does not implement") {
                let _ = writeln!(left, "vks delete -f {file}: {}{}", out.stdout, out.stderr);
            }
        }
        // Units without a file that vks-pods.target names go with the agent's next reload.
        let script = format!(
            "left() {{ systemctl list-units --all --no-legend --plain 'vks.{ns}.*' 'vks-{ns}-*' | grep -v 'not-found *inactive'; \
             ls -d /etc/systemd/system.attached/*vks[.-]{ns}[.-]* /etc/systemd/system.attached/*/vks-{ns}-* \
             /var/lib/vks/manifests/*.{ns}.*.json 2>/dev/null; }}; \
             i=0; while left | grep -q . && [ $i -lt 300 ]; do i=$((i+1)); sleep 0.1; done; left; true"
        );
        left + &self.host.ok(&script)
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        if self.kept && !std::thread::panicking() {
            return;
        }
        if std::thread::panicking() {
            let _ = writeln!(
                std::io::stderr(),
                "scene of {}: {}",
                self.name,
                self.keep_scene().display()
            );
            self.clean();
            return;
        }
        let complaints = self
            .host
            .verify_units("/etc/systemd/system.attached", self.name);
        // Some pods have a program on purpose that is not there.
        let complaints: Vec<&str> = complaints
            .lines()
            .filter(|line| !line.ends_with("is not executable: No such file or directory"))
            .collect();
        let left = self.clean();
        assert!(
            complaints.is_empty(),
            "{complaints:?}: systemd-analyze verify complains"
        );
        assert_eq!(left, "", "left after the pods were deleted");
    }
}

/// A pod on the host.
pub struct Pod<'a> {
    pub space: &'a Space<'a>,
    pub name: &'static str,
}

impl Pod<'_> {
    pub fn host(&self) -> &Host {
        self.space.host
    }

    pub fn namespace(&self) -> &str {
        self.space.name
    }

    pub fn json(&self) -> Value {
        self.host().get(self.space.name, self.name)
    }

    pub fn status(&self) -> Value {
        self.json()["status"].clone()
    }

    pub fn phase(&self) -> String {
        self.status()["phase"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The status of a container, of any role.
    pub fn container(&self, name: &str) -> Value {
        let status = self.status();
        let all = ["initContainerStatuses", "containerStatuses"];
        let mut statuses = all
            .iter()
            .filter_map(|key| status[key].as_array())
            .flatten();
        let found = statuses.find(|container| container["name"] == name);
        found
            .unwrap_or_else(|| panic!("no status of container {name}: {status}"))
            .clone()
    }

    /// The status of one of the conditions: `True` or `False`.
    pub fn condition(&self, kind: &str) -> Value {
        let status = self.status();
        let conditions = status["conditions"].as_array().unwrap();
        conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .unwrap()
            .clone()
    }

    pub fn is_ready(&self) -> bool {
        self.condition("Ready")["status"] == "True"
    }

    /// The unit of a container, found by what is written in it.
    pub fn unit(&self, container: &str) -> String {
        let script = format!(
            "cd /run/systemd/system.attached 2>/dev/null || cd /etc/systemd/system.attached; grep -lx 'Container={container}' $(grep -lx 'Pod={}' $(grep -lx \
             'Namespace={}' vks.*))",
            self.name, self.space.name
        );
        let found = self.host().ok(&script);
        assert_eq!(found.lines().count(), 1, "units of {container}: {found:?}");
        found.trim_end().to_owned()
    }

    pub fn pid(&self, container: &str) -> String {
        self.host().property(&self.unit(container), "MainPID")
    }

    pub fn invocation(&self, container: &str) -> String {
        self.host().property(&self.unit(container), "InvocationID")
    }

    /// Main process and run: both stay the same as long as nobody touches the container.
    pub fn life(&self, container: &str) -> (String, String) {
        let life = (self.pid(container), self.invocation(container));
        assert_ne!(life.0, "0", "{container} of {} does not run", self.name);
        life
    }

    pub fn restarts(&self, container: &str) -> u64 {
        self.container(container)["restartCount"].as_u64().unwrap()
    }

    /// The STATUS column of `vks get pods`.
    pub fn shown(&self) -> String {
        let table = self.host().vks_ok(&[
            "get",
            "pod",
            self.name,
            "-n",
            self.space.name,
            "--no-headers",
        ]);
        table
            .split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until something holds that `vks get -o json` shows: asked for as it changes, see `vks wait`.
    pub fn wait_for(&self, what: &str) {
        let out = self.host().vks(&[
            "wait",
            &format!("pod/{}", self.name),
            "-n",
            self.space.name,
            "--for",
            what,
            "--timeout",
            "90s",
        ]);
        assert_eq!(
            out.code,
            0,
            "wait for {what}: {}{}\n{}",
            out.stdout,
            out.stderr,
            self.status()
        );
    }

    pub fn wait_phase(&self, phase: &str) {
        self.wait_for(&format!("jsonpath={{.status.phase}}={phase}"));
    }

    /// Waits for anything else, looking again and again.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !holds(self) {
            assert!(
                Instant::now() < end,
                "{what} never came true: {}",
                self.status()
            );
            pause(Duration::from_millis(100));
        }
    }

    pub fn delete(&self) {
        self.host()
            .vks_ok(&["delete", "pod", self.name, "-n", self.space.name]);
    }
}

/// The pause between two looks. Only for what no event tells.
pub fn pause(time: Duration) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

/// A container that runs a shell script. Of `$$`, Kubernetes makes one dollar sign.
pub fn sh(name: &str, script: &str) -> Value {
    let script = script.replace("$$", "$$$$");
    json!({ "name": name, "image": "host:/bin/sh", "command": ["/bin/sh", "-c", script] })
}

/// A container that does nothing until it is told to end.
pub fn sleeper(name: &str) -> Value {
    json!({ "name": name, "image": "host:/bin/sleep", "args": ["infinity"] })
}

/// `base` with the keys of `more` put in.
pub fn with(base: Value, more: &Value) -> Value {
    let mut base = base;
    for (key, value) in more.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}
