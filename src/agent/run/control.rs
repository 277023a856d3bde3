//! The part of the loop that is for controllers.

use super::{Agent, Timed};
use crate::agent::AgentError;
use crate::agent::controllers::timers;
use crate::apply::Wave;
use crate::source::Directories;
use crate::unit::names::PodUnits;

impl Agent {
    /// Asks the controllers what they want now, on a thread that may block, and sees to timers.
    pub(super) async fn control(&mut self) -> Result<(), AgentError> {
        let next = self.parts.controllers.wake();
        if self.parts.controllers.is_idle() {
            return self.set_alarm(next);
        }
        let parts = &mut self.parts;
        let mut controllers = std::mem::take(&mut parts.controllers);
        let mut sources = std::mem::replace(&mut parts.sources, Directories::new(Vec::new()));
        let observed = std::mem::take(&mut parts.state.observed);
        let settings = parts.state.settings.clone();
        let work = tokio::task::spawn_blocking(move || {
            let outcome = controllers.work(&mut sources, &observed, &settings, false);
            let timers = timers(&controllers, outcome.timers, &sources, &observed, &settings);
            (controllers, sources, observed, outcome.pods, timers)
        });
        let (controllers, sources, observed, pods, timers) =
            work.await.map_err(|_| AgentError::Task)?;
        parts.controllers = controllers;
        parts.sources = sources;
        parts.state.observed = observed;
        self.publisher.mark(&pods);
        parts.state.mark_wanted(pods);
        for (key, plan) in timers {
            let applier = parts.applier.clone();
            self.timing.spawn(async move {
                let result = applier.pod(&key.object, plan, Wave::default()).await;
                (key, result)
            });
        }
        let next = self.parts.controllers.wake();
        self.set_alarm(next)
    }

    fn set_alarm(&self, after: Option<std::time::Duration>) -> Result<(), AgentError> {
        self.alarm.set(after).map_err(|source| AgentError::File {
            act: "set a timer",
            source,
        })
    }

    /// The timer of a CronJob has been seen to, well or not.
    pub(super) async fn timed(&mut self, (key, result): Timed) -> Result<(), AgentError> {
        let names = PodUnits::new(&key.object);
        let units = [names.cron_timer(), names.cron()].into();
        let observed = &mut self.parts.state.observed;
        let looked = self.parts.observer.timers(observed, &units).await;
        looked.map_err(AgentError::Observe)?;
        match result {
            Ok(()) => self.parts.controllers.mark([key]),
            Err(error) => {
                log::error!("{key}: {}, will retry", crate::chain::line(&error));
                self.parts.controllers.retry(key);
            }
        }
        Ok(())
    }
}
