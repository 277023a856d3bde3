//! CronJobs: each time has one Job.

use super::super::cron::{CronDecision, JobFact, calendar, decide};
use super::*;
use crate::model::controller::cron::{Bits, Concurrency, CronJobSpec, Schedule};
use crate::model::controller::record::JobEnd;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn bits(numbers: impl IntoIterator<Item = u32>) -> Bits {
    Bits(numbers.into_iter().fold(0, |all, n| all | 1 << n))
}

fn hourly() -> Schedule {
    Schedule {
        minutes: bits([0]),
        hours: bits(0..24),
        days: bits(1..32),
        months: bits(1..13),
        weekdays: bits(0..7),
        either_day: false,
    }
}

fn spec(concurrency: Concurrency) -> CronJobSpec {
    CronJobSpec {
        schedule: hourly(),
        time_zone: None,
        starting_deadline: None,
        concurrency,
        suspend: false,
        keep_successful: 3,
        keep_failed: 1,
        job: r#"{"metadata":{"labels":{"a":"b"}},"spec":{"template":{}}}"#.into(),
    }
}

struct Clockwork {
    world: World,
    jobs: Vec<JobFact>,
    made: Vec<String>,
}

const HOUR: u64 = 3_600_000_000;

impl Clockwork {
    fn new(spec: CronJobSpec) -> Self {
        let mut world = World::new(ControllerKind::CronJob, ControllerSpec::CronJob(spec));
        world.now.wall = world.now.wall / HOUR * HOUR + HOUR / 2;
        world.record.created = world.now.clone();
        Self {
            world,
            jobs: Vec::new(),
            made: Vec::new(),
        }
    }

    fn decide(&self) -> CronDecision {
        let room = Room {
            controller: &self.world.controller,
            record: &self.world.record,
            pods: &[],
            taken: &|_| false,
            now: &self.world.now,
        };
        let ControllerSpec::CronJob(spec) = &self.world.controller.spec else {
            panic!("no cron job")
        };
        decide(&room, spec, &TimeZone::UTC, &self.jobs)
    }

