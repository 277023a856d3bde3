//! `vks get`: a table, or whole objects.

mod printer;

use super::context::{Context, Outcome};
use super::controllers;
use super::error::CliError;
use super::published;
use super::selector::Selector;
use super::target::{Kind, Target};
use super::view::{Filter, Host, View, Watch};
use crate::model::controller::ControllerKind;
use crate::model::desired::Problem;
use clap::ValueEnum;
use printer::Printer;

/// List pods, what makes them and what leads to them, or show them whole
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The pods of a namespace, of all namespaces
  vks get pods -n web
  vks get pods -A -o wide

  # One pod with its status, as the Kubernetes API has it
  vks get pod web -o yaml

  # Those with a label; then every change as it happens
  vks get pods -l 'app=web,tier in (front,back)' -w

  # What makes pods: deployments, statefulsets, daemonsets, jobs, cronjobs
  vks get deployments,jobs -A

  # For scripts
  vks get pods -o name
  vks get pods -o json | jq -r '.items[].status.phase'

What is wrong with manifests is said on standard error; what runs from them is kept, and the exit status is 0.")]
pub struct Args {
    /// A kind (pods, services, deployments, jobs, events), a kind and names (pod web db), or kind/name (pod/web)
    #[arg(value_name = "KIND[/NAME]", required = true)]
    objects: Vec<String>,
    /// Instead of the usual table
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Only those whose labels match, such as app=web,tier!=db,env in (a,b),!canary
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Then print every change, until interrupted
    #[arg(short, long)]
    watch: bool,
    /// Only the changes
    #[arg(long, conflicts_with = "watch")]
    watch_only: bool,
    /// All labels in a column
    #[arg(long)]
    show_labels: bool,
    /// No first line
    #[arg(long)]
    no_headers: bool,
    /// No failure when a name is not found
    #[arg(long)]
    ignore_not_found: bool,
}

/// How objects are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The table with addresses, node, and how far a pod is shut in
    Wide,
    /// Whole objects as YAML
    Yaml,
    /// Whole objects as JSON
    Json,
    /// Only pod/NAME
    Name,
}

/// Prints the pods; with `-w`, every change too.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    if let Some((kind, names)) = published::parse(&args.objects)? {
        let ask = published::Ask {
            names,
            everywhere: args.all_namespaces,
            headers: !args.no_headers,
            format: args.output,
        };
        return published::run(kind, &ask, context);
    }
    if let [kind] = &args.objects[..]
        && ["event", "events", "ev"].contains(&kind.as_str())
    {
        if args.output.is_some() || args.selector.is_some() || args.watch || args.watch_only {
            let usage = "events are a table only: leave out -o, -l and -w, or see journalctl(1)";
            return Err(CliError::Usage(usage.to_owned()));
        }
        return super::events::list(args.all_namespaces, !args.no_headers, context).await;
    }
    if let Some(kinds) = kinds(&args.objects) {
        return several(args, &kinds, context).await;
    }
    let target = Target::parse(&args.objects)?;
    let filter = filter(args, &target, context)?;
    if let Kind::Controller(kind) = target.kind {
        return controllers::get(&wanted(args, kind, filter), context).await;
    }
    let target = Target::parse_pods(&args.objects)?;
    let host = Host::open(&context.settings).await?;
    let watching = args.watch || args.watch_only;
    let mut watch = match watching {
        true => Some(host.watch(filter.clone()).await?),
        false => None,
    };
    let view = match &mut watch {
        Some(watch) => watch.next().await?,
        None => host.view(&filter).await?,
    };
    let mut printer = Printer::new(args, &target, context);
    printer.learn(&view.pods).await;
    if !args.watch_only {
        context.print(&printer.all(&view.pods, watching))?;
    }
    let missing = report_missing(args, &target, &view, context);
    report_nothing(args, &target, &view, context);
    report_problems(&view.problems, context);
    match watch {
        _ if missing => Ok(Outcome::Code(1)),
        Some(watch) => print_changes(view, watch, printer, context).await,
        None => Ok(Outcome::Done),
    }
}

/// The kinds of a list such as `deployments,jobs`, if it is one; `all` is one.
fn kinds(objects: &[String]) -> Option<Vec<String>> {
    const ALL: &str = "pods,daemonsets,deployments,statefulsets,cronjobs,jobs";
    let [words] = objects else { return None };
    let words = if words == "all" { ALL } else { words };
    let kinds: Vec<String> = words.split(',').map(str::to_owned).collect();
    (kinds.len() > 1 && !words.contains('/')).then_some(kinds)
}

