//! `vks completions SHELL`.

use super::Cli;
use super::context::{Outcome, print};
use super::error::CliError;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks completions bash > /usr/share/bash-completion/completions/vks
  vks completions zsh > /usr/local/share/zsh/site-functions/_vks
  vks completions fish > ~/.config/fish/completions/vks.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vks", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
