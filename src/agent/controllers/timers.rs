//! The timers of CronJobs.

use crate::config::Settings;
use crate::model::controller::cron::CronJobSpec;
use crate::model::controller::{ControllerKey, ControllerSpec};
use crate::model::name::UnitName;
use crate::model::observed::{ActiveState, Observed};
use crate::plan::controllers::{Room, cron};
use crate::plan::step::{PodPlan, Reason, Step};
use crate::source::{Directories, time_zone};
use crate::unit::names::PodUnits;
use crate::unit::{UnitFile, digest};
use jiff::tz::TimeZone;

/// Steps for the timer of a CronJob.
pub type TimerPlan = (ControllerKey, PodPlan);

/// The zone of a schedule. One that this host has not was refused with the manifest; if it is gone since, UTC.
pub(super) fn zone(spec: &CronJobSpec) -> TimeZone {
    match &spec.time_zone {
        None => TimeZone::system(),
        Some(name) => time_zone(name).unwrap_or(TimeZone::UTC),
    }
}

/// What is to be done for the timers of these CronJobs: written, started, or stopped and removed.
pub fn timers(
    controllers: &super::Controllers,
    keys: impl IntoIterator<Item = ControllerKey>,
    sources: &Directories,
    observed: &Observed,
    settings: &Settings,
) -> Vec<TimerPlan> {
    let plan = |key: ControllerKey| {
        let steps = steps(controllers, &key, sources, observed, settings);
        let uid = match controllers.records.get(&key) {
            Some(record) => record.uid.clone(),
            None => crate::plan::new_uid(&key.object, b"timer"),
        };
        let plan = PodPlan {
            addresses: Vec::new(),
            differs: Vec::new(),
            reason: Reason::Converge,
            uid,
            steps,
        };
        (!plan.steps.is_empty()).then_some((key, plan))
    };
    keys.into_iter().filter_map(plan).collect()
}

fn steps(
    controllers: &super::Controllers,
    key: &ControllerKey,
    sources: &Directories,
    observed: &Observed,
    settings: &Settings,
) -> Vec<Step> {
    let names = PodUnits::new(&key.object);
    let (timer, service) = (names.cron_timer(), names.cron());
    let controller = sources.desired().controllers.get(key);
    let wanted = wanted(controllers, key, sources, settings);
    let known = |unit: &UnitName| observed.timers.get(unit);
    if wanted.is_empty() {
        let is_held = |unit| {
            let identity = known(unit).and_then(|unit| unit.identity.as_ref());
            identity.is_some_and(|identity| sources.desired().holds(&identity.source))
        };
        // The file that may still want it cannot be read.
        if controller.is_none() && (is_held(&timer) || is_held(&service)) {
            return Vec::new();
        }
        if known(&timer).is_none() && known(&service).is_none() {
            return Vec::new();
        }
        return vec![
            Step::Stop(timer.clone()),
            Step::Disable(timer.clone()),
            Step::RemoveUnit(timer),
            Step::RemoveUnit(service),
        ];
    }
    let mut steps = Vec::new();
    let mut reload = false;
    for (unit, file) in wanted {
        let text = file.to_string();
        let is = known(&unit);
        if is.and_then(|is| is.digest) == Some(digest(text.as_bytes())) {
            continue;
        }
        let stale = is.is_some() || observed.orphans.contains(&unit);
        reload |= stale;
        steps.push(Step::WriteUnit {
            unit,
            text,
            reload: stale,
        });
    }
    let up = known(&timer).is_some_and(|is| is.state.active == ActiveState::Active);
    if steps.is_empty() && up {
        return steps;
    }
    steps.push(Step::Enable(timer.clone()));
    if reload {
        steps.push(Step::Reload);
        // A timer that runs counts from its old schedule until it is started anew.
        steps.push(Step::Stop(timer.clone()));
    }
    steps.push(Step::Start(timer));
    steps
}

/// The units of a CronJob; none when there is no such CronJob, or it is suspended.
fn wanted(
    controllers: &super::Controllers,
    key: &ControllerKey,
    sources: &Directories,
    settings: &Settings,
) -> Vec<(UnitName, UnitFile)> {
    let controller = sources.desired().controllers.get(key);
    let Some((controller, record)) = controller.zip(controllers.records.get(key)) else {
        return Vec::new();
    };
    let ControllerSpec::CronJob(spec) = &controller.spec else {
        return Vec::new();
    };
    let now = crate::host::clock::now();
    let room = Room {
        controller,
        record,
        pods: &[],
        taken: &|_| false,
        now: &now,
    };
    cron::units(&room, spec, &settings.program)
}
