//! The lab for tests: throwaway machines with a real systemd. See integration/README.md.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Debian 13, systemd 257, in a container.
    Container,
    /// Debian sid, systemd 262 or so.
    Container262,
    /// Debian 12, systemd 252.
    Container252,
    /// A whole Debian 13 in a virtual machine.
    Vm,
}

/// Whether a test can run here. If not it says SKIP and why; with VKS_REQUIRE_ALL=1 that is a failure.
pub fn require(tier: Tier) -> bool {
    let Some(reason) = missing(tier) else { return true };
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    assert!(std::env::var_os("VKS_REQUIRE_ALL").is_none(), "{name} cannot run: {reason}");
    // Not println: the harness would keep it for itself.
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {reason}");
    false
}

fn missing(tier: Tier) -> Option<String> {
    if std::env::var_os("VKS_LAB").is_none() {
        return Some("run integration/test.sh".into());
    }
    if !Path::new("/proc/self/ns/net").exists() || !is_root() {
        return Some("not root".into());
    }
    let program = if tier == Tier::Vm { "qemu-system-x86_64" } else { "systemd-nspawn" };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|dir| dir.join(program).exists());
    (!found).then(|| format!("{program} is not installed: integration/lab.sh deps"))
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test.
pub fn vks_program() -> PathBuf {
    let default = || repository().join("target/debug/vks");
    std::env::var_os("VKS_BIN").map_or_else(default, PathBuf::from)
}

fn lab(args: &[&str]) -> std::process::Output {
    Command::new(repository().join("integration/lab.sh"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("integration/lab.sh")
}

/// A booted machine, gone when it is dropped.
#[derive(Debug)]
pub struct Machine {
    pub name: String,
    pub leader: u32,
}

impl Machine {
    /// Boots a machine of a suite with the program under test at /usr/bin/vks. The name must be used once.
    pub fn boot(suite: &str, name: &str) -> Self {
        let bind = format!("{}:/usr/bin/vks", vks_program().display());
        let output = lab(&["boot", name, suite, "--bind-ro", &bind]);
        let leader = String::from_utf8_lossy(&output.stdout).trim().parse();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let leader = leader.unwrap_or_else(|_| panic!("{name} did not boot: {said}"));
        Self { name: name.into(), leader }
    }

    /// A command that runs in the machine.
    pub fn command(&self, argv: &[&str]) -> Command {
        let leader = self.leader.to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i"]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        command.args(["LANG=C.UTF-8", "HOME=/root", "TERM=dumb"]).args(argv);
        command
    }

    /// Runs a command to its end.
    pub fn exec(&self, argv: &[&str]) -> Output {
        Output::of(self.command(argv).stdin(Stdio::null()).output().expect("nsenter"))
    }

    /// Runs a command with input.
    pub fn feed(&self, argv: &[&str], input: &str) -> Output {
        let mut command = self.command(argv);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter");
        let mut stdin = child.stdin.take().expect("stdin");
        // A command that does not read its input ends before it: that is its business.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Output::of(child.wait_with_output().expect("nsenter"))
    }

    /// Runs a command that must succeed; its standard output.
    pub fn ok(&self, argv: &[&str]) -> String {
        let output = self.exec(argv);
        assert_eq!(output.code, 0, "{argv:?}\n{}\n{}", output.stdout, output.stderr);
        output.stdout
    }

    /// Runs a shell script.
    pub fn sh(&self, script: &str) -> Output {
        self.exec(&["/bin/sh", "-c", script])
    }

    /// Writes a file, its directories too.
    pub fn write(&self, path: &str, contents: &str, mode: &str) {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat > \"$1.new\" && chmod \"$2\" \"$1.new\" && mv \"$1.new\" \"$1\"";
        let output = self.feed(&["/bin/sh", "-c", script, "sh", path, mode], contents);
        assert_eq!(output.code, 0, "write {path}: {}", output.stderr);
    }

    pub fn read(&self, path: &str) -> String {
        self.ok(&["cat", path])
    }

    /// Runs a shell condition in the machine until it holds.
    pub fn wait_until(&self, what: &str, timeout: Duration, condition: &str) {
        let tenths = timeout.as_millis() / 50;
        let script = format!("i=0; until {{ {condition}\n}} >/dev/null 2>&1; do i=$((i+1)); [ $i -lt {tenths} ] || exit 1; sleep 0.05; done");
        let output = self.sh(&script);
        if output.code != 0 {
            let last = self.sh(condition);
            let journal = self.sh("journalctl --no-pager -n 60 -o short-precise").stdout;
            panic!("{what}: did not happen in {timeout:?}\n{condition}\n{last:?}\n{journal}");
        }
    }

    /// Reboots, and waits until it is up again.
    pub fn reboot(&mut self) {
        let output = lab(&["reboot", &self.name]);
        let leader = String::from_utf8_lossy(&output.stdout).trim().parse();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        self.leader = leader.unwrap_or_else(|_| panic!("{} did not reboot: {said}", self.name));
    }

    pub fn journal(&self) -> String {
        self.ok(&["journalctl", "--no-pager", "-o", "short-precise"])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let to = repository().join("target/integration/failed").join(&self.name);
            lab(&["save", &self.name, &to.to_string_lossy()]);
            let _ = writeln!(std::io::stderr(), "journal of {}: {}", self.name, to.display());
        }
        lab(&["down", &self.name]);
    }
}

/// Runs a script in the virtual machine, with a directory of files beside it at /payload.
pub fn vm_run(payload: &Path, script: &str, boots: u32) -> Output {
    let (payload, boots) = (payload.to_string_lossy(), boots.to_string());
    Output::of(lab(&["vm-run", "--payload", &payload, "--script", script, "--boots", &boots]))
}
