//! The same by WebSocket, with a client of some lines of Python.

use super::Node;
use crate::space::{sh, sleeper};
use serde_json::json;

const CLIENT: &str = include_str!("socket.py");

impl Node {
    /// Runs a script with the client; what it prints.
    fn python(&self, script: &str) -> String {
        let file = self.plane.home.join("client.py");
        let home = self.plane.home.display();
        let head = format!("HOME = '{home}'\nADDRESS = ('10.200.0.2', 10250)\n");
        std::fs::write(&file, format!("{head}{CLIENT}\n{script}")).unwrap();
        let file = file.to_str().unwrap();
        let mut command = self
            .plane
            .command("exec", &["timeout", "60", "python3", file]);
        let output = crate::lab::Output::of_command({
            command.stdin(std::process::Stdio::null());
            command
        });
        assert_eq!(
            output.code, 0,
            "{script}\n{}\n{}",
            output.stdout, output.stderr
        );
        output.stdout
    }
}

#[test]
fn exec_by_every_protocol() {
    let Some(node) = Node::new("wsexec") else {
        return;
    };
    node.pod(
        "e",
        &json!({ "hostNetwork": true, "containers": [sleeper("c")] }),
    );
    let script = r#"
path = '/exec/default/e/c?command=sh&command=-c&command=%s&input=1&output=1&error=1'
for name in ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'v3.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io', None]:
    s = Socket(path % quote('echo out; echo err >&2; exit 3'), name)
    got = s.all()
    print(name, got.get(1), got.get(2), got.get(3))
s = Socket(path % quote('wc -c'), 'v5.channel.k8s.io')
for i in range(50): s.send(0, b'x' * 10000)
s.send(255, b'\0')
print(s.all().get(1))
s = Socket('/exec/default/e/c?command=sh&command=-c&command=%s&input=1&output=1&tty=1' % quote('sleep 1; stty size; read x; echo got $x'), 'v5.channel.k8s.io')
s.send(4, b'{"Width":101,"Height":51}')
s.send(0, b'abc\n')
print(s.all().get(1))
try:
    Socket(path % 'id', 'other.k8s.io')
except Refused as error:
    print(error)
"#;
    let text = node.python(script);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[..7] {
        assert!(line.contains("b'out\\n' b'err\\n'"), "{text}");
    }
    for line in &lines[..3] {
        assert!(
            line.contains("NonZeroExitCode") && line.contains("\"message\":\"3\""),
            "{text}"
        );
    }
    for line in &lines[3..7] {
        assert!(line.contains("exit status 3"), "{text}");
    }
    assert_eq!(lines[7], "b'500000\\n'");
    assert!(
        lines[8].contains("51 101") && lines[8].contains("got abc"),
        "{text}"
    );
    assert!(lines[9].contains("403"), "{text}");
}

#[test]
fn ports_by_socket() {
    let Some(node) = Node::new("wsports") else {
        return;
    };
    node.pod("p", &json!({ "containers": [
        sh("c", "exec socat TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr SYSTEM:'read x; echo you said $x'"),
    ] }));
    let script = r#"
s = Socket('/portForward/default/p?port=8080&port=9', 'v4.channel.k8s.io')
s.send(0, b'hello\n')
got = s.all(until=lambda got: b'said' in got.get(0, b'') and b'refused' in got.get(3, b''))
print(got[0][:2], got[0][2:], got[1], got[3])
s = Socket('/portForward/default/p', 'SPDY/3.1+portforward.k8s.io')
spdy = Spdy(s)
e = spdy.open({'streamtype': 'error', 'port': '8080', 'requestid': '0'})
d = spdy.open({'streamtype': 'data', 'port': '8080', 'requestid': '0'})
spdy.data(e, b'', fin=True)
spdy.data(d, b'tunnel\n')
print(spdy.until(d))
"#;
    let text = node.python(script);
    assert!(
        text.contains("b'\\x90\\x1f' b'you said hello\\n' b'\\x90\\x1f'"),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
    assert!(text.ends_with("b'you said tunnel\\n'\n"), "{text}");
}
