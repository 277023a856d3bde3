//! What systemd says of units.
//!
//! Only loaded units are asked about: to ask for a property of one that is not makes systemd load it,
//! announce it and unload it again.

use super::{Systemd, SystemdError, path};
use crate::model::name::UnitName;
use crate::model::observed::{ActiveState, CurrentRun, UnitState};
use crate::model::time::Timestamp;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::time::Duration;
use zbus::Variant;

const DESTINATION: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A unit of which the current run is asked for.
#[derive(Debug, Clone, Copy)]
pub struct RunQuery<'a> {
    /// A loaded service.
    pub unit: &'a UnitName,
    /// Whether it is known to run or to begin, so that nothing of an end needs to be asked.
    pub running: bool,
    /// Whether its StatusText matters.
    pub status_text: bool,
    /// Whether it waits for its automatic restart, so that the delay matters.
    pub restarting: bool,
}

/// A row of ListUnitsByPatterns: name, description, load, active and sub state, the unit it follows, path,
/// job id, job type, job path.
type Row<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    zbus::ObjectPath<'a>,
    u32,
    &'a str,
    zbus::ObjectPath<'a>,
);

impl Systemd {
    /// All loaded units whose name matches one of the patterns (glob(7)), without their runs. Also those
    /// that are loaded only because another unit names them, if they are active or have a job.
    pub async fn list(
        &self,
        patterns: &[&str],
    ) -> Result<BTreeMap<UnitName, UnitState>, SystemdError> {
        let states: [&str; 0] = [];
        let body = (states.as_slice(), patterns);
        let call = self.connection().call_method(
            Some(DESTINATION),
            MANAGER_PATH,
            Some(MANAGER),
            "ListUnitsByPatterns",
            &body,
        );
        let failed = |source| SystemdError::Manager("list its units", source);
        let reply = self.inner.permits.question(call).await.map_err(failed)?;
        let body = reply.body();
        let rows: Vec<Row> = body.deserialize().map_err(failed)?;
        let states = rows.into_iter().filter_map(|row| {
            let state = state(row.2, row.3, row.4, row.7 != 0);
            Some((row.0.parse().ok()?, state?))
        });
        Ok(states.collect())
    }

    /// The state of each of some units, without their runs. Those that are not loaded are left out. The cost
    /// does not depend on how many other units there are.
    pub async fn states(
        &self,
        units: impl IntoIterator<Item = &UnitName>,
    ) -> Result<BTreeMap<UnitName, UnitState>, SystemdError> {
        let found = stream::iter(units)
            .map(|unit| async move {
                let state = self.state(unit).await?;
                Ok(state.map(|state| (unit.clone(), state)))
            })
            .buffer_unordered(super::QUESTIONS);
        found
            .try_filter_map(async |found| Ok(found))
            .try_collect()
            .await
    }

    /// Whether a unit is active. One that is not loaded is not, and stays so.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub async fn is_active(&self, unit: &UnitName) -> Result<bool, SystemdError> {
        let state = self.state(unit).await?;
        Ok(state.is_some_and(|state| state.active == ActiveState::Active))
    }

    async fn state(&self, unit: &UnitName) -> Result<Option<UnitState>, SystemdError> {
        let call = self.inner.manager.get_unit(unit.as_str());
        match self.unit_question("find", unit, call).await {
            Err(error) if error.is_no_such_unit() => return Ok(None),
            result => result?,
        };
        let path = path::of_unit(unit);
        let get = |name| self.property(unit, &path, UNIT, name);
        let (active, sub, job) = tokio::try_join!(get("ActiveState"), get("SubState"), get("Job"))?;
        let (active, sub, job) = (active.text(), sub.text(), job.number() != 0);
        // Of one that does anything it does not matter whether its file is there.
        let load = match &*active {
            "inactive" if !job => get("LoadState").await?.text(),
            _ => Box::default(),
        };
        Ok(state(&load, &active, &sub, job))
    }

    /// The current or last run of each of some loaded services. One that is unloaded meanwhile gives
    /// an empty run.
    pub async fn current_runs(
        &self,
        queries: impl IntoIterator<Item = RunQuery<'_>>,
    ) -> Result<BTreeMap<UnitName, CurrentRun>, SystemdError> {
        stream::iter(queries)
            .map(|query| async move {
                let run = self.current_run(query).await?;
                Ok((query.unit.clone(), run))
            })
            .buffer_unordered(super::QUESTIONS)
            .try_collect()
            .await
    }

    /// The run of a service: the one that goes on, else the last one. `None` of a unit that is not loaded, and stays so. Of
    /// its end nothing is told.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub async fn run_of(&self, unit: &UnitName) -> Result<Option<CurrentRun>, SystemdError> {
        if self.state(unit).await?.is_none() {
            return Ok(None);
        }
        let query = RunQuery {
            unit,
            running: true,
            status_text: false,
            restarting: false,
        };
        self.current_run(query).await.map(Some)
    }

    async fn current_run(&self, query: RunQuery<'_>) -> Result<CurrentRun, SystemdError> {
        let path = path::of_unit(query.unit);
        let unit = |name| self.property(query.unit, &path, UNIT, name);
        let service = |name| self.property(query.unit, &path, SERVICE, name);
        let (invocation, main_pid, started) = tokio::try_join!(
            unit("InvocationID"),
            service("MainPID"),
            service("ExecMainStartTimestamp")
        )?;
        let mut run = CurrentRun {
            invocation: invocation.hex(),
            main_pid: u32::try_from(main_pid.number()).unwrap_or(0),
            started: started.time(),
            ..CurrentRun::default()
        };
        if query.status_text {
            run.status_text = service("StatusText").await?.text();
        }
        if query.running {
            run.result = "success".into();
            return Ok(run);
        }
        let (finished, kind, status, result) = tokio::try_join!(
            service("ExecMainExitTimestamp"),
            service("ExecMainCode"),
            service("ExecMainStatus"),
            service("Result")
        )?;
        if query.restarting {
            let delay = service("RestartUSecNext").await?.number();
            // systemd's "infinity" is the largest number.
            run.back_off = (delay != u64::MAX).then(|| Duration::from_micros(delay));
        }
        run.finished = finished.time();
        run.exit_code_kind = i32::try_from(kind.signed()).unwrap_or(0);
        run.exit_status = i32::try_from(status.signed()).unwrap_or(0);
        run.result = result.text();
        Ok(run)
    }

    async fn property(
        &self,
        unit: &UnitName,
        path: &str,
        interface: &str,
        name: &str,
    ) -> Result<Property, SystemdError> {
        let body = (interface, name);
        let call = self.connection().call_method(
            Some(DESTINATION),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &body,
        );
        let reply = self.unit_question("describe", unit, call).await?;
        let body = reply.body();
        let value: Variant = body.deserialize().map_err(|source| SystemdError::Unit {
            act: "describe",
            unit: unit.to_string(),
            source,
        })?;
        Ok(Property::from_variant(&value))
    }
}

