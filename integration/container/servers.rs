//! Servers for probes to ask, in pods, whose answers a test changes while they run.

use super::host::Host;
use super::space::{Space, with};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// The next free port of the machine; pods on the host's network share them.
static PORT: AtomicU16 = AtomicU16::new(20_000);

/// A server's files: what it answers, what it was asked.
pub struct Server<'a> {
    space: &'a Space<'a>,
    kind: &'static str,
    pub port: u16,
    directory: String,
}

/// Where its program lies on the machine.
const PROGRAM: &str = "/t/serve.py";

fn install(host: &Host) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|broken| broken.into_inner());
    if host.machine.exec(&["test", "-e", PROGRAM]).code != 0 {
        // Nobody verifies the certificate: it has a name that is not asked for, and no one has signed it.
        host.ok(
            "cd /t && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj '/CN=somebody else' -keyout key.pem -out cert.pem 2>&1 && cat key.pem cert.pem >server.pem",
        );
        host.machine
            .write(PROGRAM, include_str!("servers/serve.py"), "0644");
    }
}

impl<'a> Server<'a> {
    /// A server of a kind (`http`, `https`, `tcp`, `grpc`) with its first answer; see servers/serve.py.
    pub fn new(space: &'a Space<'a>, kind: &'static str, answer: &str) -> Self {
        install(space.host);
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        let directory = space.path(&format!("server-{port}"));
        space.host.ok(&format!("mkdir -p {directory}"));
        let server = Self {
            space,
            kind,
            port,
            directory,
        };
        server.answers(answer);
        server
    }

    /// What it answers from now on.
    pub fn answers(&self, answer: &str) {
        // By renaming: it must never read half an answer.
        self.space.host.ok(&format!(
            "cd {} && echo {answer} >new && mv new answer",
            self.directory
        ));
    }

    /// A container that runs it.
    pub fn container(&self, name: &str, more: &Value) -> Value {
        let port = self.port.to_string();
        let args = [
            "/usr/bin/python3",
            PROGRAM,
            self.kind,
            &port,
            &self.directory,
        ];
        with(
            json!({ "name": name, "image": "host:/usr/bin/python3", "command": args }),
            more,
        )
    }

    /// Requests so far: seconds since boot, and what was asked.
    pub fn asked(&self) -> Vec<(f64, String)> {
        let text = self
            .space
            .host
            .machine
            .sh(&format!("cat {}/asked", self.directory))
            .stdout;
        let line = |line: &str| {
            let (time, what) = line.split_once(' ').unwrap();
            (time.parse().unwrap(), what.to_owned())
        };
        text.lines().map(line).collect()
    }

    /// Waits until it has been asked so many times.
    pub fn wait_asked(&self, count: usize) -> Vec<(f64, String)> {
        self.space.host.wait(&format!(
            "test \"$(cat {}/asked 2>/dev/null | wc -l)\" -ge {count}",
            self.directory
        ));
        self.asked()
    }
}
