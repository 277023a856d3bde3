//! `vks delete`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::selector::Selector;
use std::path::PathBuf;

/// Stop pods and forget their manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks delete pod web
  vks delete -f web.yaml
  vks delete pods -l app=web
  vks delete pods --all -n test")]
pub struct Args {
    /// A kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", conflicts_with = "filename")]
    pub objects: Vec<String>,
    /// The objects in these files; - is standard input
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
    /// Those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// All of the namespace
    #[arg(long)]
    pub all: bool,
    /// No failure when there is no such object
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Seconds that the pods get to end by themselves, instead of their own
    #[arg(long, value_name = "SECONDS")]
    pub grace_period: Option<u32>,
    /// Wait until the pods are gone
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        value_name = "true|false"
    )]
    pub wait: bool,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("delete"))
}