/// A property's value, of the few types that are asked for.
#[derive(Debug, PartialEq)]
enum Property {
    Text(Box<str>),
    Unsigned(u64),
    Signed(i64),
    Bytes(Vec<u8>),
    Other,
}

impl Property {
    fn from_variant(value: &Variant) -> Self {
        match value {
            Variant::Str(text) => Self::Text(text.as_str().into()),
            Variant::U32(number) => Self::Unsigned((*number).into()),
            Variant::U64(number) => Self::Unsigned(*number),
            Variant::I32(number) => Self::Signed((*number).into()),
            // `Job` is (number, path).
            Variant::Structure(fields) => match fields.fields().first() {
                Some(first) => Self::from_variant(first),
                None => Self::Other,
            },
            Variant::Array(items) => {
                let byte = |item: &Variant| match item {
                    Variant::U8(byte) => Some(*byte),
                    _ => None,
                };
                items
                    .iter()
                    .map(byte)
                    .collect::<Option<_>>()
                    .map_or(Self::Other, Self::Bytes)
            }
            _ => Self::Other,
        }
    }

    fn text(self) -> Box<str> {
        match self {
            Self::Text(text) => text,
            _ => Box::default(),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Unsigned(number) => *number,
            _ => 0,
        }
    }

    fn signed(&self) -> i64 {
        match self {
            Self::Signed(number) => *number,
            _ => 0,
        }
    }

    fn time(&self) -> Option<Timestamp> {
        Timestamp::from_micros(self.number())
    }

    fn hex(self) -> Box<str> {
        match self {
            Self::Bytes(bytes) => crate::unit::hex(&bytes).into(),
            _ => Box::default(),
        }
    }
}

/// The state of a unit; `None` for one that is only a name to systemd.
fn state(load: &str, active: &str, sub: &str, job: bool) -> Option<UnitState> {
    let active = active_state(active);
    if load == "not-found" && active == ActiveState::Inactive && !job {
        return None;
    }
    Some(UnitState {
        loaded: true,
        active,
        sub: sub.into(),
        job,
        run: None,
    })
}

fn active_state(text: &str) -> ActiveState {
    match text {
        "active" => ActiveState::Active,
        "reloading" => ActiveState::Reloading,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        "failed" => ActiveState::Failed,
        "maintenance" => ActiveState::Maintenance,
        "refreshing" => ActiveState::Refreshing,
        _ => ActiveState::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_only_named_is_not_loaded() {
        assert_eq!(state("not-found", "inactive", "dead", false), None);
        let gone = state("not-found", "active", "running", false).unwrap();
        assert_eq!((gone.active, &*gone.sub), (ActiveState::Active, "running"));
    }

    #[test]
    fn properties_are_read_by_type() {
        let read = |value: Variant| Property::from_variant(&value);
        assert_eq!(read(Variant::from(7u32)).number(), 7);
        assert_eq!(read(Variant::from(-1i32)).signed(), -1);
        assert_eq!(&*read(Variant::from("x")).text(), "x");
        assert_eq!(&*read(Variant::from(vec![0xabu8, 1])).hex(), "ab01");
        assert_eq!(read(Variant::from(0u64)).time(), None);
        assert_eq!(&*read(Variant::from(1.5f64)).text(), "");
    }
}
