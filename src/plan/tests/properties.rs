//! The rules of planning for any pods, and for an apply that is cut short anywhere.

use super::*;
use proptest::prelude::*;

prop_compose! {
    fn any_container()(name in "[a-c]", args in prop::collection::vec(".{0,8}", 0..3), text in "(?s).{0,12}",
        policy in 0..4u8, image in prop::sample::select(vec!["host:/bin/a", "host:/bin/b", "host:b"]), mount in any::<bool>(),
        probe in any::<bool>(), limit in prop::option::of(1..4000u64), part in any::<bool>()) -> Container {
        let clean = |text: &str| text.replace('\0', "");
        let mut made = container(&name);
        made.image = image.parse().unwrap();
        made.args = args.iter().map(|text| clean(text)).collect();
        made.env = vec![EnvVar { name: "A".into(), value: EnvValue::Text(clean(&text)) }];
        made.restart_policy = [None, Some(RestartPolicy::Always), Some(RestartPolicy::OnFailure), Some(RestartPolicy::Never)][usize::from(policy)];
        if mount {
            made.mounts = vec![Mount { volume: "v".parse().unwrap(), path: "/v: \\x".into(), read_only: false, propagation: Default::default(),
                sub_path: part.then(|| crate::model::volume::SubPath::Plain("a %/b".into())) }];
        }
        if probe {
            made.probes.liveness = Some(Probe { check: Check::Exec { command: vec!["a".into()] }, initial_delay: Duration::ZERO,
                period: Duration::from_secs(1), timeout: Duration::from_secs(1), failure_threshold: 1, success_threshold: 1, termination_grace: None });
        }
        made.resources.cpu_limit = limit.map(crate::model::quantity::CpuMillis);
        made
    }
}
prop_compose! {
    fn any_pod()(name in "[a-b]", inits in prop::collection::vec(any_container(), 0..3), mains in prop::collection::vec(any_container(), 1..3),
        host_network in any::<bool>(), policy in 0..3u8, deadline in prop::option::of(1..100u64),
        volume in any_volume(), looks in prop::collection::vec(any_container(), 0..2), priority in prop::option::of(-2..2)) -> Pod {
        let mut made = pod(&name);
        let unique = |prefix: &str, mut list: Vec<Container>| {
            for (index, container) in list.iter_mut().enumerate() {
                container.name = format!("{prefix}{index}").parse().unwrap();
            }
            list
        };
        made.spec.init_containers = unique("i", inits);
        made.spec.containers = unique("m", mains);
        made.spec.volumes = vec![Volume { name: "v".parse().unwrap(), source: volume }];
        made.spec.ephemeral_containers = unique("e", looks);
        for look in &mut made.spec.ephemeral_containers {
            (look.resources, look.probes, look.restart_policy) = Default::default();
            look.mounts.iter_mut().for_each(|mount| mount.sub_path = None);
        }
        made.spec.priority.value = priority;
        made.spec.host_network = host_network;
        made.spec.restart_policy = [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never][usize::from(policy)];
        made.spec.active_deadline = deadline.map(Duration::from_secs);
        made
    }
}

fn any_volume() -> impl Strategy<Value = VolumeSource> {
    use crate::model::volume::{Downward, MountSpec};
    prop::sample::select(vec![
        VolumeSource::EmptyDir,
        VolumeSource::Memory { size: None },
        VolumeSource::HostPath {
            path: "/h: %".into(),
            kind: crate::model::volume::HostPathKind::Directory,
        },
        VolumeSource::DownwardApi(Downward {
            items: vec![],
            mode: None,
        }),
        VolumeSource::Mount(MountSpec {
            what: "a b%".into(),
            kind: "x".into(),
            options: vec!["o=%".into()],
        }),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_an_apply_planning_again_gives_nothing(first in prop::collection::vec(any_pod(), 0..3), second in prop::collection::vec(any_pod(), 0..3)) {
        let mut host = Host::default();
        settle(&desired(first), &mut host, 2);
        settle(&desired(second), &mut host, 2);
    }

    #[test]
    fn an_apply_cut_short_anywhere_is_finished_by_the_next(first in any_pod(), second in any_pod(), cut in 0..20usize, cut2 in 0..20usize) {
        let mut host = Host::default();
        let (first, second) = (desired([first]), desired([second]));
        for (want, cut) in [(&first, cut), (&second, cut2)] {
            let plan = plan_now(want, &host);
            for (key, pod) in &plan.pods {
                host.run_part(key, pod, cut);
            }
        }
        settle(&second, &mut host, 3);
        settle(&desired([]), &mut host, 3);
        prop_assert!(host.observed.pods.is_empty());
    }

    #[test]
    fn units_read_back_as_they_were_written(pod in any_pod()) {
        let want = desired([pod]);
        let plan = plan_now(&want, &Host::default());
        for step in plan.pods.values().flat_map(|pod| &pod.steps) {
            if let Step::WriteUnit { text, .. } = step {
                let file = crate::unit::read::read(text).unwrap();
                prop_assert_eq!(&file.to_string(), text);
            }
        }
    }
}
