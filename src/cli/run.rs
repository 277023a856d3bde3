//! `vks run`.

use super::context::{Context, Outcome};
use super::error::CliError;
use std::path::Path;

/// Run the agent: keep the host as the manifests say
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The agent is a service: systemctl start vks. It watches the configured directories and systemd, and
changes what differs. Pods run, restart and come up at boot without it.")]
pub struct Args {}

/// Runs until it is told to end.
pub async fn run(_: &Args, context: &Context) -> Result<Outcome, CliError> {
    crate::agent::run(context.settings.clone(), Path::new("/")).await?;
    Ok(Outcome::Done)
}
