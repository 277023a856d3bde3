//! `vks run`.

use super::context::{Context, Outcome};
use super::error::CliError;

/// Run the agent: keep the host as the manifests say
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The agent is a service: systemctl start vks. It watches the configured directories and systemd, and
changes what differs. Pods run, restart and come up at boot without it.")]
pub struct Args {}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("run"))
}
