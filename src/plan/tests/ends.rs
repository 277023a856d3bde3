//! Who waits for a container that is stopped: systemd, or a command of ours.

use super::*;

/// `KillMode=`, `TimeoutStopSec=` and whether `ExecStop=` ends it, of the container that is written first.
fn ending(image: &str, host_pid: Option<bool>, init: bool) -> (String, String, bool) {
    let mut pod = pod("a");
    pod.spec.sharing.host_pid = host_pid;
    let spec = Container {
        image: image.parse().unwrap(),
        command: vec!["/bin/x".into()],
        ..container("c")
    };
    match init {
        true => pod.spec.init_containers = vec![spec],
        false => pod.spec.containers = vec![spec],
    }
    let plan = plan_now(&desired([pod]), &Host::default());
    let mut steps = plan.pods.values().flat_map(|pod| &pod.steps);
    let text = steps.find_map(|step| match step {
        Step::WriteUnit { text, .. } if text.contains("Container=c\n") => Some(text.to_string()),
        _ => None,
    });
    let file = crate::unit::read::read(&text.unwrap()).unwrap();
    let value = |key| file.value("Service", key).unwrap_or_default().to_owned();
    let stop = value("ExecStop");
    assert!(
        stop.is_empty() || stop == "+:/usr/bin/vks hook pre-stop --grace 30",
        "{stop}"
    );
    (value("KillMode"), value("TimeoutStopSec"), !stop.is_empty())
}

#[test]
fn a_pid_namespace_needs_somebody_who_waits() {
    let (host, dir) = ("host:/bin/x", "dir:/srv/root");
    let mixed = ("mixed".to_owned(), "30s".to_owned(), false);
    let command = ("mixed".to_owned(), "40s".to_owned(), true);
    let all = ("control-group".to_owned(), "30s".to_owned(), false);
    for (image, host_pid, main, init) in [
        (host, None, &mixed, &mixed),
        (host, Some(true), &mixed, &mixed),
        (host, Some(false), &command, &all),
        (dir, None, &command, &all),
        (dir, Some(false), &command, &all),
        (dir, Some(true), &mixed, &mixed),
    ] {
        assert_eq!(
            &ending(image, host_pid, false),
            main,
            "{image} {host_pid:?}"
        );
        assert_eq!(
            &ending(image, host_pid, true),
            init,
            "init {image} {host_pid:?}"
        );
    }
}
