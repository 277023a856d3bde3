//! Many at the same time: memory has its bounds, and whoever stalls holds up nobody else.

use super::{Node, read_all};
use crate::space::sh;
use serde_json::json;

/// How many of each; `VKS_MANY=1` is the long form.
fn sizes() -> (usize, usize) {
    match std::env::var_os("VKS_MANY") {
        Some(_) => (1000, 200),
        None => (60, 20),
    }
}

const CLIENTS: &str = r#"
import sys, threading, time
FOLLOW, EXEC = int(sys.argv[1]), int(sys.argv[2])
def request(text):
    s = dial()
    s.sendall((text + ' HTTP/1.1\r\nHost: n1\r\n\r\n').encode())
    return s
# Those who ask and read nothing.
stalled = [request('GET /containerLogs/default/m/noise?follow=true') for _ in range(20)]
follow = [request('GET /containerLogs/default/m/c?follow=true') for _ in range(FOLLOW)]
sessions = []
for i in range(EXEC):
    sessions.append(Socket('/exec/default/m/c?command=cat&input=1&output=1', 'v5.channel.k8s.io'))
for i, s in enumerate(sessions):
    s.send(0, b'hello %d\n' % i)
for i, s in enumerate(sessions):
    got = s.all(until=lambda got: b'\n' in got.get(1, b''))
    assert got[1] == b'hello %d\n' % i, got
print('echoed', flush=True)
open(HOME + '/speak', 'w').close()
for s in follow:
    text = b''
    while b'the word' not in text:
        part = s.recv(65536)
        assert part
        text += part
print('heard', flush=True)
while not os.path.exists(HOME + '/enough'): time.sleep(0.1)
for s in sessions:
    s.send(255, b'\0')
    assert b'Success' in s.all()[3]
print('ended', flush=True)
"#;

impl Node {
    /// Memory of the agent in kB (Pss).
    fn memory(&self) -> u64 {
        let pid = self.host.property("vks.service", "MainPID");
        let text = self.host.ok(&format!(
            "awk '/^Pss:/ {{ print $2 }}' /proc/{pid}/smaps_rollup"
        ));
        text.trim().parse().unwrap()
    }
}

#[test]
fn many_follow_and_many_exec() {
    let Some(node) = Node::new("many") else {
        return;
    };
    let (follow, exec) = sizes();
    node.pod("m", &json!({ "hostNetwork": true, "containers": [
        sh("c", "echo beginning; while ! test -e /t/word; do sleep 0.2; done; echo the word; exec sleep 1d"),
        sh("noise", "while :; do seq -f 'line %.0f of much noise' 1 20000; sleep 1; done"),
    ] }));
    let before = node.memory();
    let file = node.plane.home.join("many.py");
    let home = node.plane.home.display().to_string();
    let head = format!("HOME = '{home}'\nADDRESS = ('10.200.0.2', 10250)\n");
    let client = include_str!("socket.py");
    std::fs::write(&file, format!("{head}{client}{CLIENTS}")).unwrap();
    let (followers, sessions) = (follow.to_string(), exec.to_string());
    let argv = [
        "timeout",
        "300",
        "python3",
        file.to_str().unwrap(),
        &followers,
        &sessions,
    ];
    let mut command = node.plane.command("exec", &argv);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.as_mut().unwrap();
    super::read_until(out, "echoed");
    node.host.ok("touch /t/word");
    super::read_until(out, "heard");
    let with = node.memory();
    // One kubectl is served as ever.
    let text = node
        .plane
        .kubectl_ok(&["exec", "m", "-c", "c", "--", "echo", "here"]);
    assert_eq!(text, "here\n");
    let readers = node.host.ok("pgrep -c journalctl || true");
    std::fs::write(format!("{home}/enough"), "").unwrap();
    assert!(read_all(out).contains("ended"));
    assert!(child.wait().unwrap().success());
    // Those who stall are there, too.
    let each = with.saturating_sub(before) / (follow + exec + 20) as u64;
    eprintln!(
        "{follow} logs -f and {exec} exec: the agent has {with} kB, {before} kB before: {each} kB each; journalctl: {}",
        readers.trim()
    );
    // Their bounds, with room for the allocator; a process for each of them would be far above.
    assert!(each <= 600, "{each} kB for each");
    assert!(readers.trim().parse::<u32>().unwrap() <= 12, "{readers}");
}
