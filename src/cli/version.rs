//! `vks version`.

use super::context::{Outcome, print};
use super::error::CliError;

/// Print the version of vks
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints one line: `vks 0.1.0`.
pub fn run(_: &Args) -> Result<Outcome, CliError> {
    print(concat!("vks ", env!("CARGO_PKG_VERSION"), "\n"))?;
    Ok(Outcome::Done)
}
