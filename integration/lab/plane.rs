//! A real Kubernetes control plane for tests: `integration/lab/plane.sh`.

use super::{Machine, Output, repository};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A control plane that runs, gone when it is dropped.
#[derive(Debug)]
pub struct Plane {
    pub name: String,
    /// Its directory: `pki/`, `admin.conf`, logs.
    pub home: PathBuf,
}

fn plane(args: &[&str]) -> Command {
    let mut command = Command::new(repository().join("integration/lab/plane.sh"));
    command.args(args).stdin(Stdio::null());
    command
}

impl Plane {
    /// Starts one; builds its programs first where they are missing. The name must be used once.
    pub fn up(name: &str) -> Self {
        let output = Output::of(plane(&["up", name]).output().expect("plane.sh"));
        assert_eq!(output.code, 0, "plane.sh up {name}: {}", output.stderr);
        Self {
            name: name.into(),
            home: output.stdout.trim().into(),
        }
    }

    /// A verb of plane.sh about this plane.
    pub fn command(&self, verb: &str, args: &[&str]) -> Command {
        plane(&[&[verb, &self.name], args].concat())
    }

    /// The same, which must succeed; its standard output.
    pub fn ok(&self, verb: &str, args: &[&str]) -> String {
        let output = Output::of(self.command(verb, args).output().expect("plane.sh"));
        let text = (&output.stdout, &output.stderr);
        assert_eq!(output.code, 0, "{verb} {args:?}: {text:?}");
        output.stdout
    }

    /// kubectl as its administrator.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        Output::of(self.command("kubectl", args).output().expect("plane.sh"))
    }

    /// The same, which must succeed; its standard output.
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        self.ok("kubectl", args)
    }

    /// kubectl with a manifest as its input, which must succeed.
    pub fn apply(&self, manifest: &str) -> String {
        use std::io::Write as _;
        let mut command = self.command("kubectl", &["apply", "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("plane.sh");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(manifest.as_bytes()).expect("kubectl apply");
        drop(stdin);
        let output = Output::of(child.wait_with_output().expect("kubectl apply"));
        assert_eq!(output.code, 0, "{manifest}: {}", output.stderr);
        output.stdout
    }

    /// Wires a machine to the plane's bridge.
    pub fn join(&self, machine: &Machine, address: &str) {
        self.ok("join", &[&machine.name, address]);
    }

    /// Asks kubectl, every 200 ms, until what it prints is right.
    #[expect(
        clippy::disallowed_methods,
        reason = "kubectl is not told when to look again"
    )]
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        args: &[&str],
        right: impl Fn(&str) -> bool,
    ) {
        let deadline = Instant::now() + limit;
        loop {
            let output = self.kubectl(args);
            if output.code == 0 && right(&output.stdout) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: did not happen in {limit:?}: {args:?}: {output:?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // Nothing here may panic.
        let _ = plane(&["down", &self.name]).output();
    }
}
