//! What units call: verbs of the `vks` program that people do not see in its help.
//!
//! | command line | unit setting | does |
//! |---|---|---|
//! | `vks enter --pid PID [--tty] -- CMD...` | (exec, exec probes, hooks) | becomes a program in the container of a process |
//! | `vks as UID:GID ... -- CMD...` | `ExecStart=` of containers that name users or groups | becomes the user, then the program |
//! | `vks launch OPTIONS -- CMD...` | `ExecStart=` of containers with a root of their own, a host name, terminal or input | sets that up, then becomes the program |
//! | `vks hold OPTIONS` | (launch) | holds the other end of a container's terminal or input |
//! | `vks begin UNIT` | `ExecCondition=` of ephemeral containers | writes down that it has begun; 1 when it had already |
//! | `vks record UNIT` | `ExecStopPost=` of containers | writes down how the run ended, marks a container that is done |
//! | `vks record UNIT --exited-ok` | `ExecStartPost=` of init containers | the same for a good end |
//! | `vks hook post-start HOOK` | `ExecStartPost=` | runs a hook, given as JSON; its failure ends the container |
//! | `vks hook pre-stop --grace SECONDS [--signal NAME] [HOOK]` | `ExecStop=` | runs a hook and ends the container within one budget; with `--unit UNIT` first waits, at shutdown, for pods of lower priority |
//! | `vks probe startup PROBE` | `ExecStartPost=` | ends when the startup probe, given as JSON, has succeeded |
//! | `vks prober UNIT` | `ExecStart=` of the probes unit | runs the liveness and readiness probes of a pod |
//! | `vks sandbox up UNIT` | `ExecStart=` of the sandbox | makes network, secrets and mount points; 77 when the pod may not run again |
//! | `vks sandbox mend UNIT` | `ExecReload=` of it | makes anew what was removed of the pod's network |
//! | `vks sandbox down UNIT` | `ExecStopPost=` of the sandbox | undoes that |
//! | `vks subpaths UNIT` | `ExecStartPre=` of containers with a `subPath` | shows parts of volumes where they are mounted from |
//! | `vks subpaths UNIT --hide` | `ExecStartPost=` of those | takes them away when the container has them |
//! | `vks variables UNIT` | `ExecStartPre=` of containers with a `fileKeyRef` | takes variables from files in volumes |
//! | `vks wire up` | `ExecStart=` of `vks-network.service` | sets up the host's part of the pods' network |
//! | `vks wire names` | `ExecStart=` of `vks-resolved.service` | has systemd-resolved ask the pods' name server |
//! | `vks wire down` | `ExecStop=` of it | puts the host's network back as it was |
//! | `vks mesh up` | `ExecStart=` and `ExecReload=` of `vks-wireguard.service` | makes the interface of the mesh, or changes what differs |
//! | `vks mesh down` | `ExecStop=` of it | takes it away |
//! | `vks mesh refresh` | `vks-wireguard-refresh.service`, by its timer | looks up names of peers that have no session |
//! | `vks wireguard-device NAME` | `ExecStart=` of `vks-wireguard-device@.service` | is a WireGuard device, where the kernel has none |
//! | `vks wireguard-device --needed NAME` | `ExecCondition=` of it | whether the kernel has none, and somebody wants one |
//! | `vks dns` | `ExecStart=` of `vks-dns.service` | answers what pods ask of names |
//! | `vks units up` | `ExecStart=` of `vks-units.service` | lets systemd find unit files where `/etc` cannot be written |
//! | `vks usher` | `ExecStart=` of `vks-usher.service` | does inside pods what the node's API is asked for |
//! | `vks users [--nested]` | (sandbox) | makes a user namespace and waits until it is bound to a file |
//! | `vks fetch ID` | `ExecStart=` of `vks-fetch@ID.service` | brings an image here, as a request asks for |
//! | `vks deadline UNIT` | `ExecStart=` of the deadline's service | marks the pod and stops its containers |
//!
//! `UNIT` is the unit's own name (`%n`).
//!
//! Errors go to the journal in one line each ([`journal`]), the exit code is 1, and 2 for arguments that are
//! not understood. A verb starts in about a millisecond: no runtime, no configuration and no bus unless it
//! needs them.

pub mod args;
pub mod begin;
pub mod check;
pub mod deadline;
pub mod device;
pub mod dns;
pub mod ending;
pub mod enter;
pub mod fetch;
pub mod hold;
pub mod hook;
pub mod journal;
pub mod launch;
mod lower;
pub mod mesh;
pub mod own_unit;
pub mod prober;
pub mod record;
mod root;
pub mod run_as;
pub mod sandbox;
pub mod startup;
pub mod sub_paths;
pub mod units;
pub mod users;
pub mod usher;
pub mod variables;
pub mod wire;

use crate::config::Settings;
use crate::model::layout::Layout;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Runs a verb that units call; `None` when the arguments (the program's name first) name none.
pub fn dispatch(argv: &[OsString]) -> Option<ExitCode> {
    let verb = argv.get(1)?.to_str()?;
    let args = argv.get(2..)?;
    if OF_CONTAINERS.contains(&verb) {
        see_the_host();
    }
    Some(match verb {
        "begin" => begin::main(args),
        "deadline" => deadline::main(args),
        "dns" => dns::main(args),
        "as" => run_as::main(args),
        "enter" => enter::main(args),
        "fetch" => fetch::main(args),
        "hold" => hold::main(args),
        "hook" => hook::main(args),
        "launch" => launch::main(args),
        "mesh" => mesh::main(args),
        "probe" => startup::main(args),
        "prober" => prober::main(args),
        "record" => record::main(args),
        "sandbox" => sandbox::main(args),
        "subpaths" => sub_paths::main(args),
        "units" => units::main(args),
        "usher" => usher::main(args),
        "users" => users::main(args),
        "variables" => variables::main(args),
        "wire" => wire::main(args),
        "wireguard-device" => device::main(args),
        _ => return None,
    })
}

/// Verbs that units of containers call with full privileges.
const OF_CONTAINERS: [&str; 6] = ["begin", "hook", "probe", "record", "subpaths", "variables"];

/// `+` takes a command out of a container's confinement (systemd.service(5)), but what is mounted over `/run` there
/// (`TemporaryFileSystem=`) hides systemd and the journal from it all the same (systemd 257): it goes where process 1
/// is. What cannot be reached then says so itself.
fn see_the_host() {
    if Path::new("/run/systemd/private").exists() {
        return;
    }
    let kind = nix::sched::CloneFlags::CLONE_NEWNS;
    if let Ok(Some(init)) = crate::host::process::Process::open(1) {
        let _ = crate::host::namespace::join(&init, kind);
    }
}

/// Where things lie for the verbs: as the settings say. When those cannot be read, a pod must run nevertheless:
/// where things lie by default.
fn layout() -> Layout {
    match Settings::load(Path::new("/")) {
        Ok(settings) => settings.layout,
        Err(error) => {
            log::warn!("the default paths are used: {}", crate::chain::line(&error));
            Layout::default()
        }
    }
}

/// Logs why a verb failed and gives its exit code: 2 when its arguments were not understood, else 1.
fn fail(error: &dyn std::error::Error, arguments: bool) -> ExitCode {
    log::error!("{}", crate::chain::line(error));
    ExitCode::from(if arguments { 2 } else { 1 })
}

/// The main process of the unit that calls, if it has one.
fn main_pid() -> Option<u32> {
    std::env::var("MAINPID")
        .ok()?
        .parse()
        .ok()
        .filter(|pid| *pid != 0)
}

/// An event loop of one thread, for the verbs that need one.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
