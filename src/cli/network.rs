//! `vks network`: the host's part of the pods' network, by hand.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::view::{Filter, Host, ViewError};
use crate::agent::AgentError;
use crate::host::systemd::Systemd;
use crate::plan::network::{HOST_UNIT, MESH_UNIT};
use crate::worker::wire::{self, check};

/// Look after the network of pods
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # What is wrong, and what to do about it
  vks network check

  # Set up again what somebody has removed
  vks network up

  # Put the host's network back as it was, when no pod has an address any more
  vks network down")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Find what is wrong and say what to do; exit status 1 if there is anything
    Check,
    /// Set up the host's part: forwarding, addresses, the table inet vks
    Up,
    /// Put everything back as it was
    Down,
}

/// Runs it.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    match args.act {
        Act::Check => check_all(context).await,
        Act::Up => {
            let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
            let started = systemd.start(&HOST_UNIT.into()).await;
            started.map_err(AgentError::Systemd)?;
            wire::up(&context.settings)?;
            Ok(Outcome::Done)
        }
        Act::Down => down(context).await,
    }
}

async fn down(context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    let view = host.running(&Filter::default()).await?;
    let with = view.pods.iter().filter(|pod| {
        let observed = pod.observed.as_ref();
        observed.is_some_and(|observed| !observed.addresses.is_empty())
    });
    let names: Vec<String> = with.map(|pod| pod.report.key.to_string()).collect();
    if let Some(first) = names.first() {
        context.tell(format_args!(
            "error: {} pods have addresses, {first} among them: delete them first",
            names.len()
        ));
        return Ok(Outcome::Code(1));
    }
    let systemd = Systemd::connect(None).await.map_err(AgentError::Systemd)?;
    // The mesh last: without the host's part nobody is behind it any more.
    for name in [HOST_UNIT, MESH_UNIT] {
        let stopped = systemd.stop_and_wait(&name.into()).await;
        stopped.map_err(AgentError::Systemd)?;
    }
    // Also what the unit knows nothing of, such as what was set up by hand.
    wire::down(&context.settings)?;
    Ok(Outcome::Done)
}

async fn check_all(context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    let view = host.running(&Filter::default()).await?;
    let pods = view.pods.iter().filter_map(|pod| {
        let observed = pod.observed.as_ref()?;
        let up = pod.report.status.conditions.first()?.status;
        up.then(|| (pod.report.key.to_string(), observed.addresses.clone()))
    });
    let pods: Vec<_> = pods
        .filter(|(_, addresses)| !addresses.is_empty())
        .collect();
    let settings = context.settings.clone();
    let look = tokio::task::spawn_blocking(move || check::findings(&settings, &pods));
    let findings = look.await.map_err(|_| ViewError::Interrupted)?;
    for finding in &findings {
        context.print(&format!("{finding}\n"))?;
    }
    if findings.is_empty() {
        context.print("The network of pods is in order.\n")?;
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Code(1))
}
