//! `vks render`.

use super::context::{Context, Outcome};
use super::error::CliError;
use std::path::PathBuf;

/// Show the units that manifests become; touches nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # To standard output
  vks render -f web.yaml

  # Into a directory, one file for each unit
  vks render -f web.yaml --output-dir ./made")]
pub struct Args {
    /// Files and directories with manifests; - is standard input (default: all configured sources)
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
    /// Write the units to this directory instead
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("render"))
}
