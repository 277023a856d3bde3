//! Rules of Jobs, case by case.

use super::*;
use crate::model::controller::job::{FailureAction, FailureCondition, FailureRule, SuccessRule};

fn end(world: &World) -> Option<String> {
    let end = world.record.job.as_ref()?.end.as_ref()?;
    Some(end.reason.to_string())
}

fn codes(action: FailureAction, codes: &[i32]) -> FailureRule {
    FailureRule {
        action,
        when: FailureCondition::ExitCodes {
            container: None,
            codes: codes.iter().copied().collect(),
            among: true,
        },
    }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let spec = JobSpec {
        backoff_limit: 0,
        replace_only_failed: true,
        failure_rules: vec![
            codes(FailureAction::Ignore, &[3]),
            FailureRule {
                action: FailureAction::Ignore,
                when: FailureCondition::Disrupted,
            },
            codes(FailureAction::FailJob, &[42]),
        ],
        ..job(1, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    for _ in 0..3 {
        world.turn();
        world.end(0, 3);
    }
    world.turn();
    world.reboot();
    world.turn();
    assert_eq!(end(&world), None, "ignored, however often");
    assert_eq!(world.live().count(), 1);
    world.end(0, 42);
    world.turn();
    assert_eq!(end(&world).as_deref(), Some("PodFailurePolicy"));
    let message = world.record.job.unwrap().end.unwrap().message;
    assert_eq!(
        &*message,
        "Container main failed with exit code 42 for pod n/c-4 matching FailJob rule at index 2"
    );
}

#[test]
fn failures_are_counted_by_index() {
    let spec = JobSpec {
        indexed: true,
        backoff_limit: u32::MAX,
        backoff_limit_per_index: Some(1),
        failure_rules: vec![codes(FailureAction::FailIndex, &[9])],
        ..job(3, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    let mut ends = [1, 1, 9, 0, 1].into_iter();
    while end(&world).is_none() {
        world.turn();
        if world.live().count() > 0 {
            world.end(0, ends.next().unwrap());
        } else {
            world.pass(600);
        }
    }
    let job = world.record.job.clone().unwrap();
    // While index 0 waits for its second try, the others have their turn.
    assert_eq!(job.failed, 4);
    assert_eq!(job.failed_indexes.len(), 2);
    assert_eq!(job.completed.len(), 1);
    assert_eq!(end(&world).as_deref(), Some("FailedIndexes"));
}

#[test]
fn some_indexes_are_enough() {
    let spec = JobSpec {
        indexed: true,
        success_rules: vec![SuccessRule {
            indexes: Some([0, 2].into()),
            count: Some(1),
        }],
        ..job(3, 3)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    world.turn();
    assert_eq!(world.names(), ["c-0-0", "c-1-1", "c-2-2"]);
    world.end(1, 0);
    world.turn();
    assert_eq!(end(&world), None);
    world.end(1, 0);
    world.turn();
    assert_eq!(end(&world).as_deref(), Some("SuccessPolicy"));
    assert_eq!(world.live().count(), 0);
    assert_eq!(world.last.unwrap().status.job.completed_indexes, "1-2");
}

/// It may never come to an end, so it counts as failed at once; what comes of it later counts no more.
#[test]
fn a_pod_deleted_by_hand_has_failed() {
    for replace_only_failed in [false, true] {
        let spec = JobSpec {
            replace_only_failed,
            ..job(1, 1)
        };
        let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
        world.turn();
        (world.pods[0].deleted, world.pods[0].leaving) = (true, true);
        world.turn();
        assert_eq!(world.record.job.as_ref().unwrap().failed, 1);
        world.pass(10);
        world.turn();
        let beside = usize::from(!replace_only_failed);
        assert_eq!(world.live().count(), beside, "{replace_only_failed}");
        world.finish_leaving();
        world.turn();
        assert_eq!(world.live().count(), 1);
        assert_eq!(world.record.job.as_ref().unwrap().failed, 1);
    }
}

#[test]
fn a_work_queue_ends_when_all_have_ended() {
    let spec = JobSpec {
        completions: None,
        ..job(1, 3)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    world.turn();
    assert_eq!(world.live().count(), 3);
    world.end(0, 0);
    world.turn();
    assert_eq!(
        (world.live().count(), end(&world)),
        (2, None),
        "none follows"
    );
    world.end(0, 1);
    world.end(0, 0);
    world.turn();
    assert_eq!(end(&world).as_deref(), Some("CompletionsReached"));
}

#[test]
fn a_suspended_job_has_no_pods_and_goes_on_later() {
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(job(3, 2)));
    world.turn();
    world.end(0, 0);
    world.turn();
    let suspend = true;
    world.controller.spec = ControllerSpec::Job(JobSpec {
        suspend,
        ..job(3, 2)
    });
    world.turn();
    assert_eq!(world.live().count(), 0);
    world.finish_leaving();
    world.controller.spec = ControllerSpec::Job(job(3, 2));
    world.turn();
    assert_eq!(world.live().count(), 2);
    assert_eq!(world.record.job.unwrap().succeeded, 1);
}

#[test]
fn restarts_by_systemd_count_as_failures() {
    let spec = JobSpec {
        restarts: true,
        backoff_limit: 2,
        ..job(1, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    world.turn();
    world.pods[0].restarts = 1;
    world.turn();
    assert_eq!(end(&world), None);
    world.pods[0].restarts = 2;
    world.turn();
    assert_eq!(end(&world).as_deref(), Some("BackoffLimitExceeded"));
}

#[test]
fn a_job_outlives_its_end_by_its_time_to_live() {
    let spec = JobSpec {
        ttl: Some(Duration::from_secs(60)),
        ..job(1, 1)
    };
    let mut world = World::new(ControllerKind::Job, ControllerSpec::Job(spec));
    world.turn();
    world.end(0, 0);
    world.turn();
    assert_eq!(
        world.last.as_ref().unwrap().wake,
        Some(Duration::from_secs(60))
    );
    world.now.wall += 100 * DAY;
    world.turn();
    assert!(
        !world.last.as_ref().unwrap().expired,
        "the calendar does not count"
    );
    world.pass(60);
    world.turn();
    assert!(world.last.as_ref().unwrap().expired);
    world.finish_leaving();
    assert_eq!(world.pods.len(), 0);
    world.turn();
    assert_eq!(world.live().count(), 0, "it is not begun anew");
}