/// One kind after the other, an empty line between them.
async fn several(args: &Args, kinds: &[String], context: &Context) -> Result<Outcome, CliError> {
    let whole = matches!(args.output, Some(Format::Yaml | Format::Json));
    if args.watch || args.watch_only || whole {
        return Err(CliError::Usage(
            "several kinds at a time go with tables and -o name only: ask for one kind".to_owned(),
        ));
    }
    let mut outcome = Outcome::Done;
    for (number, kind) in kinds.iter().enumerate() {
        if number > 0 && args.output != Some(Format::Name) {
            context.print("\n")?;
        }
        let one = Args {
            objects: vec![kind.clone()],
            selector: args.selector.clone(),
            ..*args
        };
        if let Outcome::Code(code) = Box::pin(run(&one, context)).await? {
            outcome = Outcome::Code(code);
        }
    }
    Ok(outcome)
}

/// The same for controllers.
fn wanted(args: &Args, kind: ControllerKind, filter: Filter) -> controllers::Wanted {
    controllers::Wanted {
        kind,
        which: controllers::Which {
            namespace: filter.namespace,
            names: filter.names,
            selector: filter.selector,
        },
        print: match args.output {
            None | Some(Format::Wide) => controllers::Print::Table,
            Some(Format::Yaml) => controllers::Print::Yaml,
            Some(Format::Json) => controllers::Print::Json,
            Some(Format::Name) => controllers::Print::Name,
        },
        columns: controllers::Columns {
            namespace: args.all_namespaces,
            wide: args.output == Some(Format::Wide),
            labels: args.show_labels,
        },
        header: !args.no_headers,
        watch: (args.watch || args.watch_only).then_some(args.watch_only),
        ignore_not_found: args.ignore_not_found,
    }
}

/// Prints every change until the host cannot be asked any more.
async fn print_changes(
    mut before: View,
    mut watch: Watch,
    mut printer: Printer<'_>,
    context: &Context,
) -> Result<Outcome, CliError> {
    loop {
        let after = watch.next().await?;
        printer.learn(&after.pods).await;
        let text = printer.changes(&before.pods, &after.pods);
        if !text.is_empty() {
            context.print(&text)?;
        }
        if before.problems != after.problems {
            report_problems(&after.problems, context);
        }
        before = after;
    }
}

fn filter(args: &Args, target: &Target, context: &Context) -> Result<Filter, CliError> {
    let usage = |text: &str| Err(CliError::Usage(text.to_owned()));
    if !target.names.is_empty() && args.selector.is_some() {
        return usage("choose by name or by selector, not by both");
    }
    if !target.names.is_empty() && args.all_namespaces {
        return usage("a name is unique in one namespace only: leave -A out, or the name");
    }
    Ok(Filter {
        namespace: (!args.all_namespaces).then(|| context.namespace.clone()),
        names: target.names.clone(),
        selector: args.selector.clone().unwrap_or_default(),
    })
}

/// Says which names were not found; whether there were any.
fn report_missing(args: &Args, target: &Target, view: &View, context: &Context) -> bool {
    let mut missing = false;
    for name in &target.names {
        if args.ignore_not_found || view.pods.iter().any(|pod| pod.report.key.name == *name) {
            continue;
        }
        missing = true;
        let error = CliError::NotFound {
            kind: "pods",
            name: name.clone(),
            namespace: context.namespace.clone(),
        };
        context.tell(format_args!("error: {error}"));
    }
    missing
}

fn report_nothing(args: &Args, target: &Target, view: &View, context: &Context) {
    let whole = matches!(args.output, Some(Format::Yaml | Format::Json));
    if !view.pods.is_empty() || !target.names.is_empty() || whole || args.ignore_not_found {
        return;
    }
    match args.all_namespaces {
        true => context.tell("No resources found"),
        false => context.tell(format_args!(
            "No resources found in {} namespace.",
            context.namespace
        )),
    }
}

fn report_problems(problems: &[Problem], context: &Context) {
    for problem in problems {
        context.tell(format_args!(
            "warning: {problem}; what runs from it is kept"
        ));
    }
}
