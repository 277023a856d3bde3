//! What a node costs: time to Running, memory, writes to the API server, processor time at rest.
//!
//! All is printed; `integration/bench/node` does it with more pods and a release, since only that tells something. What does not
//! depend on the machine, the number of writes, is held here too.

use super::lab::Output;
use super::node::{LONG, Node, SETTINGS, own};
use serde_json::Value;

/// A hundred pods and a minute of rest instead of a few.
fn is_long() -> bool {
    std::env::var_os("VKS_FIGURES").is_some()
}

impl Node {
    /// Requests that the API server has answered: verb, resource, and what of that.
    fn requests(&self, verb: &str, resource: &str, sub: &str) -> u64 {
        let page = self.plane.kubectl_ok(&["get", "--raw", "/metrics"]);
        let wanted = [
            format!("verb=\"{verb}\""),
            format!("resource=\"{resource}\""),
            format!("subresource=\"{sub}\""),
        ];
        let lines = page
            .lines()
            .filter(|line| line.starts_with("apiserver_request_total{"))
            .filter(|line| wanted.iter().all(|label| line.contains(label.as_str())));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64)
            .sum()
    }

    /// Proportional memory of the agent in kB.
    fn memory(&self) -> u64 {
        let pid = self.pid("vks.service");
        let text = self.host.ok(&format!(
            "awk '/^Pss:/ {{ print $2 }}' /proc/{pid}/smaps_rollup"
        ));
        text.trim().parse().unwrap()
    }

    /// Processor time of the agent, in microseconds.
    fn processor(&self) -> u64 {
        let pid = self.pid("vks.service");
        // The clock of a process counts threads that have ended, too (clock_getcpuclockid(3)).
        let text = self.host.ok(&format!(
            "python3 -c 'import time; print(int(time.clock_gettime((~{pid} << 3) | 2) * 1e6))'"
        ));
        text.trim().parse().unwrap()
    }
}

/// Starts as many units of one program each, written by hand; the seconds it takes.
const PEER: &str = r#"
import subprocess, sys, time
count = int(sys.argv[1])
names = ["peer-%d.service" % i for i in range(count)]
for name in names:
    open("/run/systemd/system/" + name, "w").write("[Service]\nType=exec\nExecStart=/bin/sleep 86400\n")
begin = time.monotonic()
subprocess.run(["systemctl", "start", *names], check=True)
print(time.monotonic() - begin)
subprocess.run(["systemctl", "stop", *names], check=True)
"#;

#[test]
fn what_pods_cost() {
    let Some(node) = own("figures") else { return };
    let (count, rounds): (u64, u64) = if is_long() { (100, 9) } else { (20, 2) };
    node.settings(&format!("[kubernetes]\npods = 500\n{SETTINGS}"));
    node.host.ok("systemctl restart vks.service");
    let path = "{.status.allocatable.pods}";
    node.wait(&["node", "n1"], path, "500");
    let empty = node.memory();
    let patches = node.requests("PATCH", "pods", "status");
    let home = node.plane.home.display().to_string();
    let make = |count: u64, rounds: u64, name: &str| -> Value {
        let (count, rounds) = (count.to_string(), rounds.to_string());
        let args = [
            "python3",
            "-c",
            include_str!("figures.py"),
            &home,
            "10.200.0.1",
            "n1",
            &count,
            &rounds,
            name,
        ];
        let out = Output::of_command(node.plane.command("exec", &args));
        assert_eq!(out.code, 0, "{}", out.stderr);
        serde_json::from_str(&out.stdout).unwrap()
    };
    let seen = make(count, rounds, "first");
    let begun = node.requests("PATCH", "pods", "status") - patches;
    let peer = |count: &str| {
        let said = node
            .host
            .machine
            .feed(&["python3", "-", count], PEER)
            .stdout;
        said.trim().parse::<f64>().unwrap()
    };
    let (one_peer, many_peer) = (peer("1"), peer(&count.to_string()));
    let some = node.memory();
    // One that comes when there are many already is seen too: systemd is then asked for its units alone, by their names, in
    // which a dash is escaped.
    make(1, 1, "late-comer");
    eprintln!(
        "from the request to Running as a watch has it: one pod {:.0} ms (systemctl start {:.0} ms), {count} at once {:.2} s ({many_peer:.2} s)",
        seen["one"].as_f64().unwrap() * 1e3,
        one_peer * 1e3,
        seen["many"].as_f64().unwrap(),
    );
    eprintln!(
        "memory of the agent: {empty} kB without pods, {some} kB with {}",
        count + rounds
    );
    if is_long() {
        let before = node.processor();
        node.host.ok("sleep 60");
        let spent = node.processor() - before;
        eprintln!(
            "processor time in 60 s at rest with {} pods: {:.1} ms",
            count + rounds,
            spent as f64 / 1e3
        );
        make(90, 1, "second");
        eprintln!("memory of the agent with 200 pods: {} kB", node.memory());
    }
    let names = node.plane.kubectl_ok(&["get", "pods", "-o", "name"]);
    let all = names.lines().count() as u64;
    let more = if is_long() { 91 } else { 0 };
    assert_eq!(all, count + rounds + 2 + more);
    node.plane
        .kubectl_ok(&["delete", "pods", "--all", "--timeout=300s"]);
    node.plane.wait_for(
        "no pod is left",
        LONG,
        &["get", "pods", "-o", "name"],
        str::is_empty,
    );
    let whole = node.requests("PATCH", "pods", "status") - patches;
    let deletes = node.requests("DELETE", "pods", "");
    eprintln!(
        "writes for {all} pods: {begun} status patches to Running, {whole} in all; {deletes} deletes, of them half kubectl's"
    );
    // As many as the kubelet's at most: on its way, running, ended. The server's count has those that changed nothing and
    // those that came too late, which no watch shows.
    assert!(
        whole <= 3 * all,
        "{whole} status patches for {all} pods, {begun} of them to Running"
    );
}
