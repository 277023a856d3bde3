//! What holds for every pod, whatever the host says.

use super::*;
use crate::model::observed::{ActiveState, CurrentRun, RunRecord};
use crate::model::pod::RestartPolicy;
use crate::model::status::ContainerState;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["one", "proxy", "web", "log"];

fn unit_state() -> impl Strategy<Value = (ActiveState, &'static str, bool)> {
    use ActiveState::*;
    let states = [
        (Inactive, "dead", false),
        (Failed, "failed", false),
        (Activating, "start", true),
        (Activating, "start", false),
        (Activating, "start-post", true),
        (Activating, "start-post", false),
        (Activating, "auto-restart", false),
        (Active, "running", true),
        (Active, "exited", false),
        (Deactivating, "stop-sigterm", true),
        (Deactivating, "stop-post", false),
    ];
    proptest::sample::select(states.to_vec())
}

#[derive(Debug, Clone)]
struct Life {
    state: (ActiveState, &'static str, bool),
    /// Exit codes of finished runs, and whether each was asked for.
    ends: Vec<(i32, bool)>,
    job: bool,
}

fn life() -> impl Strategy<Value = Life> {
    let ends = prop::collection::vec(
        (prop::sample::select(vec![0, 1, 137, 203]), any::<bool>()),
        0..3,
    );
    (unit_state(), ends, any::<bool>()).prop_map(|(state, ends, job)| Life { state, ends, job })
}

fn host(policy: RestartPolicy, lives: &[Life], target: bool, deadline: bool) -> Host {
    let init = vec![container("one"), sidecar("proxy")];
    let mut host = Host::new(pod(policy, init, vec![container("web"), container("log")]));
    for (name, life) in NAMES.iter().zip(lives) {
        let (active, sub, alive_now) = life.state;
        let mut run = CurrentRun {
            main_pid: u32::from(alive_now),
            ..alive(name)
        };
        if !alive_now {
            run.finished = Some(time(110));
            run.exit_code_kind = 1;
        }
        host = host.state(name, active, sub, run);
        for (number, (code, stopped)) in life.ends.iter().enumerate() {
            let invocation = invocation(name, number);
            let record = RunRecord {
                invocation,
                stopped: *stopped,
                ..record(name, *code)
            };
            host = host.record(name, record);
        }
    }
    for (unit, state) in host.observed.units.iter_mut() {
        let index = NAMES
            .iter()
            .position(|name| unit.as_str() == format!("vks.{name}.service"));
        state.state.job = index.is_some_and(|index| lives[index].job);
        if index.is_none() && !target {
            state.state.active = ActiveState::Inactive;
        }
    }
    host.observed.deadline_exceeded = deadline;
    host
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_status_makes_sense(
        policy in prop::sample::select(vec![RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never]),
        lives in prop::collection::vec(life(), 4),
        target in any::<bool>(),
        deadline in prop::bool::weighted(0.1),
    ) {
        let host = host(policy, &lives, target, deadline);
        let status = host.status();
        let all = || status.init_container_statuses.iter().chain(&status.container_statuses);
        let running = all().any(|c| matches!(c.state, ContainerState::Running(_)));
        let over = matches!(status.phase, Phase::Succeeded | Phase::Failed);
        prop_assert!(!(over && running), "over, and something runs");
        if status.phase == Phase::Succeeded {
            let good = |c: &ContainerStatus| matches!(&c.state, ContainerState::Terminated(end) if end.exit_code == 0);
            prop_assert!(status.container_statuses.iter().all(good));
        }
        if policy == RestartPolicy::Always && !deadline {
            prop_assert!(!over, "it would run again");
        }
        for c in all() {
            prop_assert!(!c.state.is_empty());
            let terminated_well = matches!(&c.state, ContainerState::Terminated(end) if end.exit_code == 0);
            prop_assert!(!c.ready || c.started == Some(true) || terminated_well, "{c:?}");
            let records = host.observed.runs.get(&c.name).map_or(0, |runs| runs.count);
            prop_assert!(c.restart_count <= records && c.restart_count + 1 >= records, "{c:?}");
            prop_assert!(c.started != Some(true) || matches!(c.state, ContainerState::Running(_)));
        }
        prop_assert_eq!(status.conditions.len(), 5);
        let ready = status.conditions[2].status;
        prop_assert_eq!(ready, status.conditions[3].status, "Ready is ContainersReady");
        prop_assert!(!ready || status.container_statuses.iter().all(|c| c.ready));
        prop_assert!(status.conditions.iter().all(|c| c.last_transition_time.is_some()));
        for terminating in [false, true] {
            let printed = printer::printed(&status, |name| name.as_str() == "proxy", terminating);
            prop_assert!(printed.ready <= printed.total && printed.total == 3);
            prop_assert!(!printed.status.is_empty());
            prop_assert!(terminating || printed.status != "Running" || running);
        }
    }
}
