//! `vks events` and `vks get events`: what happened to pods, as the journal has it.

pub mod read;

use super::context::{Context, Outcome};
use super::duration::age;
use super::error::CliError;
use super::pods::now;
use super::table::{Cell, Colours, Table, Tone};
use super::target::Target;
use crate::model::name::{Namespace, ObjectName};
use crate::model::time::Timestamp;
use crate::observe::events::Event;
use read::Query;
use std::time::Duration;

/// List what happened to pods
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks events
  vks events --for pod/web --types Warning
  vks events -A --since 24h

Events are entries of the journal: those of vks, and systemd's own about the containers. They are there as long as the \
journal keeps them; those of the last hour are shown unless --since says otherwise.")]
pub struct Args {
    /// Only of this pod: web or pod/web
    #[arg(long = "for", value_name = "POD")]
    pod: Option<String>,
    /// Only of these types
    #[arg(long, value_name = "Normal|Warning", value_delimiter = ',')]
    types: Vec<Type>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Those of so long ago until now, such as 10m or 24h
    #[arg(long, value_name = "DURATION", value_parser = super::duration::parse, default_value = "1h")]
    since: Duration,
    /// No first line
    #[arg(long)]
    no_headers: bool,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Type {
    /// As it should be.
    Normal,
    /// Something to look at.
    Warning,
}

/// Prints the events, oldest first.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let pod = args.pod.as_deref().map(Target::parse_pod).transpose()?;
    let namespace = (!args.all_namespaces).then(|| context.namespace.clone());
    let mut events = since(args.since, namespace, pod).await?;
    events.retain(|event| {
        let kind = if event.warning {
            Type::Warning
        } else {
            Type::Normal
        };
        args.types.is_empty() || args.types.contains(&kind)
    });
    print(&events, args.all_namespaces, !args.no_headers, context)
}

/// The same for `vks get events`.
pub async fn list(
    all_namespaces: bool,
    headers: bool,
    context: &Context,
) -> Result<Outcome, CliError> {
    let namespace = (!all_namespaces).then(|| context.namespace.clone());
    let events = since(HOUR, namespace, None).await?;
    print(&events, all_namespaces, headers, context)
}

/// How long events are shown unless told otherwise (the API server keeps them as long).
pub const HOUR: Duration = Duration::from_secs(3600);

/// The events since some time ago.
pub async fn since(
    ago: Duration,
    namespace: Option<Namespace>,
    pod: Option<ObjectName>,
) -> Result<Vec<Event>, CliError> {
    let micros = u64::try_from(ago.as_micros()).unwrap_or(u64::MAX);
    let query = Query {
        since: Timestamp::from_micros(now().micros().saturating_sub(micros)),
        namespace,
        pod,
    };
    Ok(read::all(&query).await?)
}

fn print(
    events: &[Event],
    all_namespaces: bool,
    headers: bool,
    context: &Context,
) -> Result<Outcome, CliError> {
    if events.is_empty() {
        context.tell("No events found");
        return Ok(Outcome::Done);
    }
    let columns = [
        "NAMESPACE",
        "LAST SEEN",
        "TYPE",
        "REASON",
        "OBJECT",
        "MESSAGE",
    ];
    let skipped = usize::from(!all_namespaces);
    let mut table = Table::new(&columns[skipped..], headers, Colours::of_stdout());
    let rows = events.iter().map(|event| row(event).split_off(skipped));
    let text = table.text(rows.collect());
    context.print(&text)?;
    Ok(Outcome::Done)
}

fn row(event: &Event) -> Vec<Cell> {
    let tone = if event.warning {
        Tone::Bad
    } else {
        Tone::Plain
    };
    vec![
        event.pod.namespace.as_str().into(),
        seen(event).into(),
        Cell::toned(kind(event), tone),
        event.reason.as_str().into(),
        format!("pod/{}", event.pod.name).into(),
        super::describe::one_line(&event.message).into(),
    ]
}

/// `Normal` or `Warning`.
pub fn kind(event: &Event) -> &'static str {
    match event.warning {
        true => "Warning",
        false => "Normal",
    }
}

/// When it was seen last, and how often, as kubectl writes it: `5s (x3 over 2m)`.
pub fn seen(event: &Event) -> String {
    let now = now();
    let last = age(now.since(event.last));
    match event.count {
        1 => last,
        count => format!("{last} (x{count} over {})", age(now.since(event.first))),
    }
}
