//! `vks restart`.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::selector::Selector;
use crate::model::name::ContainerName;

/// Restart pods, or single containers, as they are
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks restart pod web
  vks restart pod/web -c sidecar
  vks restart pods -l app=web")]
pub struct Args {
    /// A kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", required = true)]
    pub objects: Vec<String>,
    /// Only this container of each pod
    #[arg(short, long)]
    pub container: Option<ContainerName>,
    /// Those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<Selector>,
    /// All of the namespace
    #[arg(long)]
    pub all: bool,
}

/// To be built.
pub async fn run(_: &Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::Unbuilt("restart"))
}
