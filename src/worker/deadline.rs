//! `vks deadline`: ends a pod whose active deadline has passed.
//!
//! The time counts from the first start of the pod, over restarts and reboots, as in Kubernetes. Within a boot it does not
//! matter how the clock is set, and time that the host sleeps counts; from one boot to another there is only the clock.
//! The verb waits out what is left when that is less than the timer of the pod would wait: the pod was started before.
//!
//! The mark comes first: it keeps containers from starting again (`ConditionPathExists=` of their units), also
//! at the next boot, and it is what the pod's status says `DeadlineExceeded` from.

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::chain;
use crate::host::clock;
use crate::host::files::{Dir, FileError};
use crate::host::systemd::{JobResult, Systemd, SystemdError};
use crate::model::controller::record::Moment;
use crate::model::event;
use crate::model::layout::Layout;
use crate::model::name::{NameError, PodUid, UnitName};
use futures_util::future::join_all;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// The key of `[X-kubernetes]` with the units to stop, separated by spaces.
const UNITS_KEY: &str = "Units";
/// The key with the deadline, in seconds since the first start.
const DEADLINE_KEY: &str = "Deadline";
/// A pod that is no older than this leaves the wait to its timer, which needs no process.
const JUST_STARTED: Duration = Duration::from_secs(2);
/// The file has some 100 bytes.
const LIMIT: usize = 4096;

