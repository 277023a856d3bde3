//! Outside: a booted machine with vks installed as a package would, and this program in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INSIDE: &str = "/usr/local/bin/vks-bench";
/// Where the machine has CNI's plugins.
pub const CNI: &str = "/opt/cni";
/// Where it has WireGuard in userspace by others.
pub const WIREGUARD_GO: &str = "/opt/wireguard-go";

/// Boots a machine, runs this program in it with these arguments, removes the machine. Whether all went well.
pub fn run_inside(name: &str, arguments: &[String]) -> bool {
    let machine = Machine::boot(&format!("bench-{name}"));
    let mut command = machine.lab("exec");
    command.args(["--", INSIDE, "--inside"]).args(arguments);
    let status = command.status().expect("integration/lab.sh");
    if !status.success() {
        let to = repository()
            .join("target/integration/failed")
            .join(&machine.name);
        let _ = machine.lab("save").arg(&to).status();
        eprintln!("journal of {}: {}", machine.name, to.display());
    }
    status.success()
}

struct Machine {
    name: String,
}

impl Machine {
    fn boot(name: &str) -> Self {
        let machine = Self {
            name: name.to_owned(),
        };
        let mut command = machine.lab("boot");
        command.arg("trixie");
        for (from, to) in binds() {
            command.arg("--bind-ro");
            command.arg(format!("{}:{to}", from.display()));
        }
        let status = command.stdout(Stdio::null()).status();
        assert!(
            status.expect("integration/lab.sh").success(),
            "{name} did not boot"
        );
        machine
    }

    /// A verb of the lab for this machine.
    fn lab(&self, verb: &str) -> Command {
        let mut command = Command::new(repository().join("integration/lab.sh"));
        command.args([verb, &self.name]).stdin(Stdio::null());
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.lab("down").status();
    }
}

/// What the machine sees of this one.
fn binds() -> Vec<(PathBuf, String)> {
    let own = std::env::current_exe().expect("the path of this program");
    let mut binds = vec![
        (
            PathBuf::from(env!("CARGO_BIN_EXE_vks")),
            "/usr/bin/vks".to_owned(),
        ),
        (own, INSIDE.to_owned()),
    ];
    let plugins = unpacked("containernetworking-plugins", "cni", "usr/lib/cni");
    binds.extend(plugins.map(|plugins| (plugins, CNI.to_owned())));
    let device = unpacked("wireguard-go", "wireguard-go", "usr/bin/wireguard-go");
    binds.extend(device.map(|device| (device, WIREGUARD_GO.to_owned())));
    let units = repository().join("units");
    let mut folders = vec![units.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("units/") {
            let path = entry.expect("units/").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(&units).expect("below units/");
                let to = format!("/{}", below.display());
                binds.push((path, to));
            }
        }
    }
    binds
}

/// A path of a package of Debian, which is not installed on this machine: programs that need no more than the C library.
fn unpacked(package: &str, home: &str, path: &str) -> Option<PathBuf> {
    let home = repository().join("target/integration").join(home);
    let wanted = home.join(path);
    if wanted.exists() {
        return Some(wanted);
    }
    std::fs::create_dir_all(&home).ok()?;
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&home);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(())
    };
    run("apt-get", &["download", package])?;
    let files = std::fs::read_dir(&home).ok()?.flatten();
    let mut names = files.filter_map(|file| file.file_name().into_string().ok());
    let archive = names.find(|name| name.ends_with(".deb"))?;
    run("dpkg", &["-x", &archive, "."])?;
    wanted.exists().then_some(wanted)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
