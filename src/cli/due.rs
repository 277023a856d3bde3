//! `vks due`: what the timer of a CronJob calls. Not for people, and not in the help.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::store;
use crate::host::files::Dir;
use crate::model::name::UnitName;

/// Have the agent look at a CronJob whose time has come; without an agent, do it here
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks due vks-default-backup-cron.service")]
pub struct Args {
    /// The unit that calls
    pub unit: UnitName,
}

/// Leaves word for the agent. Where none runs, a pass is made as by `vks apply`.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let dir = Dir::create(&context.settings.layout.triggers()).map_err(CliError::File)?;
    dir.write(args.unit.as_str(), b"", 0o600)
        .map_err(CliError::File)?;
    Ok(match store::converge("due", context).await? {
        true => Outcome::Done,
        false => Outcome::Code(1),
    })
}
