//! `vks get` and `vks wait` of controllers.

use super::columns::Columns;
use super::{Look, Shown, Which, not_found, object, one_of};
use crate::cli::context::{Context, Outcome};
use crate::cli::error::CliError;
use crate::cli::object::{list, to_json};
use crate::cli::pods::now;
use crate::cli::table::{Cell, Colours, Table};
use crate::cli::view::{Filter, Host, Watch};
use crate::cli::yaml::to_yaml;
use crate::model::controller::ControllerKind;
use crate::model::name::{ObjectKey, ObjectName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::{Instant, sleep_until};

/// How they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// A table.
    Table,
    /// Whole objects as YAML.
    Yaml,
    /// Whole objects as JSON.
    Json,
    /// Only the names.
    Name,
}

/// What to print.
pub struct Wanted {
    /// The kind.
    pub kind: ControllerKind,
    /// Which of them.
    pub which: Which,
    /// How.
    pub print: Print,
    /// Columns of a table.
    pub columns: Columns,
    /// A header above a table.
    pub header: bool,
    /// Then every change: none, after what there is, or only those.
    pub watch: Option<bool>,
    /// No failure when a name is not found.
    pub ignore_not_found: bool,
}

/// Prints them; then every change, where that is asked for.
pub async fn get(wanted: &Wanted, context: &Context) -> Result<Outcome, CliError> {
    let host = Host::open(&context.settings).await?;
    let mut watch = match wanted.watch {
        Some(_) => Some(host.watch(Filter::default()).await?),
        None => None,
    };
    if let Some(watch) = &mut watch {
        // The first view is what there is now.
        watch.next().await?;
    }
    let mut look = Look::at(&host, &context.settings).await?;
    let kind = wanted.kind;
    let headers = wanted.columns.headers(kind);
    let mut table = Table::new(&headers, wanted.header, Colours::of_stdout());
    let shown = look.all(kind, &wanted.which);
    if wanted.watch != Some(true) {
        context.print(&all(wanted, &shown, &mut table))?;
    }
    let wrong = tell_missing(wanted, &shown, context);
    match watch {
        _ if wrong => Ok(Outcome::Code(1)),
        None => Ok(Outcome::Done),
        Some(mut watch) => {
            let mut before = objects(&shown);
            loop {
                look = next(&mut watch, &mut look, &host, context).await?;
                let shown = look.all(kind, &wanted.which);
                let after = objects(&shown);
                let new = shown.iter().filter(|s| {
                    let key = &s.controller.key.object;
                    before.get(key) != after.get(key)
                });
                let new: Vec<Shown<'_>> = new.copied().collect();
                if !new.is_empty() {
                    context.print(&each(wanted, &new, &mut table))?;
                }
                before = after;
            }
        }
    }
}

/// Says what was not found; whether that is a failure.
fn tell_missing(wanted: &Wanted, shown: &[Shown<'_>], context: &Context) -> bool {
    if wanted.ignore_not_found {
        return false;
    }
    let found: BTreeSet<&ObjectName> = shown
        .iter()
        .map(|s| &s.controller.key.object.name)
        .collect();
    let names = wanted.which.names.iter();
    let missing: Vec<&ObjectName> = names.filter(|name| !found.contains(name)).collect();
    for name in &missing {
        let error = not_found(wanted.kind, name, context);
        context.tell(format_args!("error: {error}"));
    }
    let whole = matches!(wanted.print, Print::Yaml | Print::Json);
    if shown.is_empty() && wanted.which.names.is_empty() && !whole {
        match &wanted.which.namespace {
            None => context.tell("No resources found"),
            Some(namespace) => {
                context.tell(format_args!("No resources found in {namespace} namespace."));
            }
        }
    }
    !missing.is_empty()
}

/// Waits for news, or for the time at which there may be some.
async fn next(
    watch: &mut Watch,
    look: &mut Look,
    host: &Host,
    context: &Context,
) -> Result<Look, CliError> {
    let wake = look
        .wake()
        .and_then(|after| Instant::now().checked_add(after));
    tokio::select! {
        view = watch.next() => drop(view?),
        () = until(wake) => {}
    }
    Look::at(host, &context.settings).await
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn objects(shown: &[Shown<'_>]) -> BTreeMap<ObjectKey, Value> {
    let pair = |s: &Shown<'_>| (s.controller.key.object.clone(), object(*s));
    shown.iter().map(pair).collect()
}

fn all(wanted: &Wanted, shown: &[Shown<'_>], table: &mut Table) -> String {
    let whole = |value: &Value| match wanted.print {
        Print::Json => to_json(value),
        _ => to_yaml(value),
    };
    match wanted.print {
        Print::Yaml | Print::Json if wanted.watch.is_some() => each(wanted, shown, table),
        Print::Yaml | Print::Json if wanted.which.names.len() == 1 => {
            shown.iter().map(|s| whole(&object(*s))).collect()
        }
        Print::Yaml | Print::Json => whole(&list(shown.iter().map(|s| object(*s)).collect())),
        Print::Table | Print::Name => each(wanted, shown, table),
    }
}

fn each(wanted: &Wanted, shown: &[Shown<'_>], table: &mut Table) -> String {
    let moment = now();
    match wanted.print {
        Print::Table => {
            let rows: Vec<Vec<Cell>> = shown
                .iter()
                .map(|s| wanted.columns.row(*s, moment))
                .collect();
            table.text(rows)
        }
        Print::Name => {
            let line = |s: &Shown<'_>| {
                let key = &s.controller.key;
                format!("{}/{}\n", one_of(key.kind), key.object.name)
            };
            shown.iter().map(line).collect()
        }
        Print::Yaml => shown
            .iter()
            .map(|s| format!("---\n{}", to_yaml(&object(*s))))
            .collect(),
        Print::Json => shown.iter().map(|s| to_json(&object(*s))).collect(),
    }
}

/// Waits until each of some controllers is as `met` says, or until `end`. Gives back those that are not; `told` hears of
/// each that is. With `gone`, those that are not there are as they should be.
pub async fn wait(
    kind: ControllerKind,
    which: &Which,
    met: impl Fn(&Value) -> bool,
    gone: bool,
    end: Option<Instant>,
    context: &Context,
) -> Result<Vec<ObjectName>, CliError> {
    let host = Host::open(&context.settings).await?;
    let mut watch = host.watch(Filter::default()).await?;
    watch.next().await?;
    let mut look = Look::at(&host, &context.settings).await?;
    let mut left: Option<BTreeSet<ObjectName>> = None;
    loop {
        let shown = look.all(kind, which);
        let there =
            |name: &ObjectName| shown.iter().find(|s| s.controller.key.object.name == *name);
        let names = match left.take() {
            Some(left) => left,
            None if which.names.is_empty() => shown
                .iter()
                .map(|s| s.controller.key.object.name.clone())
                .collect(),
            None => which.names.iter().cloned().collect(),
        };
        let mut rest = BTreeSet::new();
        for name in names {
            let done = match there(&name) {
                Some(shown) => !gone && met(&object(*shown)),
                None if gone => true,
                None => return Err(not_found(kind, &name, context)),
            };
            match done {
                true => context.print(&format!("{}/{name} condition met\n", one_of(kind)))?,
                false => drop(rest.insert(name)),
            }
        }
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        left = Some(rest.clone());
        let news = next(&mut watch, &mut look, &host, context);
        tokio::select! {
            new = news => look = new?,
            () = until(end) => return Ok(rest.into_iter().collect()),
        }
    }
}
