//! Rollouts: never fewer pods that serve than promised, and always an end.

use super::*;
use crate::model::claim::{AccessMode, Reclaim, VolumeClaim, VolumeMode};
use crate::model::controller::{
    ClaimTemplate, DaemonSetSpec, DeploymentSpec, Share, StatefulSetSpec, Strategy as How,
};
use proptest::prelude::*;

fn deployment(replicas: u32, strategy: How) -> DeploymentSpec {
    DeploymentSpec {
        replicas,
        template: template("a"),
        strategy,
        min_ready: Duration::ZERO,
        paused: false,
        progress_deadline: Duration::from_secs(600),
        history: 10,
    }
}

fn change(world: &mut World, hash: &str) {
    match &mut world.controller.spec {
        ControllerSpec::Deployment(spec) => spec.template = template(hash),
        ControllerSpec::StatefulSet(spec) => spec.template = template(hash),
        _ => panic!("no template"),
    }
}

fn serving(world: &World) -> usize {
    world.live().filter(|pod| pod.is_ready()).count()
}

fn settle(world: &mut World) {
    for _ in 0..200 {
        world.turn();
        world.finish_leaving();
        world.ready(0);
    }
}

#[derive(Debug, Clone)]
enum Event {
    Turn,
    Ready(usize),
    Gone,
    KillAgent,
    Lost,
    Change(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Turn),
        3 => (0..5_usize).prop_map(Event::Ready),
        2 => Just(Event::Gone),
        1 => Just(Event::KillAgent),
        1 => Just(Event::Lost),
        1 => (0..3_u8).prop_map(Event::Change),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Turn => world.turn(),
        Event::Ready(pod) => world.ready(*pod),
        Event::Gone => world.finish_leaving(),
        Event::KillAgent => world.kill_agent(),
        Event::Lost => drop(world.decide()),
        Event::Change(which) => change(world, ["a", "b", "c"][usize::from(*which)]),
    }
}

