//! These run the program itself: it has to be a process of one thread.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The program that cargo built beside this test, and root; else the test is skipped.
fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()?
        .parent()?
        .parent()?
        .join("vks");
    let usable = nix::unistd::geteuid().is_root() && beside.exists();
    if !usable {
        eprintln!("SKIP: needs root and a built {}", beside.display());
    }
    usable.then_some(beside)
}

/// Something like a container: ends with the test.
struct Container(Child);

impl Container {
    fn start(unshare: &[&str], script: &str) -> Self {
        let mut child = Command::new("unshare")
            .args(unshare)
            .args([
                "--",
                "sh",
                "-c",
                &format!("{script}; echo ready; exec sleep 600"),
            ])
            .env("ONLY_HERE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn enter(&self, program: &PathBuf, argv: &[&str]) -> Output {
        let pid = self.0.id().to_string();
        let mut enter = Command::new(program);
        enter.args(["enter", "--pid", &pid, "--"]).args(argv);
        enter.env("NOT_THERE", "1").output().unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn mounts_names_directory_and_environment_are_the_containers() {
    let Some(program) = program() else { return };
    let script =
        "mount -t tmpfs x /mnt && mkdir /mnt/here && cd /mnt/here && hostname inside && umask 027";
    let container = Container::start(&["--mount", "--uts", "--net", "--ipc"], script);
    let script =
        "pwd; hostname; umask; echo $ONLY_HERE-$NOT_THERE; ls -d /mnt/here; wc -l < /proc/net/dev";
    let output = container.enter(&program, &["sh", "-c", script]);
    assert_eq!(
        text(&output),
        "/mnt/here\ninside\n0027\n1-\n/mnt/here\n3",
        "{output:?}"
    );
}

#[test]
fn the_user_and_its_limits_are_the_containers() {
    let Some(program) = program() else { return };
    let as_nobody = "setpriv --reuid 65534 --regid 65533 --groups 5,6 --no-new-privs --bounding-set -sys_time,-kill";
    let mut container = Command::new("sh")
        .args([
            "-c",
            &format!("exec {as_nobody} sh -c 'echo ready; exec sleep 600'"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(container.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let container = Container(container);
    let fields = "^(Uid|Gid|Groups|NoNewPrivs|CapBnd|CapEff):";
    let inside = container.enter(&program, &["grep", "-E", fields, "/proc/self/status"]);
    let status = format!("/proc/{}/status", container.0.id());
    let own = Command::new("grep")
        .args(["-E", fields, &status])
        .output()
        .unwrap();
    assert!(
        own.stdout.len() > 60 && own.stdout == inside.stdout,
        "{own:?} {inside:?}"
    );
}

#[test]
fn exit_codes_are_those_of_shells() {
    let Some(program) = program() else { return };
    let container = Container::start(&["--mount"], "true");
    let code = |argv: &[&str]| container.enter(&program, argv).status.code();
    assert_eq!(code(&["sh", "-c", "exit 5"]), Some(5));
    assert_eq!(code(&["no-such-program"]), Some(127));
    assert_eq!(code(&["/"]), Some(126));
    drop(container);
    let gone = Command::new(program)
        .args(["enter", "--pid", "4194305", "--", "true"])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(126), "{gone:?}");
}

#[test]
fn a_pid_namespace_is_entered_by_a_child() {
    let Some(program) = program() else { return };
    let container = Container::start(
        &["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
        "true",
    );
    // The container's first process is the child of unshare.
    let children = format!("/proc/{0}/task/{0}/children", container.0.id());
    let children = std::fs::read_to_string(children).unwrap();
    let first = children.split_ascii_whitespace().next().unwrap();
    let output = Command::new(program)
        .args([
            "enter",
            "--pid",
            first,
            "--",
            "sh",
            "-c",
            "cat /proc/1/comm; exit 7",
        ])
        .output()
        .unwrap();
    assert_eq!(
        (text(&output).as_str(), output.status.code()),
        ("sleep", Some(7)),
        "{output:?}"
    );
}
