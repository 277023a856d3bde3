//! `vks plan`.

use super::context::{Context, Outcome};
use super::error::CliError;
use std::path::PathBuf;

/// Show what would change on this host; changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # What the agent would do now
  vks plan

  # What would happen if this were applied
  vks plan -f web.yaml")]
pub struct Args {
    /// Manifests to apply besides what is configured; - is standard input
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("plan"))
}
