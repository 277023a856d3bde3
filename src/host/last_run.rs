//! What the service manager knows of a run that is just ending, asked from within the unit's `ExecStopPost=`.
//!
//! It is asked on its private socket, as systemctl(1) does: at shutdown the bus is stopped at the same time
//! as the pods. Where there is no such socket the system bus is tried.

use crate::model::name::UnitName;
use crate::model::time::Timestamp;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath, Variant};

/// systemd's own socket, for root only.
const PRIVATE: &str = "unix:path=/run/systemd/private";
const DESTINATION: &str = "org.freedesktop.systemd1";
/// Longer than any answer takes unless systemd does not run.
const LIMIT: Duration = Duration::from_secs(5);

/// Why systemd could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LastRunError {
    /// There is no way to ask.
    #[error("cannot ask systemd about {0}")]
    Runtime(UnitName, #[source] std::io::Error),
    /// It was asked.
    #[error("systemd did not tell about the run of {0}")]
    Ask(UnitName, #[source] zbus::Error),
    /// It does not answer.
    #[error("systemd did not answer within {limit} s about the run of {0}", limit = LIMIT.as_secs())]
    Silent(UnitName),
}

/// How a run is ending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastRun {
    /// A stop or restart of the unit was asked for and is being carried out: it did not end by itself.
    pub asked: bool,
    /// When its main process was started.
    pub started: Option<Timestamp>,
}

/// Asks about a unit and waits for the answer, at most five seconds.
pub fn ask(unit: &UnitName) -> Result<LastRun, LastRunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LastRunError::Runtime(unit.clone(), source))?;
    runtime.block_on(async {
        match tokio::time::timeout(LIMIT, answer(unit)).await {
            Ok(result) => result.map_err(|source| LastRunError::Ask(unit.clone(), source)),
            Err(_) => Err(LastRunError::Silent(unit.clone())),
        }
    })
}

async fn answer(unit: &UnitName) -> zbus::Result<LastRun> {
    let connection = match Builder::address(PRIVATE).p2p().build().await {
        Ok(connection) => connection,
        Err(_) => Builder::system().build().await?,
    };
    let manager = "org.freedesktop.systemd1.Manager";
    let reply = connection
        .call_method(
            Some(DESTINATION),
            "/org/freedesktop/systemd1",
            Some(manager),
            "GetUnit",
            &unit.as_str(),
        )
        .await?;
    let path: OwnedObjectPath = reply.body().deserialize()?;
    let job = get(&connection, path.as_str(), "Unit", "Job").await?;
    let started = get(
        &connection,
        path.as_str(),
        "Service",
        "ExecMainStartTimestamp",
    )
    .await?;
    Ok(LastRun {
        asked: match job_path(&job) {
            Some(job) => is_stop(&get(&connection, job, "Job", "JobType").await?),
            None => false,
        },
        started: match started {
            Variant::U64(micros) => Timestamp::from_micros(micros),
            _ => None,
        },
    })
}

async fn get(
    connection: &Connection,
    path: &str,
    interface: &str,
    name: &str,
) -> zbus::Result<Variant<'static>> {
    let interface = format!("org.freedesktop.systemd1.{interface}");
    let body = (interface.as_str(), name);
    let properties = "org.freedesktop.DBus.Properties";
    let reply = connection
        .call_method(Some(DESTINATION), path, Some(properties), "Get", &body)
        .await?;
    let body = reply.body();
    let value: Variant = body.deserialize()?;
    Ok(value.try_to_owned()?.into())
}

/// The path of the job of a unit: `Job` is its number, 0 for none, and its path.
fn job_path<'a>(job: &'a Variant<'_>) -> Option<&'a str> {
    let Variant::Structure(fields) = job else {
        return None;
    };
    match fields.fields() {
        [Variant::U32(number), Variant::ObjectPath(path)] if *number != 0 => Some(path.as_str()),
        _ => None,
    }
}

/// A start job at the end of a run is the one that the run itself is part of (it did not get so far as to
/// have started, and will be tried again).
fn is_stop(kind: &Variant<'_>) -> bool {
    matches!(kind, Variant::Str(kind) if ["stop", "restart", "try-restart"].contains(&kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::ObjectPath;

    #[test]
    fn a_unit_without_a_job_says_number_zero() {
        let path = |text| ObjectPath::try_from(text).unwrap();
        let none = Variant::from((0u32, path("/")));
        assert_eq!(job_path(&none), None);
        let job = Variant::from((7u32, path("/org/freedesktop/systemd1/job/7")));
        assert_eq!(job_path(&job), Some("/org/freedesktop/systemd1/job/7"));
        assert_eq!(job_path(&Variant::from(7u32)), None);
    }

    #[test]
    fn only_jobs_that_stop_are_stops() {
        for (kind, stops) in [("stop", true), ("restart", true), ("start", false)] {
            assert_eq!(is_stop(&Variant::from(kind)), stops, "{kind}");
        }
    }
}
