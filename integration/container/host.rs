//! A booted host with vks set up on it.

use super::lab::{self, Machine, Output, Tier};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Far above what anything takes: a test that waits this long has failed.
pub const LONG: Duration = Duration::from_secs(90);

const COPY: &str = r#"
import os, re, sys
source, namespace, to = sys.argv[1:]
names = [n for n in os.listdir(source) if re.match("vks[.-]%s[.-]" % namespace, n) and os.path.isfile(source + "/" + n)]
for name in names:
    text = open(source + "/" + name).read()
    for other in names:
        text = text.replace(other, other.replace(":", "_"))
    open(to + "/" + name.replace(":", "_"), "w").write(text)
"#;

/// A machine with vks' units in place and its agent running.
pub struct Host {
    pub machine: Machine,
}

/// The machine that tests of one process share. It lives as long as a test holds it.
static SHARED: Mutex<Weak<Host>> = Mutex::new(Weak::new());

/// The shared machine in the hands of one test.
pub struct Shared(Option<Arc<Host>>);

impl std::ops::Deref for Shared {
    type Target = Host;

    fn deref(&self) -> &Host {
        self.0.as_deref().expect("there until it is dropped")
    }
}

/// The last one out takes the machine down with the door locked: whoever boots the next one waits until the name is free.
impl Drop for Shared {
    fn drop(&mut self) {
        let _slot = slot();
        self.0 = None;
    }
}

fn slot() -> MutexGuard<'static, Weak<Host>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The shared machine; `None` when this tier cannot run here (said by the lab). Its tests must keep to their own
/// namespaces and leave the agent and the directories alone.
pub fn shared() -> Option<Shared> {
    if !lab::require(Tier::Container) {
        return None;
    }
    let mut slot = slot();
    let host = slot.upgrade().unwrap_or_else(|| {
        let host = Arc::new(Host::boot("shared"));
        *slot = Arc::downgrade(&host);
        host
    });
    Some(Shared(Some(host)))
}

/// A machine of a test's own.
pub fn own(name: &str) -> Option<Host> {
    lab::require(Tier::Container).then(|| Host::boot(name))
}

/// A machine of another suite, with vks installed and its agent not started.
pub fn own_of(tier: Tier, suite: &str, name: &str) -> Option<Host> {
    lab::require(tier).then(|| {
        let host = Host {
            machine: Machine::boot(suite, name),
        };
        host.install();
        host
    })
}

impl Host {
    fn boot(name: &str) -> Self {
        let host = Self {
            machine: Machine::boot("trixie", name),
        };
        host.install();
        host.ok("systemctl enable --now vks-pods.target vks.service");
        host
    }

    /// Puts the files of a package in place.
    pub fn install(&self) {
        let root = lab::repository().join("units");
        let mut left = vec![root.clone()];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else {
                let to = format!("/{}", path.strip_prefix(&root).unwrap().display());
                self.machine
                    .write(&to, &std::fs::read_to_string(&path).unwrap(), "0644");
            }
        }
        // What most tests look at is how programs of the host run, not how they are shut in: root, in full view.
        self.machine
            .write("/etc/vks/vks.toml", "[pods]\nprofile = 'trusted'\n", "0644");
        self.ok("mkdir -p /t && systemd-tmpfiles --create && systemctl daemon-reload");
    }

    /// Runs vks.
    pub fn vks(&self, args: &[&str]) -> Output {
        // A command that hangs must not hang the test.
        let argv: Vec<&str> = ["timeout", "-k", "5", "150", "vks"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.machine.exec(&argv)
    }

    /// Runs vks, which must succeed.
    pub fn vks_ok(&self, args: &[&str]) -> String {
        let out = self.vks(args);
        assert_eq!(out.code, 0, "vks {args:?}: {}{}", out.stdout, out.stderr);
        out.stdout
    }

    /// Runs a shell script, which must succeed.
    pub fn ok(&self, script: &str) -> String {
        let out = self.machine.sh(script);
        assert_eq!(out.code, 0, "{script}: {}{}", out.stdout, out.stderr);
        out.stdout
    }

    /// A file as it is, also if it is no text.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let hex = self.ok(&format!("od -An -v -tx1 {path}"));
        hex.split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    }

    /// A file of words that end in zero bytes, such as /proc/PID/environ.
    pub fn words(&self, path: &str) -> Vec<String> {
        let bytes = self.bytes(path);
        let mut words: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        assert_eq!(
            words.pop(),
            Some(&[][..]),
            "{path} does not end in a zero byte"
        );
        words
            .into_iter()
            .map(|word| String::from_utf8(word.to_vec()).unwrap())
            .collect()
    }

    /// Waits until a shell command succeeds.
    pub fn wait(&self, command: &str) {
        self.machine.wait_until(command, LONG, command);
    }

    /// What `systemd-analyze verify` says of the units of a namespace in a directory. It takes a colon in a file's name for the
    /// beginning of another name, so it gets copies with another character there.
    pub fn verify_units(&self, directory: &str, namespace: &str) -> String {
        self.ok(&format!(
            "d=$(mktemp -d); python3 -c '{COPY}' {directory} '{namespace}' $d; cd $d; set -- *; \
             test ! -e \"$1\" || SYSTEMD_UNIT_PATH=$d: systemd-analyze verify --man=no -- \"$@\" 2>&1; rm -r $d"
        ))
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let out = self
            .machine
            .exec(&["systemctl", "show", "-p", name, "--value", "--", unit]);
        out.stdout.trim_end().to_owned()
    }

    /// A pod as `vks get -o json` shows it.
    pub fn get(&self, namespace: &str, pod: &str) -> Value {
        let text = self.vks_ok(&["get", "pod", pod, "-n", namespace, "-o", "json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