    /// Decides; `written`: the record too, and not only the manifests.
    fn turn(&mut self, written: bool) -> CronDecision {
        let decision = self.decide();
        self.jobs.retain(|job| !decision.delete.contains(&job.key));
        if let Some((key, manifest)) = &decision.create {
            let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
            let scheduled = &manifest["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
            assert!(self.jobs.iter().all(|job| job.key != *key), "{key} twice");
            self.made.push(key.name.to_string());
            self.jobs.push(JobFact {
                key: key.clone(),
                scheduled: Timestamp::parse(scheduled.as_str().unwrap()),
                end: None,
            });
        }
        if written {
            let text = serde_json::to_string(&decision.record).unwrap();
            self.world.record = serde_json::from_str(&text).unwrap();
        }
        decision
    }

    fn end_all(&mut self, complete: bool) {
        for job in self.jobs.iter_mut().filter(|job| job.end.is_none()) {
            job.end = Some(JobEnd {
                complete,
                at: self.world.now.clone(),
                reason: "".into(),
                message: "".into(),
            });
        }
    }
}

proptest! {
    #[test]
    fn no_time_has_two_jobs(
        events in proptest::collection::vec((0..6_u8, 1..20_000_i64), 0..60),
    ) {
        let mut clock = Clockwork::new(spec(Concurrency::Allow));
        let mut highest = clock.world.now.wall;
        for (event, seconds) in events {
            match event {
                0 | 1 => drop(clock.turn(true)),
                2 => drop(clock.turn(false)),
                3 => clock.end_all(true),
                // Set back, all in all by less than the bound.
                4 => {
                    highest = highest.max(clock.world.now.wall);
                    let back = u64::try_from(seconds % 10_000).unwrap() * 1_000_000;
                    let lowest = highest - 9_999_000_000;
                    clock.world.now.wall = (clock.world.now.wall - back).max(lowest);
                }
                _ => clock.world.pass(u64::try_from(seconds).unwrap()),
            }
        }
        let distinct: BTreeSet<&String> = clock.made.iter().collect();
        prop_assert_eq!(distinct.len(), clock.made.len());
    }
}

#[test]
fn of_what_was_missed_the_last_is_made_up_for() {
    let mut clock = Clockwork::new(spec(Concurrency::Allow));
    assert_eq!(clock.turn(true).create, None, "nothing is due yet");
    clock.world.pass(5 * 3600);
    clock.turn(true);
    assert_eq!(clock.made.len(), 1);
    assert_eq!(clock.turn(true).create, None);
    clock.world.pass(3600);
    clock.turn(true);
    assert_eq!(clock.made.len(), 2);
    let minute = |name: &str| name.strip_prefix("c-").unwrap().parse::<u64>().unwrap();
    assert_eq!(minute(&clock.made[1]), minute(&clock.made[0]) + 60);
}

#[test]
fn too_late_is_too_late() {
    let limited = CronJobSpec {
        starting_deadline: Some(Duration::from_secs(600)),
        ..spec(Concurrency::Allow)
    };
    let mut clock = Clockwork::new(limited);
    clock.world.pass(1800 + 700);
    let decision = clock.turn(true);
    assert!(decision.note.unwrap().contains("too late"));
    clock.world.pass(3600 - 200);
    clock.turn(true);
    assert_eq!(clock.made.len(), 1);
}

#[test]
fn a_clock_that_was_wrong_does_not_hold_up_the_future() {
    let mut clock = Clockwork::new(spec(Concurrency::Allow));
    clock.world.now.wall += 4_000 * DAY;
    clock.turn(true);
    clock.world.now.wall -= 4_000 * DAY;
    let decision = clock.turn(true);
    assert!(decision.note.unwrap().contains("set back"));
    clock.world.pass(3600);
    clock.turn(true);
    assert_eq!(clock.made.len(), 2);
}

#[test]
fn runs_wait_for_each_other_or_take_the_place() {
    let mut clock = Clockwork::new(spec(Concurrency::Forbid));
    clock.world.pass(1800);
    clock.turn(true);
    clock.world.pass(3600);
    clock.turn(true);
    assert_eq!(clock.made.len(), 1, "the first has not ended");
    clock.end_all(true);
    clock.turn(true);
    assert_eq!(clock.made.len(), 2, "it is still due");
    clock.world.controller.spec = ControllerSpec::CronJob(spec(Concurrency::Replace));
    clock.world.pass(3600);
    clock.turn(true);
    let active: Vec<_> = clock.jobs.iter().filter(|job| job.end.is_none()).collect();
    assert_eq!(active.len(), 1);
    assert_eq!(active[0].key.name.as_str(), clock.made[2]);
}

#[test]
fn ended_jobs_are_kept_up_to_a_number() {
    let mut clock = Clockwork::new(spec(Concurrency::Allow));
    for round in 0..6 {
        clock.world.pass(3600);
        clock.turn(true);
        clock.end_all(round % 2 == 0);
    }
    clock.turn(true);
    let good = clock
        .jobs
        .iter()
        .filter(|job| job.end.as_ref().unwrap().complete);
    assert_eq!((good.count(), clock.jobs.len()), (3, 4));
}

#[test]
fn a_schedule_in_systemds_words() {
    assert_eq!(calendar(&hourly(), None), ["*-*-* *:00:00"]);
    let both = Schedule {
        minutes: bits([5, 35]),
        hours: bits([4]),
        days: bits([1, 15]),
        months: bits([1, 2]),
        weekdays: bits([1, 5]),
        either_day: true,
    };
    let zone = Some("Europe/Berlin");
    assert_eq!(
        calendar(&both, zone),
        [
            "*-01,02-01,15 04:05,35:00 Europe/Berlin",
            "Mon,Fri *-01,02-* 04:05,35:00 Europe/Berlin"
        ]
    );
}
