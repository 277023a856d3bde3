//! Jobs: each end is counted once, whatever happens meanwhile.

use super::*;
use crate::model::controller::record::JobRecord;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Event {
    Turn,
    /// A decision is written down and not acted on.
    WriteOnly,
    /// A decision is lost altogether.
    Lost,
    End {
        pod: usize,
        exit: i32,
    },
    KillAgent,
    Reboot,
    Gone,
    Pass(u64),
    /// The calendar is set, by so many days.
    Clock(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Turn),
        1 => Just(Event::WriteOnly),
        1 => Just(Event::Lost),
        3 => (0..4_usize, prop_oneof![3 => Just(0), 1 => Just(1)]).prop_map(|(pod, exit)| Event::End { pod, exit }),
        1 => Just(Event::KillAgent),
        1 => Just(Event::Reboot),
        1 => Just(Event::Gone),
        2 => (1..700_u64).prop_map(Event::Pass),
        1 => (-20_000..20_000_i64).prop_map(Event::Clock),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Turn => world.turn(),
        Event::WriteOnly => {
            let decision = world.decide();
            world.write(&decision);
            world.kill_agent();
        }
        Event::Lost => drop(world.decide()),
        Event::End { pod, exit } => world.end(*pod, *exit),
        Event::KillAgent => world.kill_agent(),
        Event::Reboot => world.reboot(),
        Event::Gone => world.finish_leaving(),
        Event::Pass(seconds) => world.pass(*seconds),
        Event::Clock(days) => {
            let wall = i64::try_from(world.now.wall).unwrap() + days * i64::try_from(DAY).unwrap();
            world.now.wall = u64::try_from(wall.max(1)).unwrap();
        }
    }
}

fn record(world: &World) -> JobRecord {
    world.record.job.clone().unwrap_or_default()
}

/// Lets everything that runs end well until the Job is over.
fn run_out(world: &mut World) {
    for _ in 0..400 {
        world.turn();
        if record(world).end.is_some() {
            return;
        }
        world.finish_leaving();
        world.end(0, 0);
        world.pass(601);
    }
    panic!("the job never ends: {:?}", world.record);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn completions_are_counted_once(
        events in proptest::collection::vec(event(), 0..60),
        completions in 1..6_u32,
        parallelism in 1..4_u32,
    ) {
        let spec = JobSpec { backoff_limit: u32::MAX, ..job(completions, parallelism) };
        let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
        for event in &events {
            happen(&mut world, event);
            let live = u32::try_from(world.live().count()).unwrap();
            prop_assert!(live <= parallelism, "{live} at a time");
        }
        run_out(&mut world);
        let record = record(&world);
        prop_assert_eq!(record.succeeded, completions);
        prop_assert_eq!(world.good.len(), usize::try_from(completions).unwrap(), "one success for each completion");
        prop_assert_eq!(usize::try_from(record.failed).unwrap(), world.bad.len(), "each failure once");
        let end = record.end.unwrap();
        prop_assert!(end.complete);
        // It stays so.
        let before = world.record.clone();
        for event in &events {
            happen(&mut world, event);
        }
        let after = self::record(&world);
        let before = before.job.unwrap();
        prop_assert_eq!((after.succeeded, after.failed, after.end), (before.succeeded, before.failed, before.end));
        prop_assert_eq!(world.live().count(), 0);
    }

    #[test]
    fn each_index_ends_well_once(
        events in proptest::collection::vec(event(), 0..60),
        completions in 1..6_u32,
        parallelism in 1..4_u32,
    ) {
        let spec = JobSpec { indexed: true, backoff_limit: u32::MAX, ..job(completions, parallelism) };
        let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
        for event in &events {
            happen(&mut world, event);
            let indexes: Vec<u32> = world.live().filter_map(|pod| pod.index).collect();
            let distinct: BTreeSet<u32> = indexes.iter().copied().collect();
            prop_assert_eq!(indexes.len(), distinct.len(), "an index twice");
        }
        run_out(&mut world);
        let record = record(&world);
        prop_assert_eq!(record.completed, (0..completions).collect::<BTreeSet<u32>>());
        prop_assert_eq!(world.good.len(), usize::try_from(completions).unwrap());
    }

    #[test]
    fn a_decision_that_was_acted_on_is_the_last(
        events in proptest::collection::vec(event(), 0..40),
    ) {
        let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(job(4, 2)));
        for event in &events {
            happen(&mut world, event);
        }
        world.turn();
        world.finish_leaving();
        world.turn();
        let again = world.decide();
        prop_assert_eq!(again.create, Vec::new());
        prop_assert_eq!(again.record, world.record.clone());
    }
}

#[test]
fn a_deadline_does_not_care_for_the_calendar() {
    let spec = JobSpec {
        active_deadline: Some(Duration::from_secs(100)),
        ..job(1, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    world.turn();
    world.now.wall += 400 * DAY;
    world.turn();
    assert_eq!(record(&world).end, None, "the clock was set forward");
    world.now.wall -= 800 * DAY;
    world.pass(99);
    world.turn();
    assert_eq!(record(&world).end, None);
    // Asleep or awake: time passes.
    world.pass(1);
    world.turn();
    assert_eq!(&*record(&world).end.unwrap().reason, "DeadlineExceeded");
    assert_eq!(world.live().count(), 0);
}

#[test]
fn failures_delay_the_next_pod_and_end_the_job() {
    let spec = JobSpec {
        backoff_limit: 2,
        ..job(1, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    let mut waits = Vec::new();
    for _ in 0..3 {
        world.turn();
        assert_eq!(world.live().count(), 1);
        world.end(0, 1);
        world.turn();
        let wake = world.last.as_ref().unwrap().wake;
        waits.extend(wake);
        world.pass(wake.map_or(0, |wake| wake.as_secs()));
    }
    assert_eq!(waits, [Duration::from_secs(10), Duration::from_secs(20)]);
    assert_eq!(&*record(&world).end.unwrap().reason, "BackoffLimitExceeded");
    assert_eq!(world.pods.len(), 3, "failed pods are kept to be looked at");
}
