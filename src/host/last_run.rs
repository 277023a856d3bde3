//! What the service manager knows of a run that is just ending, asked from within the unit's `ExecStopPost=`.
//!
//! It is asked on its private socket, as systemctl(1) does: at shutdown the bus is stopped at the same time
//! as the pods. Three to six calls, less than a millisecond.

mod wire;

use crate::model::name::UnitName;
use crate::model::time::Timestamp;
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::{Body, Wire, malformed};
use zbus::Message;

/// systemd's own socket, for root only.
const SOCKET: &str = "/run/systemd/private";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Longer than any answer takes unless systemd does not run.
const LIMIT: Duration = Duration::from_secs(5);

/// systemd did not answer about a run.
#[derive(Debug, thiserror::Error)]
#[error("cannot speak with systemd on {SOCKET} about the run of {unit}")]
pub struct LastRunError {
    /// The unit.
    unit: UnitName,
    /// What went wrong.
    source: io::Error,
}

/// How a run is ending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastRun {
    /// A stop or restart of the unit was asked for and is being carried out: it did not end by itself.
    pub asked: bool,
    /// When its main process was started.
    pub started: Option<Timestamp>,
}

/// Asks about a unit and waits for the answers, at most five seconds for each.
pub fn ask(unit: &UnitName) -> Result<LastRun, LastRunError> {
    answer(unit).map_err(|source| LastRunError {
        unit: unit.clone(),
        source,
    })
}

/// Takes a unit's back-off back to its beginning, and with it systemd's count of its restarts. It also takes back
/// the result of the run that is ending: a unit with `Restart=on-failure` starts again only if something fails after
/// this.
pub fn reset_back_off(unit: &UnitName) -> Result<(), LastRunError> {
    let reset = || -> io::Result<()> {
        let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
        let call = call(MANAGER_PATH, MANAGER, "ResetFailedUnit", &unit.as_str())?;
        wire.call(&call).map(drop)
    };
    reset().map_err(|source| LastRunError {
        unit: unit.clone(),
        source,
    })
}

/// Asks for restarts of units, in this order, and does not wait for them; one that does not run is started. All are
/// asked for before the first begins: none that has been started again because of an earlier one is started twice.
/// One that cannot be restarted does not keep the others from it; the first failure is told.
pub fn restart_all(units: &[UnitName]) -> Result<(), LastRunError> {
    let Some(first) = units.first() else {
        return Ok(());
    };
    let failed = |unit: &UnitName, source| LastRunError {
        unit: unit.clone(),
        source,
    };
    let asked = || -> io::Result<Wire> {
        let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
        for unit in units {
            let body = (unit.as_str(), "replace");
            wire.send(&call(MANAGER_PATH, MANAGER, "RestartUnit", &body)?)?;
        }
        Ok(wire)
    };
    let mut wire = asked().map_err(|source| failed(first, source))?;
    let mut told = Ok(());
    for unit in units {
        let answer = wire.answer().map_err(|source| failed(unit, source));
        told = told.and(answer.map(drop));
    }
    told
}

/// Whether a unit that is ending is to be started again after that, by a restart that somebody has asked for.
pub fn is_restarting(unit: &UnitName) -> Result<bool, LastRunError> {
    let ask = || -> io::Result<bool> {
        let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
        let kind = job_type(&mut wire, unit)?.1;
        Ok(kind.is_some_and(|kind| is_restart(&kind)))
    };
    ask().map_err(|source| LastRunError {
        unit: unit.clone(),
        source,
    })
}

/// Asks for the stop of a unit and does not wait for it.
pub fn stop(unit: &UnitName) -> Result<(), LastRunError> {
    job("StopUnit", unit)
}

/// Has systemd send a signal to the main process of a unit: any signal, also those of the real-time kind.
pub fn signal(unit: &UnitName, number: i32) -> Result<(), LastRunError> {
    let send = || -> io::Result<()> {
        let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
        let body = (unit.as_str(), "main", number);
        wire.call(&call(MANAGER_PATH, MANAGER, "KillUnit", &body)?)
            .map(drop)
    };
    send().map_err(|source| LastRunError {
        unit: unit.clone(),
        source,
    })
}