/// Why a pod was not ended, or not wholly.
#[derive(Debug, thiserror::Error)]
enum DeadlineError {
    #[error("cannot understand the arguments of vks deadline")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("[X-kubernetes] {UNITS_KEY}= names {0:?}, which is no unit")]
    Unit(String, #[source] NameError),
    #[error("cannot tell since when the pod has been active")]
    Start(#[source] FileError),
    #[error("cannot wait for the deadline")]
    Wait(#[source] std::io::Error),
    #[error("cannot mark the pod as past its deadline")]
    Mark(#[source] FileError),
    #[error("cannot start an event loop")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    #[error("{unit} did not stop: its stop job ended with {result:?}")]
    Stop { unit: UnitName, result: JobResult },
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    let own = match prepare(args) {
        Ok((layout, own)) => {
            journal::install(Some(&own.identity));
            wait_and_end(&layout, &own)
        }
        Err(error) => {
            journal::install(None);
            Err(error)
        }
    };
    match own {
        Ok(errors) if errors.is_empty() => ExitCode::SUCCESS,
        Ok(errors) => {
            for error in &errors {
                log::error!("{}", chain::line(error));
            }
            ExitCode::FAILURE
        }
        Err(error) => super::fail(&error, matches!(error, DeadlineError::Arguments(_))),
    }
}

fn prepare(args: &[OsString]) -> Result<(Layout, OwnUnit), DeadlineError> {
    let mut args = Arguments::parse(args, &[])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let layout = super::layout();
    let own = OwnUnit::read(&layout, &unit)?;
    Ok((layout, own))
}

fn wait_and_end(layout: &Layout, own: &OwnUnit) -> Result<Vec<DeadlineError>, DeadlineError> {
    let seconds = own.text(DEADLINE_KEY)?.parse();
    let deadline = Duration::from_secs(seconds.map_err(|_| own.wrong(DEADLINE_KEY, None))?);
    let now = clock::now();
    let start = started(layout, &own.identity.uid, &now).map_err(DeadlineError::Start)?;
    let active = since(&start, &now);
    if active < JUST_STARTED && active < deadline {
        return Ok(Vec::new());
    }
    let left = deadline.saturating_sub(active);
    if !left.is_zero() {
        let runtime = super::runtime().map_err(DeadlineError::Runtime)?;
        let wait = async {
            let alarm = clock::Alarm::new()?;
            alarm.set(Some(left))?;
            alarm.next().await
        };
        runtime.block_on(wait).map_err(DeadlineError::Wait)?;
    }
    end(layout, own)
}

/// How long it is ago. Over a boot only the calendar tells: not the time since that boot, which in a container that shares
/// the kernel of its host is that host's.
fn since(start: &Moment, now: &Moment) -> Duration {
    match now.boot == start.boot {
        true => now.since(start),
        false => Duration::from_micros(now.wall.saturating_sub(start.wall)),
    }
}

/// When the pod was first started: now, if nothing says otherwise.
fn started(layout: &Layout, uid: &PodUid, now: &Moment) -> Result<Moment, FileError> {
    let path = layout.deadline_start(uid);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = Dir::create(&layout.pod(uid))?;
    let known = dir.read(&name, LIMIT)?;
    if let Some(start) = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(start);
    }
    // Plain data: cannot fail.
    let bytes = serde_json::to_vec(now).unwrap_or_default();
    dir.write(&name, &bytes, 0o644)?;
    dir.sync()?;
    Ok(now.clone())
}

/// Marks the pod and stops its containers, each within its own grace period. Gives back those that did not.
fn end(layout: &Layout, own: &OwnUnit) -> Result<Vec<DeadlineError>, DeadlineError> {
    let units = units(&own.text(UNITS_KEY)?)?;
    mark(layout, &own.identity.uid).map_err(DeadlineError::Mark)?;
    log::info!(
        MESSAGE_ID = event::MESSAGE_ID, KUBERNETES_REASON = "DeadlineExceeded";
        "Pod was active on the node longer than the specified deadline"
    );
    let runtime = super::runtime().map_err(DeadlineError::Runtime)?;
    runtime.block_on(async {
        let systemd = Systemd::connect(None).await?;
        // All at once: their units have the order among them.
        let stops = join_all(units.iter().map(|unit| stop(&systemd, unit))).await;
        Ok(stops.into_iter().filter_map(Result::err).collect())
    })
}

async fn stop(systemd: &Systemd, unit: &UnitName) -> Result<(), DeadlineError> {
    match systemd.stop_and_wait(unit).await? {
        JobResult::Done => Ok(()),
        result => Err(DeadlineError::Stop {
            unit: unit.clone(),
            result,
        }),
    }
}

fn units(text: &str) -> Result<Vec<UnitName>, DeadlineError> {
    let name = |word: &str| {
        let parsed = word.parse();
        parsed.map_err(|error| DeadlineError::Unit(word.to_owned(), error))
    };
    text.split_ascii_whitespace().map(name).collect()
}

/// Safe from a power loss when this returns: the pod must not begin anew.
fn mark(layout: &Layout, uid: &PodUid) -> Result<(), FileError> {
    let path = layout.deadline_exceeded(uid);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = Dir::create(&layout.pod(uid))?;
    dir.create_file(&name, 0o644)?;
    dir.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scratch::Scratch;

    #[test]
    fn units_are_read_and_others_are_named() {
        let two = units("vks.a.b.c.service  vks.a.b.d:e.service").unwrap();
        assert_eq!(two[1].as_str(), "vks.a.b.d:e.service");
        assert_eq!(units("").unwrap(), []);
        assert!(units("vks.a.b.c.service nonsense").is_err());
    }

    #[test]
    fn the_first_start_is_remembered() {
        let scratch = Scratch::new("deadline-start");
        let layout = Layout {
            state: scratch.path("state"),
            ..Layout::default()
        };
        let uid = "u-1".parse().unwrap();
        let first = clock::now();
        assert_eq!(started(&layout, &uid, &first).unwrap(), first);
        assert_eq!(started(&layout, &uid, &clock::now()).unwrap(), first);
    }

    #[test]
    fn only_the_calendar_tells_over_a_boot() {
        let at = |wall, boot: &str, up| Moment {
            wall,
            boot: boot.into(),
            up,
        };
        let start = at(1_000, "a", 50);
        assert_eq!(since(&start, &at(9_000, "a", 60)).as_micros(), 10);
        assert_eq!(since(&start, &at(1_500, "b", 7_000)).as_micros(), 500);
        assert_eq!(since(&start, &at(0, "b", 7_000)).as_micros(), 0);
    }

    #[test]
    fn the_mark_is_made_once() {
        let scratch = Scratch::new("deadline");
        let layout = Layout {
            state: scratch.path("state"),
            ..Layout::default()
        };
        let uid = "u-1".parse().unwrap();
        for _ in 0..2 {
            mark(&layout, &uid).unwrap();
        }
        assert!(layout.deadline_exceeded(&uid).is_file());
    }
}
