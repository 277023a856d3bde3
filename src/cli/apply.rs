//! `vks apply`.

use super::context::{Context, Outcome};
use super::error::CliError;
use std::path::PathBuf;
use std::time::Duration;

/// Take manifests on and make the host run them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks apply -f web.yaml
  vks apply -f ./pods --wait --timeout 1m
  cat web.yaml | vks apply -f -")]
pub struct Args {
    /// Files and directories with manifests; - is standard input
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    pub filename: Vec<PathBuf>,
    /// Wait until the pods are ready or have ended well
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = super::duration::parse)]
    pub timeout: Duration,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("apply"))
}
