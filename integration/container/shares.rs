//! What pods ask for holds among all pods of the host: the slices above them have the sums.

use super::host::{Host, own};
use super::space::{Space, sleeper, with};
use serde_json::{Value, json};

const SLICES: &str = "/run/systemd/system.control/vks*.slice.d";

fn asking(resources: &Value) -> Value {
    json!({ "containers": [with(sleeper("c"), &json!({ "resources": resources }))] })
}

/// Waits for values of slices, as systemd says them.
fn wait(host: &Host, wanted: &[(&str, &str, &str)]) {
    for (slice, key, value) in wanted {
        host.wait(&format!(
            "test \"$(systemctl show -p {key} --value {slice})\" = '{value}'"
        ));
    }
}

#[test]
fn slices_above_pods_have_the_sums() {
    let Some(host) = own("shares") else { return };
    let (one, other) = (Space::new(&host, "sharesa"), Space::new(&host, "sharesb"));
    let plain = json!({ "containers": [sleeper("c")] });
    let first = one.ready("plain", &plain);
    let beside = other.ready("plain", &plain);
    // Nobody asks for anything: nothing is set.
    assert_eq!(
        host.ok(&format!("ls -d {SLICES} 2>/dev/null | wc -l")),
        "0\n"
    );
    let sure = json!({ "limits": { "cpu": "100m", "memory": "64Mi" } });
    let sure = one.ready("sure", &asking(&sure));
    let likely = json!({ "requests": { "memory": "32Mi" } });
    let likely = one.ready("likely", &asking(&likely));
    let elsewhere = json!({ "requests": { "memory": "16Mi", "cpu": "1" } });
    let elsewhere = other.ready("likely", &asking(&elsewhere));
    wait(
        &host,
        &[
            ("vks-sharesa.slice", "MemoryMin", "67108864"),
            ("vks-sharesa.slice", "MemoryLow", "33554432"),
            ("vks-sharesb.slice", "MemoryLow", "16777216"),
            ("vks.slice", "MemoryMin", "67108864"),
            ("vks.slice", "MemoryLow", "50331648"),
            // 100 thousandths of a core against 1000.
            ("vks-sharesa.slice", "CPUWeight", "4"),
            ("vks-sharesb.slice", "CPUWeight", "39"),
            ("vks-sharesa-plain.slice", "CPUWeight", "1"),
            ("vks-sharesa-likely.slice", "CPUWeight", "1"),
            ("vks-sharesa-sure.slice", "CPUWeight", "4"),
        ],
    );
    // The kernel has it too, where it lets this machine.
    let low = "/sys/fs/cgroup/vks.slice/memory.low";
    if host.machine.sh(&format!("test -e {low}")).code == 0 {
        assert_eq!(host.ok(&format!("cat {low}")), "50331648\n");
    }
    let life = first.life("c");
    likely.delete();
    elsewhere.delete();
    wait(
        &host,
        &[
            ("vks.slice", "MemoryLow", "0"),
            ("vks-sharesa.slice", "MemoryLow", "0"),
            ("vks-sharesb-plain.slice", "CPUWeight", "[not set]"),
            // A namespace that asks for nothing beside one that does.
            ("vks-sharesb.slice", "CPUWeight", "1"),
        ],
    );
    // Another agent goes on with it, and takes back what was set while there was none.
    host.ok("systemctl stop vks.service");
    sure.delete();
    host.ok("systemctl start vks.service");
    wait(
        &host,
        &[
            ("vks.slice", "MemoryMin", "0"),
            ("vks-sharesb.slice", "CPUWeight", "[not set]"),
            ("vks-sharesa-plain.slice", "CPUWeight", "[not set]"),
        ],
    );
    host.wait(&format!("! ls -d {SLICES} 2>/dev/null"));
    assert_eq!(first.life("c"), life);
    assert!(beside.is_ready());
}
