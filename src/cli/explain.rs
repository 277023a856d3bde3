//! `vks explain`: a field of a manifest, what it means and what it becomes, in the layout of `kubectl explain`.

use super::context::{Outcome, print};
use super::error::CliError;
use crate::source::fields::{Found, Given, Standing, Table, find};
use std::fmt::Write;

/// Explain a field of a manifest: what it means and what it becomes in the units
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A kind and its fields
  vks explain pods

  # One field
  vks explain pod.spec.containers.livenessProbe

  # All below it
  vks explain pod.spec.volumes --recursive")]
pub struct Args {
    /// A kind, and fields of it, with dots between them
    #[arg(value_name = "KIND[.FIELD...]")]
    path: String,
    /// Show the names of all fields below it
    #[arg(short = 'R', long)]
    recursive: bool,
}

/// Prints what the table of fields says.
pub fn run(args: &Args) -> Result<Outcome, CliError> {
    let found = find(&args.path)?;
    print(&explain(&found, args.recursive))?;
    Ok(Outcome::Done)
}

/// The width of the text.
const WIDTH: usize = 80;

fn explain(found: &Found, recursive: bool) -> String {
    let mut out = String::new();
    let version = match found.version.split_once('/') {
        Some((group, version)) => {
            let _ = writeln!(out, "GROUP:      {group}");
            version
        }
        None => found.version,
    };
    let _ = writeln!(out, "KIND:       {}\nVERSION:    {version}\n", found.kind);
    if let Some((name, standing)) = &found.field {
        let _ = writeln!(
            out,
            "FIELD: {name} {}\n",
            kind(standing, found.holder, name)
        );
    }
    out.push_str("DESCRIPTION:\n");
    match &found.field {
        Some((_, standing)) => about(&mut out, standing),
        None => paragraph(&mut out, 4, found.table.map_or("", |table| table.about)),
    }
    if let Some(table) = found.table {
        let fields = table.fields();
        if !fields.is_empty() {
            out.push_str("\nFIELDS:\n");
        }
        if recursive {
            tree(&mut out, 2, table, &mut Vec::new());
        } else {
            list(&mut out, table);
        }
    }
    out
}

/// What a field holds, or that it is not given.
fn kind(standing: &Standing, holder: Option<&Table>, name: &str) -> String {
    match standing {
        Standing::Given(given) => format!("<{}>", given.shape.text()),
        Standing::Advisory(_) => {
            let shape = holder.and_then(|table| table.shape_of_advisory(name));
            format!("<{}> -advisory-", shape.unwrap_or("Object"))
        }
        Standing::Refused(..) => "-refused-".to_owned(),
    }
}

fn about(out: &mut String, standing: &Standing) {
    match standing {
        Standing::Given(given) => {
            paragraph(out, 4, given.about);
            // Some fields say the same as what they hold.
            let table = given.shape.table();
            if let Some(table) = table.filter(|table| table.about != given.about) {
                paragraph(out, 4, table.about);
            }
            if let Some(words) = given.shape.words() {
                paragraph(out, 4, &format!("One of: {}.", words.join(", ")));
            }
            let becomes = becomes(given);
            if !becomes.is_empty() {
                out.push_str("\nUNIT:\n");
                paragraph(out, 4, &becomes);
            }
            if let Some(version) = given.since {
                let _ = writeln!(out, "\nSYSTEMD:\n    {version} or newer");
            }
        }
        _ => paragraph(out, 4, &without_effect(standing)),
    }
}

fn without_effect(standing: &Standing) -> String {
    match standing {
        Standing::Given(_) => String::new(),
        Standing::Advisory(why) => format!("Accepted, and changes nothing: {why}."),
        Standing::Refused(why, unset) => {
            let unless = if *unset {
                " unless it says what its absence says (false, 0, empty)"
            } else {
                ""
            };
            format!("Refused{unless}: {why}.")
        }
    }
}

/// The unit keys of a field and what more it does: `ExecStart= (through vks as)`.
pub fn becomes(given: &Given) -> String {
    let keys = given.keys.join(" ");
    match (keys.is_empty(), given.note.is_empty()) {
        (_, true) => keys,
        (true, false) => given.note.to_owned(),
        (false, false) => format!("{keys} ({})", given.note),
    }
}

fn list(out: &mut String, table: &Table) {
    for (name, standing) in table.fields() {
        let _ = writeln!(out, "  {name}\t{}", kind(&standing, Some(table), name));
        match &standing {
            Standing::Given(given) => {
                paragraph(out, 4, given.about);
                let becomes = becomes(given);
                if !becomes.is_empty() {
                    paragraph(out, 4, &format!("Unit: {becomes}"));
                }
            }
            _ => paragraph(out, 4, &without_effect(&standing)),
        }
        out.push('\n');
    }
}

/// The names alone, set in by level. A type within itself is not entered again.
fn tree(out: &mut String, indent: usize, table: &'static Table, above: &mut Vec<*const Table>) {
    above.push(table);
    for (name, standing) in table.fields() {
        let _ = writeln!(
            out,
            "{}{name}\t{}",
            " ".repeat(indent),
            kind(&standing, Some(table), name)
        );
        if let Standing::Given(given) = standing
            && let Some(within) = given.shape.table()
            && !above.contains(&(within as *const Table))
        {
            tree(out, indent + 2, within, above);
        }
    }
    above.pop();
}

/// Text in lines of at most [`WIDTH`].
fn paragraph(out: &mut String, indent: usize, text: &str) {
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        if line.len() > indent && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line.truncate(indent);
        }
        if line.len() > indent {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.len() > indent {
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fields::KINDS;

    #[test]
    fn the_layout_is_kubectls() {
        let text = explain(&find("pod.spec.containers.livenessProbe").unwrap(), false);
        let head = "KIND:       Pod\nVERSION:    v1\n\nFIELD: livenessProbe <Probe>\n\nDESCRIPTION:\n    When this fails";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\nUNIT:\n    Probes= ("), "{text}");
        assert!(
            text.contains("\nFIELDS:\n  exec\t<ExecAction>\n    A program"),
            "{text}"
        );
        let text = explain(&find("deployment").unwrap(), false);
        assert!(
            text.starts_with(
                "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nDESCRIPTION:\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_has_no_effect_says_why() {
        let text = explain(&find("pod.spec.affinity").unwrap(), false);
        assert!(text.contains("FIELD: affinity -refused-\n"), "{text}");
        assert!(text.contains("Refused unless it says"), "{text}");
        let text = explain(&find("pod.spec.tolerations").unwrap(), false);
        assert!(
            text.contains("FIELD: tolerations <[]Object> -advisory-\n"),
            "{text}"
        );
    }

    #[test]
    fn everything_can_be_explained_to_the_bottom() {
        for (kind, _, _) in KINDS {
            let text = explain(&find(kind).unwrap(), true);
            assert!(text.contains("\nFIELDS:\n"), "{kind}");
            assert!(text.lines().all(|line| line.len() < 120), "{kind}");
        }
        let text = explain(&find("pod").unwrap(), true);
        assert!(
            text.contains("\n    containers\t<[]Container>\n      args\t<[]string>\n"),
            "{text}"
        );
    }
}
