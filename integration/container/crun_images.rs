//! The same image by vks and by `crun` with its default specification: what each container sees of itself is compared, fact
//! by fact. What differs stands in `docs/crun-images.md` with the reason, and nothing else differs.

use super::crun::{self, Comparison, Facts, OBSERVE, USUAL, facts};
use super::oci::{OciHost, PLAIN};
use super::space::Space;
use serde_json::{Value, json};

const PROGRAM: &str = "python3 /observe/observe.py >/srv/data/facts; exec sleep 1d";

fn by_vks(space: &Space<'_>, name: &'static str, image: &str, security: &Value) -> Facts {
    let data = space.path(&format!("{name}-vks"));
    space
        .host
        .ok(&format!("mkdir -p {data} && chmod 777 {data}"));
    let pod = space.ready(
        name,
        &json!({ "hostNetwork": false, "containers": [{
            "name": "c", "image": format!("oci:localhost:5000/{image}"), "command": ["sh", "-c", PROGRAM], "securityContext": security,
            "volumeMounts": [{ "name": "data", "mountPath": "/srv/data" }, { "name": "observe", "mountPath": "/observe", "readOnly": true }] }],
            "volumes": [{ "name": "data", "hostPath": { "path": data } }, { "name": "observe", "hostPath": { "path": "/srv/observe" } }] }),
    );
    space.host.wait(&format!("test -s {data}/facts"));
    facts(space.host, &data, &pod.pid("c"))
}

/// `user`, capabilities, `noNewPrivileges`, `readonly`, working directory and variables of the image.
struct Crun {
    user: Value,
    capabilities: Vec<&'static str>,
    restricted: bool,
    cwd: &'static str,
    env: Vec<&'static str>,
}

fn by_crun(space: &Space<'_>, name: &str, image: &str, crun: &Crun) -> Facts {
    let host = space.host;
    // On the disk that the layers are on.
    let dir = format!("/var/lib/vks/crun-{name}");
    let data = space.path(&format!("{name}-crun"));
    host.ok(&format!(
        "mkdir -p {dir}/root {dir}/upper {dir}/work {data} && chmod 777 {data} && cd {dir} && crun spec && \
         lower=$(jq -rs '[.[] | select(.config.user == {image})][0].layers | reverse | map(\"/var/lib/vks/images/layers/\" + \
           ltrimstr(\"sha256:\") + \"/fs\") | join(\":\")' /var/lib/vks/images/records/*.json) && \
         mount -t overlay overlay -o lowerdir=$lower,upperdir={dir}/upper,workdir={dir}/work {dir}/root",
    ));
    let mut config: Value =
        serde_json::from_str(&host.machine.read(&format!("{dir}/config.json"))).unwrap();
    let sets = json!({ "bounding": crun.capabilities, "effective": crun.capabilities, "permitted": crun.capabilities });
    let mut env = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        format!("HOSTNAME={name}"),
    ];
    env.extend(crun.env.iter().map(ToString::to_string));
    config["process"] = json!({
        "user": crun.user, "args": ["/bin/sh", "-c", PROGRAM], "cwd": crun.cwd, "capabilities": sets,
        "noNewPrivileges": crun.restricted, "env": env, "oomScoreAdj": 1000,
    });
    config["root"] = json!({ "path": "root", "readonly": crun.restricted });
    for (to, from, mode) in [
        ("/srv/data", data.as_str(), "rw"),
        ("/observe", "/srv/observe", "ro"),
    ] {
        let bind = json!({ "destination": to, "type": "bind", "source": from, "options": ["rbind", mode] });
        config["mounts"].as_array_mut().unwrap().push(bind);
    }
    config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["keyctl", "mount", "ptrace", "unshare"], "action": "SCMP_ACT_ERRNO" }] });
    host.machine
        .write(&format!("{dir}/config.json"), &config.to_string(), "0644");
    host.ok(&format!(
        "cd {dir} && systemd-run -q --unit=crun-{name} --working-directory={dir} \
         crun --cgroup-manager=disabled run --no-new-keyring --pid-file {dir}/pid vks-{name}"
    ));
    host.wait(&format!("test -s {data}/facts"));
    let pid = host.ok(&format!("cat {dir}/pid"));
    let found = facts(host, &data, pid.trim());
    host.ok(&format!(
        "crun delete -f vks-{name}; systemctl stop crun-{name} 2>/dev/null; umount {dir}/root; rm -r {dir}"
    ));
    found
}

/// What must be the same for a container with a root of its own, beside what must be for all.
const SAME: [&str; 13] = [
    "mount /",
    "mount /proc",
    "mount /sys",
    "mount /dev",
    "mount /dev/pts",
    "mount /dev/shm",
    "writes /",
    "writes /etc",
    "writes /tmp",
    "namespace pid",
    "namespace mnt",
    "namespace uts",
    "namespace ipc",
];

#[test]
fn a_container_of_an_image_is_what_crun_makes_of_it() {
    let Some(on) = OciHost::boot("ocicrun") else {
        return;
    };
    on.start(PLAIN);
    on.registry(5000, "");
    on.host.ok("mkdir -p /srv/observe");
    on.host
        .machine
        .write("/srv/observe/observe.py", OBSERVE, "0644");
    let space = Space::new(&on.host, "ocicrun");
    let root = json!({ "uid": 0, "gid": 0, "additionalGids": [0] });
    let app = json!({ "uid": 1234, "gid": 1235, "additionalGids": [1235, 77] });
    let of_app = vec![
        "FROM_IMAGE=1",
        "BOTH=image",
        "LD_LIBRARY_PATH=/nowhere",
        "HOME=/home/app",
    ];
    let cases = [
        (
            "root",
            "base:1",
            json!({}),
            "null",
            Crun {
                user: root,
                capabilities: USUAL.to_vec(),
                restricted: false,
                cwd: "/",
                env: vec!["HOME=/root"],
            },
        ),
        (
            "restricted",
            "app:1",
            json!({ "capabilities": { "drop": ["ALL"] }, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true }),
            "\"app\"",
            Crun {
                user: app,
                capabilities: vec![],
                restricted: true,
                cwd: "/srv/app",
                env: of_app,
            },
        ),
    ];
    let mut comparison = Comparison::default();
    let same = [crun::SAME.as_slice(), &SAME].concat();
    for (name, image, security, user, crun) in &cases {
        let ours = by_vks(&space, name, image, security);
        // The image's record is known by its user.
        let theirs = by_crun(&space, name, user, crun);
        comparison.add(name, &ours, &theirs, &same);
    }
    comparison.judge("docs/crun-images.md");
}
