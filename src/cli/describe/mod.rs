//! `vks describe`: all about a pod, in kubectl's layout.
//!
//! The text is made as lines with tabs between key and value; [`super::table::align`] sets the columns.

mod containers;
mod environment;
mod events;
mod fields;
mod pod;
mod volumes;

use super::context::{Context, Outcome};
use super::controllers;
use super::error::CliError;
use super::selector::Selector;
use super::table::align;
use super::target::{Kind, Target};
use super::view::{Filter, Host, PodView};
use crate::model::desired::Problem;
use crate::model::time::Timestamp;
use crate::observe::events::Event;
use jiff::tz::TimeZone;
use std::fmt::Write;

/// Show all about pods: containers, conditions, volumes, units
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks describe pod web
  vks describe pod/web pod/db
  vks describe pods -l app=web -A")]
pub struct Args {
    /// A kind (pods), a kind and names (pod web), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", required = true)]
    objects: Vec<String>,
    /// Only those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// Prints the descriptions, two blank lines between them.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = Target::parse(&args.objects)?;
    if !target.names.is_empty() && (args.selector.is_some() || args.all_namespaces) {
        return Err(CliError::Usage(
            "choose by name, or by -l and -A".to_owned(),
        ));
    }
    let filter = Filter {
        namespace: (!args.all_namespaces).then(|| context.namespace.clone()),
        names: target.names.clone(),
        selector: args.selector.clone().unwrap_or_default(),
    };
    if let Kind::Controller(kind) = target.kind {
        let which = controllers::Which {
            namespace: filter.namespace,
            names: filter.names,
            selector: filter.selector,
        };
        return controllers::describe(kind, &which, context).await;
    }
    let target = Target::parse_pods(&args.objects)?;
    let view = Host::open(&context.settings).await?.view(&filter).await?;
    let events = events_of(&filter, context).await;
    let scene = Scene {
        events: &events,
        node: context.settings.node_name.clone(),
        zone: TimeZone::system(),
        problems: &view.problems,
    };
    let texts: Vec<String> = view.pods.iter().map(|pod| describe(pod, &scene)).collect();
    context.print(&texts.join("\n\n"))?;
    let mut outcome = Outcome::Done;
    for name in &target.names {
        if !view.pods.iter().any(|pod| pod.report.key.name == *name) {
            let (kind, namespace) = ("pods", context.namespace.clone());
            let name = name.clone();
            context.tell(format_args!(
                "error: {}",
                CliError::NotFound {
                    kind,
                    name,
                    namespace
                }
            ));
            outcome = Outcome::Code(1);
        }
    }
    if view.pods.is_empty() && target.names.is_empty() {
        context.tell("No resources found");
    }
    Ok(outcome)
}

/// The events of the last hour. A description without them is better than none.
async fn events_of(filter: &Filter, context: &Context) -> Vec<Event> {
    let name = match &filter.names[..] {
        [name] => Some(name.clone()),
        _ => None,
    };
    let all = super::events::since(super::events::HOUR, filter.namespace.clone(), name);
    all.await.unwrap_or_else(|error| {
        context.tell(format_args!("events cannot be read: {error}"));
        Vec::new()
    })
}

/// What a description needs besides the pod.
struct Scene<'a> {
    node: String,
    zone: TimeZone,
    problems: &'a [Problem],
    events: &'a [Event],
}

impl Scene<'_> {
    /// A time as kubectl describe writes it: `Tue, 14 Nov 2023 22:13:20 +0000`.
    fn time(&self, time: Timestamp) -> String {
        let micros = i64::try_from(time.micros()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_microsecond(micros).map_or_else(
            |_| time.to_string(),
            |time| {
                let local = time.to_zoned(self.zone.clone());
                local.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
            },
        )
    }
}

/// The description of a pod.
fn describe(pod: &PodView, scene: &Scene) -> String {
    let mut text = Text::default();
    pod::head(&mut text, pod, scene);
    containers::sections(&mut text, pod, scene);
    pod::conditions(&mut text, pod);
    volumes::section(&mut text, pod);
    fields::section(&mut text, pod);
    pod::units(&mut text, pod);
    events::section(&mut text, pod, scene);
    align(&text.0)
}

/// Lines with tabs, set in by level.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    /// A line as it is.
    fn line(&mut self, level: usize, line: &str) {
        let _ = writeln!(self.0, "{}{}", "  ".repeat(level), one_line(line));
    }

    /// `key:` and a value in the next column.
    fn pair(&mut self, level: usize, key: &str, value: &str) {
        let _ = writeln!(
            self.0,
            "{}{key}:\t{}",
            "  ".repeat(level),
            one_line(value).trim_end()
        );
    }
}

/// A value may hold line breaks and control characters: they must neither begin a line nor reach the terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => line.push(c),
            '\n' => line.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(line, "\\x{:02x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line
}

/// `Some("x")` of text, `None` of anything empty.
fn some(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
