//! `vks delete --grace-period`: the units of the pods get another time-out before they are stopped.
//!
//! By drop-ins and one daemon-reload: systemd then keeps the time itself, whoever stops the pod and whatever becomes
//! of the command. A unit that is already stopping gets the new time too, counted from when its stop began. The
//! drop-ins go with the unit files.

use super::context::Context;
use super::error::CliError;
use super::view::{Filter, Host};
use crate::host::units::UnitDir;
use crate::model::name::PodKey;
use crate::plan::grace::drop_in;
use crate::unit::UnitFile;
use std::collections::BTreeSet;
use std::time::Duration;

/// Gives what runs of these pods another grace period.
pub async fn set(
    host: &Host,
    pods: &BTreeSet<PodKey>,
    grace: Duration,
    context: &Context,
) -> Result<(), CliError> {
    if pods.is_empty() {
        return Ok(());
    }
    let view = host.running(&Filter::of(pods.iter())).await?;
    let there = view
        .pods
        .iter()
        .filter(|pod| pods.contains(&pod.report.key))
        .filter_map(|pod| pod.observed.as_ref());
    let names: Vec<_> = there.flat_map(|pod| pod.units.keys().cloned()).collect();
    let layout = context.settings.layout.clone();
    let write = move || -> Result<bool, crate::host::files::FileError> {
        let Some(units) = UnitDir::open(&layout)? else {
            return Ok(false);
        };
        let mut written = false;
        for name in names {
            let Some(file) = units.file(&name)? else {
                continue;
            };
            if let Some(more) = drop_in(&file, grace) {
                units.write_drop_in(&name, &UnitFile::to_string(&more))?;
                written = true;
            }
        }
        Ok(written)
    };
    let written = tokio::task::spawn_blocking(write).await;
    let written = written.map_err(|_| crate::agent::AgentError::Task)?;
    if written.map_err(CliError::File)? {
        host.reload().await?;
    }
    Ok(())
}
