//! What becomes of a security context, as cases.

use super::*;
use crate::model::security::{CapabilityChange, SeLinux};
use crate::plan::tests::pod;

/// A pod whose first container is changed.
fn of(annotation: &str, change: impl FnOnce(&mut Pod)) -> (Pod, Settings) {
    let mut pod = pod("web");
    if !annotation.is_empty() {
        let key = PROFILE_ANNOTATION.to_owned();
        pod.annotations.insert(key, annotation.to_owned());
    }
    change(&mut pod);
    (pod, Settings::default())
}

fn decided(of: (Pod, Settings)) -> Result<Confinement, String> {
    let (pod, settings) = of;
    decide(&pod, &pod.spec.containers[0], &settings)
}

fn own(pod: &mut Pod) -> &mut Security {
    &mut pod.spec.containers[0].security
}

#[test]
fn who_it_is_and_how_far_it_is_shut_in() {
    let user = |user| move |pod: &mut Pod| pod.spec.containers[0].run_as.user = Some(user);
    let nothing = |_: &mut Pod| {};
    let privileged = |pod: &mut Pod| own(pod).privileged = Some(true);
    let cases = [
        (of("", nothing), Profile::Strict, Who::Dynamic),
        (of("default", nothing), Profile::Default, Who::Root),
        (of("trusted", nothing), Profile::Trusted, Who::Root),
        (of("", user(7)), Profile::Default, Who::User(7)),
        (of("strict", user(7)), Profile::Strict, Who::User(7)),
        (of("trusted", user(0)), Profile::Trusted, Who::User(0)),
        (of("", privileged), Profile::Trusted, Who::Root),
    ];
    for (input, profile, who) in cases {
        let shown = format!("{:?}", input.0.annotations);
        let got = decided(input).unwrap();
        assert_eq!((got.profile, got.who), (profile, who), "{shown}");
        assert_eq!(got.no_new_privileges, profile == Profile::Strict, "{shown}");
        assert_eq!(
            got.calls == Calls::Any,
            profile == Profile::Trusted,
            "{shown}"
        );
    }
}

#[test]
fn the_node_says_what_holds_for_pods_that_say_nothing() {
    for (node, unnamed, named) in [
        (Profile::Strict, Profile::Strict, Profile::Default),
        (Profile::Default, Profile::Default, Profile::Default),
        (Profile::Trusted, Profile::Trusted, Profile::Trusted),
    ] {
        for (user, wanted) in [(None, unnamed), (Some(5), named)] {
            let (mut pod, mut settings) = of("", |_| {});
            settings.profile = node;
            pod.spec.run_as.user = user;
            assert_eq!(decided((pod, settings)).unwrap().profile, wanted);
        }
    }
}

#[test]
fn capabilities_start_from_those_of_the_profile() {
    let add = CapabilityChange {
        add: Capabilities::of(&["NET_ADMIN"]),
        ..CapabilityChange::default()
    };
    for (profile, wanted) in [
        ("strict", Capabilities::of(&["NET_ADMIN"])),
        ("default", Capabilities::of(&USUAL).and(add.add)),
        ("trusted", Capabilities::ALL),
    ] {
        let got = decided(of(profile, |pod| own(pod).capabilities = Some(add))).unwrap();
        assert_eq!(got.capabilities, wanted, "{profile}");
    }
}

#[test]
fn what_cannot_be_given_is_refused_by_name() {
    let cases = [
        (
            of("strict", |pod| own(pod).privileged = Some(true)),
            "privileged: true and vks.io/profile: strict contradict",
        ),
        (
            of("", |pod| own(pod).escalation = Some(true)),
            "allowPrivilegeEscalation: true cannot be had in the profile strict",
        ),
        (
            of("", |pod| own(pod).seccomp = Some(Seccomp::Unconfined)),
            "seccompProfile type Unconfined cannot be had in the profile strict",
        ),
        (
            of("trusted", |pod| own(pod).non_root = Some(true)),
            "container has runAsNonRoot and image will run as root (pod: \"default/web\", container: main)",
        ),
        (
            of("", |pod| {
                pod.spec.security.containers.non_root = Some(true);
                pod.spec.run_as.user = Some(0);
            }),
            "container's runAsUser breaks non-root policy",
        ),
        (
            of("", |pod| {
                own(pod).seccomp = Some(Seccomp::Localhost("a.json".to_owned()));
            }),
            "there is no /etc/vks/seccomp/a.json",
        ),
        (
            of("", |pod| {
                own(pod).app_armor = Some(AppArmor::Localhost("x".to_owned()));
            }),
            "appArmorProfile: AppArmor is not enabled",
        ),
        (
            of("", |pod| {
                own(pod).se_linux = Some(SeLinux {
                    user: None,
                    role: None,
                    kind: None,
                    level: None,
                });
            }),
            "seLinuxOptions: SELinux is not enabled",
        ),
    ];
    for (input, wanted) in cases {
        let got = decided(input).unwrap_err();
        assert!(got.contains(wanted), "{got}");
    }
}

