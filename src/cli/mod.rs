//! The command line, in kubectl's words: one file for each verb, each with its arguments, its help and
//! the function that does it. The only part of vks that prints.
//!
//! ```text
//!  arguments -> verb -> view (the host, read) -> pure text: table, yaml, object, describe, selector, duration
//! ```
//!
//! Answers go to standard output, everything else to standard error. A verb returns an [`Outcome`] or a
//! [`CliError`]; `main` turns them into exit codes: 0 done, 1 failed or not found, 2 not understood.

pub mod apply;
pub mod completions;
pub mod condition;
pub mod context;
pub mod controllers;
pub mod delete;
pub mod describe;
pub mod due;
pub mod duration;
pub mod error;
pub mod events;
pub mod exec;
pub mod explain;
mod exposures;
mod fill;
pub mod get;
pub mod grace;
pub mod image;
pub mod join;
pub mod jsonpath;
pub mod logging;
pub mod logs;
pub mod man;
pub mod manifests;
pub mod network;
pub mod object;
mod owned;
pub mod plan;
pub mod pods;
mod profile;
pub mod published;
pub mod render;
pub mod restart;
pub mod rollout;
pub mod run;
pub mod scale;
pub mod selector;
mod settled;
pub mod store;
pub mod table;
pub mod target;
pub mod terminal;
pub mod top;
pub mod verify;
pub mod version;
pub mod view;
pub mod wait;
pub mod wireguard;
pub mod yaml;

pub use context::{Context, Outcome};
pub use error::CliError;

use crate::config::Settings;
use crate::model::name::Namespace;
use clap::Parser;
use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;

/// Run pods as systemd units
///
/// Pods, written as Kubernetes manifests in TOML, YAML or JSON, become units that systemd starts, restarts,
/// orders, limits and brings up at boot. The verbs and their words are those of kubectl.
#[derive(Debug, Parser)]
#[command(
    name = "vks",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  # Check manifests, see what would change, then do it
  vks verify /etc/vks/pods.d
  vks plan
  vks apply -f web.yaml --wait

  # Look
  vks get pods -A
  vks describe pod web
  vks logs web -f

Exit status: 0 done, 1 failed or not found, 2 arguments not understood; exec passes on that of the command."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every verb.
#[derive(Debug, clap::Args)]
struct Global {
    /// The namespace of the objects meant (default: default)
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        help_heading = "Global options"
    )]
    namespace: Option<Namespace>,
    /// Read vks' own settings below this directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/",
        help_heading = "Global options"
    )]
    root: PathBuf,
    /// Say more on standard error; twice: even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    OnHost(OnHost),
    Explain(explain::Args),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

/// Verbs that read vks' settings, most of them also the host.
#[derive(Debug, clap::Subcommand)]
enum OnHost {
    Verify(verify::Args),
    Render(render::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Delete(delete::Args),
    Restart(restart::Args),
    Rollout(rollout::Args),
    Scale(scale::Args),
    Condition(condition::Args),
    Get(get::Args),
    Describe(describe::Args),
    Events(events::Args),
    Logs(logs::Args),
    Exec(exec::Args),
    Top(top::Args),
    Wait(wait::Args),
    Network(network::Args),
    Join(join::Args),
    Leave(join::LeaveArgs),
    Image(image::Args),
    Wireguard(wireguard::Args),
    Run(run::Args),
    #[command(hide = true)]
    Due(due::Args),
    #[command(hide = true)]
    Fill(fill::Args),
}

/// Does what the arguments, beginning with the program's name, say.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> Result<Outcome, CliError> {
    let Cli { global, command } = Cli::try_parse_from(argv).map_err(CliError::Arguments)?;
    logging::start(
        matches!(command, Command::OnHost(OnHost::Run(_))),
        global.verbose,
    );
    match command {
        // These need no host, and no settings that could be wrong.
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
        Command::OnHost(verb) => {
            let context = Context {
                settings: Settings::load(&global.root)?,
                root: global.root,
                namespace: global
                    .namespace
                    .unwrap_or_else(Namespace::default_namespace),
            };
            block_on(on_host(verb, &context))
        }
    }
}

async fn on_host(verb: OnHost, context: &Context) -> Result<Outcome, CliError> {
    match verb {
        OnHost::Verify(args) => verify::run(&args, context).await,
        OnHost::Render(args) => render::run(&args, context).await,
        OnHost::Plan(args) => plan::run(&args, context).await,
        OnHost::Apply(args) => apply::run(&args, context).await,
        OnHost::Delete(args) => delete::run(&args, context).await,
        OnHost::Restart(args) => restart::run(&args, context).await,
        OnHost::Rollout(args) => rollout::run(&args, context).await,
        OnHost::Condition(args) => condition::run(&args, context).await,
        OnHost::Scale(args) => scale::run(&args, context).await,
        OnHost::Get(args) => get::run(&args, context).await,
        OnHost::Describe(args) => describe::run(&args, context).await,
        OnHost::Events(args) => events::run(&args, context).await,
        OnHost::Logs(args) => logs::run(&args, context).await,
        OnHost::Exec(args) => exec::run(&args, context).await,
        OnHost::Top(args) => top::run(&args, context).await,
        OnHost::Wait(args) => wait::run(&args, context).await,
        OnHost::Network(args) => network::run(&args, context).await,
        OnHost::Join(args) => join::run(&args, context).await,
        OnHost::Leave(args) => join::leave(&args, context).await,
        OnHost::Image(args) => image::run(&args, context).await,
        OnHost::Wireguard(args) => wireguard::run(&args, context).await,
        OnHost::Run(args) => run::run(&args, context).await,
        OnHost::Due(args) => due::run(&args, context).await,
        OnHost::Fill(args) => fill::run(&args, context).await,
    }
}

/// Threads for what blocks: one may read standard input for good, one may wait for the lock.
const BLOCKING: usize = 4;

/// Runs a verb on an event loop of one thread.
fn block_on(verb: impl Future<Output = Result<Outcome, CliError>>) -> Result<Outcome, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Files are read and written by these: a hundred at once would not make it faster, only larger.
        .max_blocking_threads(BLOCKING)
        .build()
        .map_err(CliError::Runtime)?;
    let outcome = runtime.block_on(verb);
    // A thread may be reading standard input for good: do not wait for it.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests;
