//! `vks verify`.

use super::context::{Context, Outcome};
use super::error::CliError;
use std::path::PathBuf;

/// Check manifests and say everything that is wrong with them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # All configured directories
  vks verify

  # Some files and directories
  vks verify web.yaml ./pods")]
pub struct Args {
    /// Files and directories (default: all configured sources)
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("verify"))
}
