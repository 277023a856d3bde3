//! `vks render`.

mod given;

use super::context::{Context, Outcome};
use super::error::CliError;
use super::manifests;
use crate::host::files::Dir;
use crate::plan::{RENDER_SEED, new_uid, units};
use std::path::PathBuf;

/// Show the units that manifests become; touches nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # To standard output
  vks render -f web.yaml

  # Into a directory, one file for each unit
  vks render -f web.yaml --output-dir ./made")]
pub struct Args {
    /// Files and directories with manifests; - is standard input (default: all configured sources)
    #[arg(short, long = "filename", value_name = "PATH")]
    pub filename: Vec<PathBuf>,
    /// Write the units to this directory instead
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Only those that can be part of a host's configuration, for which this file has the options
    #[arg(long, value_name = "FILE", hide = true, requires = "output_dir")]
    pub given: Option<PathBuf>,
}

/// Prints the units, or writes them to a directory.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut desired = manifests::desired(&args.filename, context)?;
    if manifests::tell_problems(&desired.problems, context) {
        return Ok(Outcome::Code(1));
    }
    if let (Some(options), Some(output)) = (&args.given, &args.output_dir) {
        let wrong = given::write(options, output, desired, context)?;
        return Ok(match wrong {
            true => Outcome::Code(1),
            false => Outcome::Done,
        });
    }
    let more = crate::agent::controllers::sample(&mut desired, &context.settings);
    let mut units: Vec<_> = more.into_iter().collect();
    for (key, pod) in &desired.pods {
        let uid = pod.uid.clone().unwrap_or_else(|| new_uid(key, RENDER_SEED));
        match units::render(pod, &uid, &desired, &context.settings) {
            Ok(rendered) if rendered.blocked.is_empty() => {
                let files = rendered.units.into_iter();
                units.extend(files.map(|(name, unit)| (name, unit.file)));
            }
            rendered => {
                let all =
                    rendered.map_or_else(|blocked| vec![blocked], |rendered| rendered.blocked);
                for blocked in all {
                    context.tell(format_args!("error: pod {key}: {}", blocked.message));
                }
                return Ok(Outcome::Code(1));
            }
        }
    }
    match &args.output_dir {
        None => {
            for (index, (name, unit)) in units.iter().enumerate() {
                let gap = if index > 0 { "\n" } else { "" };
                context.print(&format!("{gap}# {name}\n{unit}"))?;
            }
        }
        Some(path) => {
            let dir = Dir::create(path).map_err(CliError::File)?;
            for (name, unit) in &units {
                let text = unit.to_string();
                dir.write(name.as_str(), text.as_bytes(), 0o644)
                    .map_err(CliError::File)?;
            }
            context.tell(format_args!(
                "{} units written to {}",
                units.len(),
                path.display()
            ));
        }
    }
    Ok(Outcome::Done)
}