/// A node has one pod of a DaemonSet, also while the one before is on its way out.
#[test]
fn a_daemon_set_waits_for_the_end_of_what_was_deleted() {
    for strategy in [
        How::OnDelete,
        How::Rolling {
            max_surge: Share::Count(0),
            max_unavailable: Share::Count(1),
        },
    ] {
        let spec = DaemonSetSpec {
            template: template("a"),
            strategy,
            min_ready: Duration::ZERO,
            history: 10,
        };
        let mut world = World::new(ControllerKind::DaemonSet, ControllerSpec::DaemonSet(spec));
        world.turn();
        world.turn();
        assert_eq!(world.pods.len(), 1);
        (world.pods[0].deleted, world.pods[0].leaving) = (true, true);
        world.turn();
        assert_eq!(world.pods.len(), 1, "{strategy:?}");
        world.finish_leaving();
        world.turn();
        assert_eq!(world.live().count(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_deployment_keeps_its_bounds(
        events in proptest::collection::vec(event(), 0..80),
        replicas in 1..6_u32,
        surge in 0..3_u32,
        unavailable in 0..3_u32,
    ) {
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
        let strategy = How::Rolling {
            max_surge: Share::Count(surge),
            max_unavailable: Share::Count(unavailable),
        };
        let mut world = World::new(ControllerKind::Deployment, ControllerSpec::Deployment(deployment(replicas, strategy)));
        settle(&mut world);
        let least = usize::try_from(replicas.saturating_sub(unavailable)).unwrap();
        let most = usize::try_from(replicas + surge).unwrap();
        prop_assert_eq!(serving(&world), usize::try_from(replicas).unwrap());
        for event in &events {
            // An agent that forgets which pods are on their way counts them until they are seen to be down.
            if !matches!(event, Event::KillAgent) {
                happen(&mut world, event);
            }
            prop_assert!(serving(&world) >= least, "{} serve", serving(&world));
            prop_assert!(world.live().count() <= most, "{} at a time", world.live().count());
        }
        change(&mut world, "z");
        settle(&mut world);
        prop_assert!(world.live().all(|pod| &*pod.revision == "z"));
        prop_assert_eq!(serving(&world), usize::try_from(replicas).unwrap());
        prop_assert!(world.record.progress.as_ref().unwrap().done);
    }

    #[test]
    fn a_stateful_set_keeps_its_bounds(
        events in proptest::collection::vec(event(), 0..80),
        replicas in 1..6_u32,
        partition in 0..3_u32,
        parallel: bool,
    ) {
        let spec = StatefulSetSpec {
            replicas,
            first: 0,
            template: template("a"),
            parallel,
            partition: Some(partition),
            max_unavailable: Share::Count(1),
            min_ready: Duration::ZERO,
            history: 10,
            claims: Vec::new(),
        };
        let mut world = World::new(ControllerKind::StatefulSet, ControllerSpec::StatefulSet(spec));
        settle(&mut world);
        let all = usize::try_from(replicas).unwrap();
        prop_assert_eq!(serving(&world), all);
        for event in &events {
            if !matches!(event, Event::KillAgent) {
                happen(&mut world, event);
            }
            prop_assert!(serving(&world) + 1 >= all, "{} serve", serving(&world));
        }
        change(&mut world, "z");
        settle(&mut world);
        prop_assert_eq!(serving(&world), all);
        for pod in world.live() {
            prop_assert_eq!(&*pod.revision == "z", pod.instance >= partition, "{}", pod.key);
        }
    }
}

#[test]
fn recreate_waits_until_the_old_are_gone() {
    let spec = deployment(2, How::Recreate);
    let mut world = World::new(ControllerKind::Deployment, ControllerSpec::Deployment(spec));
    settle(&mut world);
    change(&mut world, "b");
    world.turn();
    assert_eq!(world.live().count(), 0);
    world.turn();
    assert_eq!(
        world.live().count(),
        0,
        "the old ones are still on their way"
    );
    world.finish_leaving();
    world.turn();
    assert_eq!(world.names(), ["c-b-0", "c-b-1"]);
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let spec = DeploymentSpec {
        paused: true,
        ..deployment(2, How::Recreate)
    };
    let mut world = World::new(
        ControllerKind::Deployment,
        ControllerSpec::Deployment(spec.clone()),
    );
    settle(&mut world);
    let scaled = DeploymentSpec {
        replicas: 3,
        template: template("b"),
        ..spec
    };
    world.controller.spec = ControllerSpec::Deployment(scaled.clone());
    settle(&mut world);
    assert_eq!(world.names(), ["c-a-0", "c-a-1", "c-a-2"]);
    let paused = false;
    world.controller.spec = ControllerSpec::Deployment(DeploymentSpec { paused, ..scaled });
    settle(&mut world);
    assert_eq!(world.names(), ["c-b-0", "c-b-1", "c-b-2"]);
}

#[test]
fn a_rollout_without_progress_is_said_to_be_stuck() {
    let quarter = Share::Percent(25);
    let strategy = How::Rolling {
        max_surge: quarter,
        max_unavailable: quarter,
    };
    let spec = deployment(2, strategy);
    let mut world = World::new(ControllerKind::Deployment, ControllerSpec::Deployment(spec));
    settle(&mut world);
    world.pass(10_000);
    world.turn();
    assert_eq!(world.last.as_ref().unwrap().status.stuck, None);
    change(&mut world, "b");
    world.turn();
    world.turn();
    assert_eq!(world.live().count(), 3);
    world.now.wall += 10 * DAY;
    world.pass(599);
    world.turn();
    assert_eq!(world.last.as_ref().unwrap().status.stuck, None);
    world.pass(1);
    world.turn();
    let (reason, _) = world.last.clone().unwrap().status.stuck.unwrap();
    assert_eq!(reason, "ProgressDeadlineExceeded");
    // Undo: the old template has its pods still, and gets a new number.
    change(&mut world, "a");
    settle(&mut world);
    assert_eq!(world.names(), ["c-a-0", "c-a-1"]);
    let numbers: Vec<u64> = world.record.revisions.iter().map(|r| r.number).collect();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn one_pod_after_the_other_and_back() {
    let spec = StatefulSetSpec {
        replicas: 3,
        first: 5,
        template: template("a"),
        parallel: false,
        partition: Some(0),
        max_unavailable: Share::Count(1),
        min_ready: Duration::from_secs(5),
        history: 10,
        claims: vec![ClaimTemplate {
            name: "data".to_owned(),
            claim: VolumeClaim {
                access_modes: vec![AccessMode::Once],
                request: None,
                volume_name: None,
                mode: VolumeMode::Filesystem,
                reclaim: Reclaim::Retain,
                source: None,
            },
        }],
    };
    let mut world = World::new(
        ControllerKind::StatefulSet,
        ControllerSpec::StatefulSet(spec.clone()),
    );
    world.turn();
    assert_eq!(world.names(), ["c-5"]);
    let claims = &world.last.as_ref().unwrap().create[0].claims;
    assert_eq!(claims["data"], "data-c-5");
    world.ready(0);
    world.turn();
    assert_eq!(world.names(), ["c-5"], "ready, and not long enough");
    assert_eq!(
        world.last.as_ref().unwrap().wake,
        Some(Duration::from_secs(5))
    );
    world.pass(5);
    world.turn();
    assert_eq!(world.names(), ["c-5", "c-6"]);
    world.ready(0);
    world.pass(5);
    world.turn();
    world.ready(0);
    world.pass(5);
    let fewer = StatefulSetSpec {
        replicas: 1,
        ..spec
    };
    world.controller.spec = ControllerSpec::StatefulSet(fewer);
    world.turn();
    assert_eq!(world.names(), ["c-5", "c-6"], "the highest goes first");
    world.turn();
    assert_eq!(world.names(), ["c-5", "c-6"], "the next waits for its end");
    world.finish_leaving();
    world.turn();
    assert_eq!(world.names(), ["c-5"]);
}
