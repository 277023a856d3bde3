//! What systemd's states of a service mean for a container.

use crate::model::observed::{ActiveState, UnitState};
use crate::model::pod::ContainerRole;

/// What the unit of a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing: not started, or ended and left so.
    Down,
    /// On its way, before the program runs.
    Starting,
    /// The program runs.
    Running {
        /// The postStart hook and the startup probe have succeeded.
        started: bool,
    },
    /// The program has ended; the unit is still active (an init container) or is being cleaned up.
    Ended,
    /// Ended, and waiting for its automatic restart.
    BackOff,
}

impl Stage {
    pub(super) fn of(state: &UnitState, role: ContainerRole) -> Self {
        let run = state.run.as_ref();
        let alive = run.is_some_and(|run| run.main_pid != 0);
        match (state.active, &*state.sub) {
            (ActiveState::Inactive | ActiveState::Failed, _) => Self::Down,
            (ActiveState::Activating, sub) if sub.contains("auto-restart") => Self::BackOff,
            // Of a oneshot service, these come when the program has ended.
            (ActiveState::Active, "exited") => Self::Ended,
            (ActiveState::Activating, "start-post") if !alive => Self::Ended,
            (ActiveState::Activating, "start-post") => Self::Running { started: false },
            // A oneshot service is starting for as long as its program runs.
            (ActiveState::Activating, "start") if role == ContainerRole::Init && alive => {
                Self::Running { started: true }
            }
            (ActiveState::Activating, _) => Self::Starting,
            (ActiveState::Deactivating, _) if !alive => Self::Ended,
            // A stop that was asked for has a good result so far; a hook or startup probe that failed has not.
            (ActiveState::Deactivating, _) => Self::Running {
                started: run.is_none_or(|run| &*run.result == "success"),
            },
            (
                ActiveState::Active
                | ActiveState::Reloading
                | ActiveState::Refreshing
                | ActiveState::Maintenance,
                _,
            ) => Self::Running { started: true },
        }
    }

    /// Whether the program is gone.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Down | Self::Ended | Self::BackOff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::CurrentRun;
    use ActiveState::*;
    use ContainerRole::{Init, Main};

    #[test]
    fn states_of_systemd_have_one_meaning_each() {
        let running = |started| Stage::Running { started };
        let cases = [
            (Inactive, "dead", false, Main, Stage::Down),
            (Failed, "failed", false, Main, Stage::Down),
            (Activating, "start", true, Main, Stage::Starting),
            (Activating, "start", true, Init, running(true)),
            (Activating, "start", false, Init, Stage::Starting),
            (Activating, "start-pre", false, Main, Stage::Starting),
            (Activating, "start-post", true, Main, running(false)),
            (Activating, "start-post", false, Init, Stage::Ended),
            (Activating, "auto-restart", false, Main, Stage::BackOff),
            (
                Activating,
                "auto-restart-queued",
                false,
                Main,
                Stage::BackOff,
            ),
            (
                Activating,
                "failed-before-auto-restart",
                false,
                Main,
                Stage::BackOff,
            ),
            (Active, "running", true, Main, running(true)),
            (Active, "exited", false, Init, Stage::Ended),
            (Reloading, "reload", true, Main, running(true)),
            (Deactivating, "stop-sigterm", true, Main, running(true)),
            (Deactivating, "stop-post", false, Main, Stage::Ended),
        ];
        for (active, sub, alive, role, expected) in cases {
            let state = UnitState {
                loaded: true,
                active,
                sub: sub.into(),
                job: false,
                run: Some(CurrentRun {
                    main_pid: u32::from(alive),
                    result: "success".into(),
                    ..CurrentRun::default()
                }),
            };
            assert_eq!(Stage::of(&state, role), expected, "{active:?} {sub}");
        }
    }

    #[test]
    fn a_container_that_is_stopped_by_its_startup_probe_has_not_started() {
        let state = UnitState {
            active: Deactivating,
            sub: "stop-sigterm".into(),
            run: Some(CurrentRun {
                main_pid: 1,
                result: "exit-code".into(),
                ..CurrentRun::default()
            }),
            ..UnitState::default()
        };
        assert_eq!(Stage::of(&state, Main), Stage::Running { started: false });
    }
}
