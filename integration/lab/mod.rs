//! The lab for tests: throwaway machines with a real systemd. See integration/README.md.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests"
)]

pub mod plane;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
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
    let Some(reason) = missing(tier) else {
        return true;
    };
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let all = std::env::var("VKS_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!all, "{name} cannot run: {reason}");
    // Not println: the harness would keep it for itself.
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {reason}");
    false
}

fn missing(tier: Tier) -> Option<String> {
    static CONTAINER: OnceLock<Option<String>> = OnceLock::new();
    static VM: OnceLock<Option<String>> = OnceLock::new();
    if std::env::var_os("VKS_LAB").is_none() {
        return Some("run integration/test.sh".into());
    }
    let why = if tier == Tier::Vm {
        VM.get_or_init(|| why_not("vm"))
    } else {
        CONTAINER.get_or_init(|| why_not("container"))
    };
    why.clone()
}

/// Why a tier cannot run on this machine, if so.
fn why_not(tier: &str) -> Option<String> {
    match lab(&["check", tier]) {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) => Some(format!("integration/lab.sh does not run: {error}")),
    }
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end.
    pub fn of_command(mut command: Command) -> Self {
        Self::of(command.stdin(Stdio::null()).output().expect("a command"))
    }

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

/// Where the lab keeps what it makes.
pub fn state() -> PathBuf {
    let default = || repository().join("target/integration");
    std::env::var_os("VKS_LAB_STATE").map_or_else(default, PathBuf::from)
}

fn lab(args: &[&str]) -> std::io::Result<std::process::Output> {
    Command::new(repository().join("integration/lab.sh"))
        .args(args)
        .stdin(Stdio::null())
        .output()
}

/// Runs a verb of the lab that prints the pid of a machine's PID 1.
fn leader(args: &[&str]) -> u32 {
    let output = Output::of(lab(args).expect("integration/lab.sh"));
    let leader = output.stdout.trim().parse();
    leader.unwrap_or_else(|_| panic!("{args:?}: {}", output.stderr))
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
        Self::boot_with(suite, name, &[])
    }

    /// The same with more options of `lab.sh boot`.
    pub fn boot_with(suite: &str, name: &str, options: &[&str]) -> Self {
        let bind = format!("{}:/usr/bin/vks", vks_program().display());
        Self::boot_bare(suite, name, &[&["--bind-ro", &bind], options].concat())
    }

    /// One that knows nothing of vks.
    pub fn boot_bare(suite: &str, name: &str, options: &[&str]) -> Self {
        let leader = leader(&[&["boot", name, suite], options].concat());
        Self {
            name: name.into(),
            leader,
        }
    }

    /// A command that runs in the machine.
    pub fn command(&self, argv: &[&str]) -> Command {
        let leader = self.leader.to_string();
        let mut command = Command::new("nsenter");
        command.args([
            "-t", &leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i",
        ]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        command
            .args(["LANG=C.UTF-8", "HOME=/root", "TERM=dumb"])
            .args(argv);
        command
    }

    /// Runs a command to its end.
    pub fn exec(&self, argv: &[&str]) -> Output {
        Output::of(
            self.command(argv)
                .stdin(Stdio::null())
                .output()
                .expect("nsenter"),
        )
    }

    /// Runs a command with input.
    pub fn feed(&self, argv: &[&str], input: &str) -> Output {
        let mut command = self.command(argv);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
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
        assert_eq!(
            output.code, 0,
            "{argv:?}\n{}\n{}",
            output.stdout, output.stderr
        );
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

    /// Runs a shell condition in the machine until it holds, every 50 ms; all of it inside, by one call.
    pub fn wait_until(&self, what: &str, timeout: Duration, condition: &str) {
        let seconds = timeout.as_secs_f64().to_string();
        let script = format!("until {{ {condition}\n}} >/dev/null 2>&1; do sleep 0.05; done");
        // Bounds a condition that hangs, too.
        let output = self.exec(&["timeout", "-k", "5", &seconds, "/bin/sh", "-c", &script]);
        if output.code != 0 {
            let last = self.sh(condition);
            let journal = self
                .sh("journalctl --no-pager -n 60 -o short-precise")
                .stdout;
            panic!("{what}: did not happen in {timeout:?}\n{condition}\n{last:?}\n{journal}");
        }
    }

    /// Reboots, and waits until it is up again.
    pub fn reboot(&mut self) {
        self.leader = leader(&["reboot", &self.name]);
    }

    pub fn journal(&self) -> String {
        self.ok(&["journalctl", "--no-pager", "-o", "short-precise"])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing here may panic: while a test does, that would end the whole process.
        let mut err = std::io::stderr();
        if std::thread::panicking() {
            let to = state().join("failed").join(&self.name);
            let _ = lab(&["save", &self.name, &to.to_string_lossy()]);
            let _ = writeln!(err, "journal of {}: {}", self.name, to.display());
        }
        let left = match lab(&["down", &self.name]) {
            Ok(output) if output.status.success() => return,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(err, "{} is not gone: {left}", self.name);
    }
}

/// Runs a script of the payload directory in the virtual machine, where the directory is mounted at
/// /payload. A script that exits with 100 asks for a reboot, up to `boots` in all; `$1` is the boot's
/// number, from 1; each may take `seconds`. The code and standard output are the script's.
pub fn vm_run(payload: &Path, script: &str, boots: u32, seconds: u32) -> Output {
    let (payload, boots) = (payload.to_string_lossy(), boots.to_string());
    let seconds = seconds.to_string();
    let args = [
        "vm-run",
        "--payload",
        &payload,
        "--script",
        script,
        "--boots",
        &boots,
        "--timeout",
        &seconds,
    ];
    Output::of(lab(&args).expect("integration/lab.sh"))
}
