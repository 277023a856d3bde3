//! Security contexts and profiles: what is taken, and the answer to what is not.

use super::*;
use crate::model::capability::Capabilities;
use crate::model::pod::PodSpec;
use crate::model::security::{AppArmor, Seccomp};

fn pod(pod: &str, container: &str, annotation: &str) -> String {
    format!(
        "metadata: {{name: a, annotations: {{vks.io/profile: {annotation}}}}}\nspec:\n  securityContext: {pod}\n  \
         containers:\n  - name: b\n    image: host:true\n    securityContext: {container}\n"
    )
}

fn spec(of_pod: &str, of_container: &str) -> PodSpec {
    let text = pod(of_pod, of_container, "strict");
    let mut parsed = parse(Path::new("/x.yaml"), text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    parsed.pods.remove(0).spec
}

/// Where users are not the host's, the kernel itself keeps them from what is otherwise hidden.
#[test]
fn proc_is_shown_whole_to_users_of_its_own() {
    let text = |users: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  {users}\n  containers:\n  - name: c\n    \
             image: dir:/srv\n    command: [a]\n    securityContext: {{procMount: Unmasked}}\n"
        )
    };
    let read = |users: &str| super::problems("/x.yaml", &text(users));
    assert!(read("hostUsers: false").is_empty());
    for users in ["hostUsers: true", "hostUsers: null", "hostNetwork: true"] {
        let found = read(users).join("\n");
        assert!(
            found.contains("procMount: only pods with users of their own"),
            "{found}"
        );
    }
}

#[test]
fn everything_said_arrives() {
    let spec = spec(
        "{runAsUser: 1, runAsGroup: 2, runAsNonRoot: true, fsGroup: 3, fsGroupChangePolicy: OnRootMismatch, \
         supplementalGroups: [4, 5], supplementalGroupsPolicy: Strict, seccompProfile: {type: RuntimeDefault}, \
         appArmorProfile: {type: Localhost, localhostProfile: web}, seLinuxOptions: {type: web_t}, \
         sysctls: [{name: net/ipv4/ip_unprivileged_port_start, value: '0'}]}",
        "{runAsNonRoot: false, privileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, \
         procMount: Default, capabilities: {add: [NET_ADMIN], drop: [ALL]}, \
         seccompProfile: {type: Localhost, localhostProfile: web/a.json}}",
    );
    let pod = &spec.security;
    assert_eq!((pod.fs_group, pod.only_on_mismatch), (Some(3), true));
    assert_eq!(
        (&pod.groups[..], pod.only_these_groups),
        (&[4, 5][..], true)
    );
    let sysctl = ("net.ipv4.ip_unprivileged_port_start", "0");
    assert_eq!(pod.sysctls, [(sysctl.0.to_owned(), sysctl.1.to_owned())]);
    let all = spec.security_of(&spec.containers[0]);
    assert_eq!(all.non_root, Some(false));
    assert_eq!((all.privileged, all.escalation), (Some(false), Some(false)));
    assert_eq!(all.read_only_root, Some(true));
    let change = all.capabilities.unwrap();
    let wanted = Capabilities::of(&["NET_ADMIN"]);
    assert_eq!(change.apply(Capabilities::ALL), wanted);
    let profile = Seccomp::Localhost("web/a.json".to_owned());
    assert_eq!(all.seccomp, Some(profile));
    assert_eq!(all.app_armor, Some(AppArmor::Localhost("web".to_owned())));
    let context = all.se_linux.unwrap().context();
    assert_eq!(context, "system_u:system_r:web_t:s0");
}

#[test]
fn of_a_pod() {
    let cases = [
        ("{fsGroup: -1}", "fsGroup: must be from 0 to 2147483647"),
        (
            "{supplementalGroupsPolicy: Some}",
            "supplementalGroupsPolicy: unknown value: write Merge or Strict",
        ),
        (
            "{sysctls: [{name: kernel.msgmax, value: '1'}]}",
            "sysctls[0].name: not one of the sysctls that a pod may set, it would reach beyond the pod: remove it",
        ),
        (
            "{sysctls: [{name: kernel.shm_rmid_forced, value: '1'}]}",
            "sysctls[0].name: vks gives a pod no IPC namespace to set it in: remove it",
        ),
        (
            "{seLinuxOptions: {type: a}, seLinuxChangePolicy: Recursive}",
            "seLinuxChangePolicy: vks does not change the labels of volumes: remove it and label them",
        ),
        (
            "{windowsOptions: {runAsUserName: a}}",
            "windowsOptions: vks does not implement this field yet: remove it, vks runs on Linux only",
        ),
    ];
    for (text, wanted) in cases {
        expect(
            &pod(text, "{}", "default"),
            &[&format!("3: spec.securityContext.{wanted}")],
        );
    }
    let on_host = pod(
        "{sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}",
        "{}",
        "default",
    )
    .replace("spec:\n", "spec:\n  hostNetwork: true\n");
    expect(
        &on_host,
        &[
            "4: spec.securityContext.sysctls: a pod on the host's network has no sysctls of its own: remove them, or hostNetwork",
        ],
    );
}

#[test]
fn of_a_container() {
    let cases = [
        (
            "{capabilities: {add: [CAP_CHOWN]}}",
            ".capabilities.add[0]: unknown capability: write CHOWN",
        ),
        (
            "{capabilities: {drop: [FLY]}}",
            ".capabilities.drop[0]: unknown capability: write a name of capabilities(7) without CAP_, or ALL",
        ),
        (
            "{privileged: true, allowPrivilegeEscalation: false}",
            ": privileged: true and allowPrivilegeEscalation: false contradict: remove one",
        ),
        (
            "{capabilities: {add: [SYS_ADMIN]}, allowPrivilegeEscalation: false}",
            ": SYS_ADMIN and allowPrivilegeEscalation: false contradict: remove one",
        ),
        (
            "{procMount: Unmasked}",
            ".procMount: only pods with users of their own may see all of /proc: add hostUsers: false, or remove it",
        ),
        (
            "{seccompProfile: {type: Localhost}}",
            ".seccompProfile: type Localhost needs localhostProfile: add it",
        ),
        (
            "{seccompProfile: {type: Unconfined, localhostProfile: a}}",
            ".seccompProfile.localhostProfile: only type Localhost has a profile: remove it",
        ),
        (
            "{seccompProfile: {type: Localhost, localhostProfile: ../a}}",
            ".seccompProfile.localhostProfile: must be the path of a file below /etc/vks/seccomp, without '..' and a '/' in front: correct it",
        ),
        (
            "{appArmorProfile: {type: RuntimeDefault}}",
            ".appArmorProfile.type: vks brings no AppArmor profile of its own: load one and name it with type Localhost, or remove the field",
        ),
        (
            "{seLinuxOptions: {type: 'a:b'}}",
            ".seLinuxOptions.type: is empty, too long or has a character that cannot be here: correct it",
        ),
    ];
    for (text, wanted) in cases {
        expect(
            &pod("{}", text, "default"),
            &[&format!("7: spec.containers[0].securityContext{wanted}")],
        );
    }
}

#[test]
fn a_profile_that_does_not_exist() {
    expect(
        &pod("{}", "{}", "lax"),
        &[
            "1: metadata.annotations[\"vks.io/profile\"]: unknown value: write default, strict or trusted",
        ],
    );
}
