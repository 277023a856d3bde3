//! `vks man`: manual pages from the same text as `--help`.

use super::Cli;
use super::context::{Outcome, print};
use super::error::CliError;
use clap::CommandFactory;
use clap_mangen::Man;
use std::io;
use std::path::PathBuf;

/// Print the manual page, or write one for every command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Read the page
  vks man | man -l -

  # Install all pages: vks.1, vks-get.1, vks-logs.1, ...
  vks man --dir /usr/local/share/man/man1")]
pub struct Args {
    /// Write the pages of vks and all its commands to this directory, which is made if need be
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Why the pages could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ManError {
    /// The text of the page.
    #[error("make the manual page")]
    Render(#[source] io::Error),
    /// Writing them.
    #[error("write manual pages to {}", dir.display())]
    Write {
        /// Where to.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Prints or writes the pages.
pub fn run(args: &Args) -> Result<Outcome, CliError> {
    let command = Cli::command();
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .map_err(|source| ManError::Write {
                dir: dir.clone(),
                source,
            })?;
    } else {
        let mut page = Vec::new();
        Man::new(command)
            .render(&mut page)
            .map_err(ManError::Render)?;
        print(&String::from_utf8_lossy(&page))?;
    }
    Ok(Outcome::Done)
}
