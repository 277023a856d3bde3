//! `vks prober`: the liveness and readiness probes of a pod, as a service of their own, so that they need no agent.
//!
//! What it finds it tells systemd as its status text (`STATUS=` of sd_notify(3)), one word for each container:
//! `name:INVOCATION=ready` or `=notready`, with the first eight digits of the invocation that was asked. That text
//! is a property of the unit, which [`crate::observe`] reads: readiness is kept by systemd, and said by a signal.
//! A container that fails its liveness probe is ended by signals; systemd starts it again by its own rules.

mod board;
mod container;

use super::args::{ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::host::systemd::{Systemd, SystemdError};
use crate::model::layout::Layout;
use crate::model::name::{PodUid, UnitName};
use crate::model::prober::{Config, PROBES_KEY};
use board::Board;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// Why the probes of a pod are not made.
#[derive(Debug, thiserror::Error)]
enum ProberError {
    #[error("cannot understand the arguments of vks prober")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("cannot follow the containers")]
    Systemd(#[from] SystemdError),
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
}

/// Runs the verb: until it is told to end, or systemd cannot be followed any more.
pub fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            journal::install(None);
            super::fail(&error, matches!(error, ProberError::Arguments(_)))
        }
    }
}

fn run(args: &[OsString]) -> Result<(), ProberError> {
    let mut args = Arguments::parse(args, &[])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let layout = super::layout();
    let own = OwnUnit::read(&layout, &unit)?;
    let config: Config = own.json(PROBES_KEY)?;
    journal::install(Some(&own.identity));
    let runtime = super::runtime().map_err(ProberError::Runtime)?;
    let pod = Arc::new((layout, own.identity.uid));
    runtime.block_on(follow(config, pod))
}

async fn follow(config: Config, pod: Arc<(Layout, PodUid)>) -> Result<(), ProberError> {
    let systemd = Systemd::connect(None).await?;
    let board = Arc::new(Board::default());
    let mut containers = FuturesUnordered::new();
    for probed in config.containers {
        let board = Arc::clone(&board);
        let pod = Arc::clone(&pod);
        let follower = container::Follower::new(probed, systemd.clone(), board, pod).await?;
        containers.push(follower.follow());
    }
    board.ready();
    // They end only by an error: systemd starts this unit again, and all is asked anew.
    containers.next().await.unwrap_or(Ok(()))?;
    Ok(())
}