#[test]
fn labels_arrive_where_the_host_has_them() {
    let (pod, mut settings) = of("", |pod| {
        own(pod).app_armor = Some(AppArmor::Localhost("web".to_owned()));
        own(pod).se_linux = Some(SeLinux {
            user: None,
            role: None,
            kind: Some("web_t".to_owned()),
            level: Some("s0:c1,c2".to_owned()),
        });
    });
    (settings.app_armor, settings.se_linux) = (true, true);
    let got = decided((pod, settings)).unwrap();
    assert_eq!(got.app_armor.as_deref(), Some("web"));
    let context = "system_u:system_r:web_t:s0:c1,c2";
    assert_eq!(got.se_linux.as_deref(), Some(context));
}

fn keys(text: &str, user: Option<u32>) -> Result<String, String> {
    let (mut pod, mut settings) = of("default", |pod| {
        own(pod).seccomp = Some(Seccomp::Localhost("p".to_owned()));
    });
    pod.spec.run_as.user = user;
    settings.seccomp.insert("p".to_owned(), text.to_owned());
    match decided((pod, settings))?.calls {
        Calls::Profile(keys) => {
            let lines = keys.iter().map(|(key, value)| format!("{key}={value}"));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn profiles_become_lists_of_system_calls() {
    let cases = [
        (
            r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
                "syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}]}"#,
            "SystemCallFilter=exit read write\nSystemCallErrorNumber=1\nSystemCallArchitectures=x86 x86-64",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
                {"name":"ptrace","action":"SCMP_ACT_KILL_PROCESS"}]}"#,
            "SystemCallFilter=~chmod:38 mkdir:38\nSystemCallFilter=~ptrace:kill",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG"}"#,
            "SystemCallLog=@known",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_KILL","syscalls":[
                {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
                {"names":["chown"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_CHOWN"]},"args":[]},
                {"names":["read"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_CHOWN"]}}]}"#,
            "SystemCallFilter=chown exit",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(keys(text, None).unwrap(), wanted, "{text}");
    }
}

#[test]
fn what_systemd_cannot_filter_is_refused_by_name() {
    let with = |rest: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO",{rest}}}"#);
    let cases = [
        (
            with(
                r#""syscalls":[{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]}]"#,
            ),
            "args of personality: systemd cannot look at arguments",
        ),
        (
            with(r#""syscalls":[{"names":["a b"],"action":"SCMP_ACT_ALLOW"}]"#),
            "\"a b\" is no name of a system call",
        ),
        (
            with(r#""syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE"}]"#),
            "SCMP_ACT_TRACE cannot be had",
        ),
        (
            with(r#""syscalls":[{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]"#),
            "clone3 is to be refused otherwise",
        ),
        (
            with(r#""flags":["SECCOMP_FILTER_FLAG_LOG"]"#),
            "SECCOMP_FILTER_FLAG_LOG",
        ),
        (with(r#""listenerPath":"/x""#), "listenerPath"),
        (
            with(r#""architectures":["SCMP_ARCH_VAX"]"#),
            "SCMP_ARCH_VAX is not known",
        ),
        (with(r#""surprise":1"#), "unknown field `surprise`"),
        (
            with(
                r#""syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}}]"#,
            ),
            "vks takes only caps",
        ),
    ];
    for (text, wanted) in cases {
        let got = keys(&text, None).unwrap_err();
        assert!(got.contains(wanted), "{text}: {got}");
    }
    let read_only = with(r#""syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]"#);
    assert!(keys(&read_only, None).is_ok());
    let got = keys(&read_only, Some(7)).unwrap_err();
    assert!(got.contains("it does not allow setgroups"), "{got}");
}
