//! The agent is killed again and again in the middle of work.

use super::host::{Host, own};
use super::space::{Space, sh, sleeper};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A reproducible source of chance: SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

const PODS: [&str; 10] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
const KEPT: [&str; 3] = ["kept0", "kept1", "kept2"];

/// A pod in one of its versions: with a network, volumes and an init container of its own.
fn version(space: &Space, name: &str, number: u64) -> Value {
    space.manifest(name, &json!({
        "hostNetwork": number.is_multiple_of(2),
        "terminationGracePeriodSeconds": 2,
        "volumes": [{ "name": "e", "emptyDir": {} }, { "name": "s", "secret": { "secretName": "s" } }],
        "initContainers": [sh("init", "true")],
        "containers": [{
            "name": "c", "image": "host:sleep", "args": [(1_000_000 + number).to_string()],
            "volumeMounts": [
                { "name": "e", "mountPath": format!("/t/chaos/{name}/e") }, { "name": "s", "mountPath": format!("/t/chaos/{name}/s") },
            ],
        }],
    }))
}

fn kill_agent(host: &Host) {
    // Whichever runs now; between two agents there is none.
    host.machine
        .sh("p=$(systemctl show -P MainPID vks.service); test $p != 0 && kill -KILL $p");
}

#[test]
fn killed_twenty_times_all_ends_as_the_manifests_say() {
    let Some(host) = own("chaos") else { return };
    // Its own back-off would keep it away for most of the time.
    host.ok(
        "mkdir -p /run/systemd/system/vks.service.d && printf '[Service]\\nRestartSec=10ms\\nRestartSteps=0\\n' \
         >/run/systemd/system/vks.service.d/test.conf && systemctl daemon-reload",
    );
    let links = host.ok("ip -o link | grep -v vkspdns; ip netns | grep -v vks-dns; grep -v -e ' /run/credentials' -e ' /run/netns[ /]' /proc/self/mountinfo | cut -d' ' -f5 | sort");
    {
        let space = Space::new(&host, "chaos");
        space.apply_ok("s", &[space.object("Secret", "s", &json!({ "k": "v" }))]);
        let lives: Vec<_> = KEPT
            .iter()
            .map(|name| {
                space
                    .ready(name, &json!({ "containers": [sleeper("c")] }))
                    .life("c")
            })
            .collect();
        let wanted = burst(&host, &space, &mut Chance(20_26));
        settle(&host, &space, &wanted);
        let after: Vec<_> = KEPT
            .iter()
            .map(|name| space.known(name).life("c"))
            .collect();
        assert_eq!(after, lives, "no pod that nobody changed was touched");
        for name in PODS {
            host.ok(&format!("rm -f /etc/vks/pods.d/{name}.json"));
        }
        host.wait("! ls /etc/systemd/system.attached | grep -q 'vks[.-]chaos[.-]p'");
    }
    host.wait("! ls -A /var/lib/vks/pods | grep -q .");
    assert_eq!(host.ok("ip -o link | grep -v vkspdns; ip netns | grep -v vks-dns; grep -v -e ' /run/credentials' -e ' /run/netns[ /]' /proc/self/mountinfo | cut -d' ' -f5 | sort"), links);
    assert_eq!(host.ok("find /var/lib/vks/pods /var/lib/vks/mountpoints /run/vks/pods /run/netns -mindepth 1 ! -name '.*' ! -name vks-dns 2>/dev/null || true"), "");
    assert_eq!(
        host.ok("ls /t/chaos | grep -c '^p[0-9]*$' || true"),
        "0\n",
        "mount points are gone"
    );
    assert_eq!(
        host.ok("systemctl list-units --all --plain --no-legend 'vks*' | cut -d' ' -f1 | grep -vx vks-chaos.slice | sort"),
        "vks-dns.service\nvks-dns.socket\nvks-dns6.socket\nvks-network.service\nvks-pods.target\nvks-resolved.service\n\
         vks-wireguard-device@vks-wg0.service\nvks-wireguard.service\nvks.service\nvks.slice\n"
    );
    assert_eq!(
        host.ok("find /etc/systemd/system.attached -name 'vks*' ! -name 'vks-pods.target*'"),
        ""
    );
}

/// Writes, changes and removes manifests, and kills the agent twenty times in between; what is wanted at the end.
fn burst(host: &Host, space: &Space, chance: &mut Chance) -> BTreeMap<&'static str, u64> {
    let mut wanted = BTreeMap::new();
    let mut edits = 0;
    for _ in 0..20 {
        for _ in 0..=chance.below(4) {
            let name = PODS[usize::try_from(chance.below(10)).unwrap()];
            edits += 1;
            let path = format!("/etc/vks/pods.d/{name}.json");
            if chance.below(3) == 0 {
                wanted.remove(name);
                host.ok(&format!("rm -f {path}"));
            } else {
                wanted.insert(name, edits);
                host.machine
                    .write(&path, &version(space, name, edits).to_string(), "0600");
            }
        }
        // Somewhere in its work: from its first look at the files to long after its last step.
        host.ok(&format!("sleep 0.{:03}", chance.below(600)));
        kill_agent(host);
    }
    wanted
}

/// Waits until what runs is what is wanted, and checks it by /proc.
fn settle(host: &Host, space: &Space, wanted: &BTreeMap<&'static str, u64>) {
    for name in PODS {
        let Some(number) = wanted.get(name) else {
            host.wait(&format!("! vks get pod {name} -n chaos"));
            continue;
        };
        let argument = (1_000_000 + number).to_string();
        host.wait(&format!(
            "pgrep -fx 'sleep {argument}' || pgrep -fx '.*/sleep {argument}'"
        ));
        space.known(name).wait_for("condition=Ready");
        let pid = space.known(name).pid("c");
        assert_eq!(
            host.words(&format!("/proc/{pid}/cmdline")).last(),
            Some(&argument),
            "{name}"
        );
        let own =
            host.ok(&format!("readlink /proc/{pid}/ns/net")) != host.ok("readlink /proc/1/ns/net");
        assert_eq!(own, !number.is_multiple_of(2), "{name}");
    }
    let running = host.ok("pgrep -c -f 'sleep 10000[0-9][0-9]$' || true");
    assert_eq!(
        running.trim(),
        wanted.len().to_string(),
        "nothing else runs"
    );
    host.wait("vks plan >/t/chaos/plan && ! grep -Eq '^ *(write|start|stop|remove)' /t/chaos/plan");
}