/// Whether the host is about to go down or to reboot.
///
/// # Errors
/// When systemd does not answer, or not in a way that is understood.
pub fn is_shutting_down() -> io::Result<bool> {
    let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
    let state = get(&mut wire, MANAGER_PATH, "Manager", "SystemState")?;
    Ok(state.variant_text().ok_or_else(malformed)? == "stopping")
}

fn job(method: &str, unit: &UnitName) -> Result<(), LastRunError> {
    let ask = || -> io::Result<()> {
        let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
        let body = (unit.as_str(), "replace");
        wire.call(&call(MANAGER_PATH, MANAGER, method, &body)?)
            .map(drop)
    };
    ask().map_err(|source| LastRunError {
        unit: unit.clone(),
        source,
    })
}

fn answer(unit: &UnitName) -> io::Result<LastRun> {
    let mut wire = Wire::connect(Path::new(SOCKET), LIMIT)?;
    let (path, kind) = job_type(&mut wire, unit)?;
    let stops = kind.is_some_and(|kind| is_stop(&kind));
    let asked = stops && !ended_before(&mut wire, &path)?;
    let started = get(&mut wire, &path, "Service", "ExecMainStartTimestamp")?;
    let started = started.variant_u64().ok_or_else(malformed)?;
    Ok(LastRun {
        asked,
        started: Timestamp::from_micros(started),
    })
}

/// The object of a unit, and the type of the job that it has, if it has one.
fn job_type(wire: &mut Wire, unit: &UnitName) -> io::Result<(String, Option<String>)> {
    let get_unit = call(MANAGER_PATH, MANAGER, "GetUnit", &unit.as_str())?;
    let path = wire.call(&get_unit)?;
    let path = path.text(0).ok_or_else(malformed)?;
    let job = get(wire, path, "Unit", "Job")?;
    let kind = match job.variant_number_and_path().ok_or_else(malformed)? {
        (0, _) => None,
        (_, job) => {
            let kind = get(wire, job, "Job", "JobType")?;
            Some(kind.variant_text().ok_or_else(malformed)?.to_owned())
        }
    };
    Ok((path.to_owned(), kind))
}

/// Whether the process had ended before the unit began to stop: then the stop came while the end was being seen to, and
/// was not its cause. systemd takes the first time when it hears of the end and the second just after, when the unit is
/// active no longer; when it stops a unit, the second comes first.
fn ended_before(wire: &mut Wire, path: &str) -> io::Result<bool> {
    let mut time = |interface, name| {
        let time = get(wire, path, interface, name)?;
        time.variant_u64().ok_or_else(malformed)
    };
    let ended = time("Service", "ExecMainExitTimestampMonotonic")?;
    let left = time("Unit", "ActiveExitTimestampMonotonic")?;
    Ok(ended != 0 && ended <= left)
}

fn get(wire: &mut Wire, path: &str, interface: &str, name: &str) -> io::Result<Body> {
    let interface = format!("org.freedesktop.systemd1.{interface}");
    let body = (interface.as_str(), name);
    wire.call(&call(
        path,
        "org.freedesktop.DBus.Properties",
        "Get",
        &body,
    )?)
}

fn call(
    path: &str,
    interface: &str,
    member: &str,
    body: &(impl serde::Serialize + zbus::DynamicType),
) -> io::Result<Message> {
    Message::method_call(path, member)
        .destination("org.freedesktop.systemd1")
        .interface(interface)
        .build(body)
        .map_err(io::Error::other)
}

/// A start job at the end of a run is the one that the run itself is part of (it did not get so far as to
/// have started, and will be tried again).
fn is_stop(job_type: &str) -> bool {
    job_type == "stop" || is_restart(job_type)
}

fn is_restart(job_type: &str) -> bool {
    ["restart", "try-restart"].contains(&job_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_jobs_that_stop_are_stops() {
        for (kind, stops) in [("stop", true), ("restart", true), ("start", false)] {
            assert_eq!(is_stop(kind), stops, "{kind}");
        }
    }
}
