//! A host whose `/etc` cannot be written: unit files are kept elsewhere, and pods come up at boot all the same.

use super::host::own;
use super::space::{Space, sleeper};
use serde_json::json;

/// An empty file system that cannot be written, over the directory of unit files, from early in the boot on.
const MOUNT: &str = "\
[Unit]
DefaultDependencies=no
Conflicts=umount.target
Before=local-fs.target umount.target
[Mount]
What=tmpfs
Where=/etc/systemd/system.attached
Type=tmpfs
Options=ro
[Install]
WantedBy=local-fs.target
";

#[test]
fn pods_live_where_etc_cannot_be_written() {
    let Some(mut host) = own("readonly") else {
        return;
    };
    host.machine.write(
        "/etc/systemd/system/etc-systemd-system.attached.mount",
        MOUNT,
        "0644",
    );
    host.ok(
        "systemctl daemon-reload; systemctl enable --now etc-systemd-system.attached.mount; \
         systemctl enable --now vks-units.service; systemctl restart vks.service",
    );
    let uid = {
        let space = Space::new_kept(&host, "ro");
        let pod = space.ready(
            "p",
            &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
        );
        let unit = "vks.ro.p.sleep.service";
        let loaded = host.property(unit, "FragmentPath");
        assert_eq!(loaded, format!("/run/systemd/system.attached/{unit}"));
        assert_eq!(host.ok("ls /etc/systemd/system.attached | wc -l"), "0\n");
        pod.json()["metadata"]["uid"].clone()
    };
    host.ok("systemctl mask vks.service; sync");
    host.machine.reboot();

    let space = Space::new(&host, "ro");
    let pod = space.known("p");
    pod.wait_for("condition=Ready");
    let life = pod.life("c");
    assert_eq!(pod.json()["metadata"]["uid"], uid);
    host.ok("systemctl unmask vks.service; systemctl start vks.service");
    host.wait("systemctl is-active vks.service");
    assert_eq!(pod.life("c"), life, "the agent changes nothing");
    pod.delete();
    assert_eq!(
        host.ok("ls /var/lib/vks/units /run/systemd/system.attached/ | grep -c '^vks[.-]ro\\|^vks\\.ro' || true"),
        "0\n"
    );
}
