//! `vks top`: what pods use, from two readings of their control groups.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::selector::Selector;
use super::table::{Cell, Colours, Table};
use super::view::{Filter, Host, PodView};
use crate::host::usage::{self, HIERARCHY, control_group, field};
use crate::model::name::{ObjectName, PodKey};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between the two readings.
const SPAN: Duration = Duration::from_secs(1);

/// Show the processor time and memory that pods use
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vks top pods
  vks top pods -A --containers
  vks top pod web

Processor time is measured for one second; memory leaves out what the kernel can drop at once.")]
pub struct Args {
    /// pods, and names for some of them only
    #[arg(value_name = "KIND[/NAME]", required = true)]
    objects: Vec<String>,
    /// A line for each container
    #[arg(long)]
    containers: bool,
    /// Only those whose labels match, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<Selector>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// No first line
    #[arg(long)]
    no_headers: bool,
}

/// Why use could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The host mounts the old hierarchy.
    #[error(
        "this host has no cgroup v2 at {0}: use cannot be measured here. Boot it with systemd.unified_cgroup_hierarchy=1"
    )]
    Hierarchy(&'static str),
    /// The memory controller is not there.
    #[error("{} has no {file}: the controller is switched off on this host (cgroup.controllers, cgroup_disable=)", group.display())]
    Controller {
        /// The group.
        group: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
    /// A file could not be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// One reading of a control group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reading {
    /// Processor time since its start, in microseconds.
    cpu: u64,
    /// Bytes in use, without inactive file pages.
    memory: u64,
}

/// A container that runs.
#[derive(Debug)]
struct Running {
    pod: PodKey,
    container: String,
    group: PathBuf,
}

/// Measures for a second and prints.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let target = super::target::Target::parse_pods(&args.objects)?;
    if !Path::new(HIERARCHY).join("cgroup.controllers").exists() {
        return Err(TopError::Hierarchy(HIERARCHY).into());
    }
    let filter = Filter {
        namespace: (!args.all_namespaces).then(|| context.namespace.clone()),
        names: target.names.clone(),
        selector: args.selector.clone().unwrap_or_default(),
    };
    let host = Host::open(&context.settings).await?;
    let view = host.running(&filter).await?;
    let missing = |name: &&ObjectName| !view.pods.iter().any(|pod| pod.report.key.name == **name);
    if let Some(name) = target.names.iter().find(missing) {
        let (kind, namespace) = ("pods", context.namespace.clone());
        let name = name.clone();
        return Err(CliError::NotFound {
            kind,
            name,
            namespace,
        });
    }
    let running = running(&view.pods);
    if running.is_empty() {
        context.tell("No running pods found");
        return Ok(Outcome::Done);
    }
    let start = Instant::now();
    let before = readings(&running)?;
    sleep_until(start + SPAN).await;
    let span = start.elapsed();
    let after = readings(&running)?;
    let mut uses = Vec::new();
    for (running, (before, after)) in running.iter().zip(before.iter().zip(&after)) {
        // A container that ended in between has nothing to show.
        if let (Some(before), Some(after)) = (before, after) {
            uses.push((running, usage(*before, *after, span)));
        }
    }
    context.print(&text(args, &uses))?;
    Ok(Outcome::Done)
}

fn running(pods: &[Arc<PodView>]) -> Vec<Running> {
    let mut found = Vec::new();
    for pod in pods {
        for (_, container) in pod.containers() {
            let name = container["name"].as_str().unwrap_or_default();
            let handle = name.parse().ok().and_then(|name| pod.handle(&name));
            let Some(handle) = handle.filter(|handle| handle.main_pid != 0) else {
                continue;
            };
            if let Some(group) = control_group(handle.main_pid, &handle.unit) {
                found.push(Running {
                    pod: pod.report.key.clone(),
                    container: name.to_owned(),
                    group,
                });
            }
        }
    }
    found
}

fn readings(running: &[Running]) -> Result<Vec<Option<Reading>>, TopError> {
    running
        .iter()
        .map(|running| reading(&running.group))
        .collect()
}

/// A reading; `None` when the group is gone.
fn reading(group: &Path) -> Result<Option<Reading>, TopError> {
    let file = |name| {
        usage::file(group, name).map_err(|source| TopError::Read {
            file: group.join(name),
            source,
        })
    };
    let Some(cpu) = file("cpu.stat")? else {
        return Ok(None);
    };
    let (current, stat) = (file("memory.current")?, file("memory.stat")?);
    let (Some(current), Some(stat)) = (current, stat) else {
        let file = "memory.current";
        let group = group.to_owned();
        return match group.exists() {
            true => Err(TopError::Controller { group, file }),
            false => Ok(None),
        };
    };
    let inactive = field(&stat, "inactive_file");
    let current = current.trim().parse().unwrap_or(0u64);
    Ok(Some(Reading {
        cpu: field(&cpu, "usage_usec"),
        memory: current.saturating_sub(inactive),
    }))
}

/// Thousandths of a core, rounded up, and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    millis: u64,
    bytes: u64,
}

fn usage(before: Reading, after: Reading, span: Duration) -> Usage {
    let used = u128::from(after.cpu.saturating_sub(before.cpu)) * 1000;
    let millis = used.div_ceil(span.as_micros().max(1));
    Usage {
        millis: u64::try_from(millis).unwrap_or(u64::MAX),
        bytes: after.memory,
    }
}

fn text(args: &Args, uses: &[(&Running, Usage)]) -> String {
    let mut columns = vec!["CPU(cores)", "MEMORY(bytes)"];
    let names: &[&str] = if args.containers {
        &["POD", "NAME"]
    } else {
        &["NAME"]
    };
    columns.splice(0..0, names.iter().copied());
    if args.all_namespaces {
        columns.insert(0, "NAMESPACE");
    }
    let mut rows: Vec<(Vec<String>, Usage)> = Vec::new();
    for (running, usage) in uses {
        let mut row = vec![running.pod.name.to_string()];
        if args.all_namespaces {
            row.insert(0, running.pod.namespace.to_string());
        }
        if args.containers {
            row.push(running.container.clone());
        }
        match rows.last_mut().filter(|(last, _)| *last == row) {
            Some((_, sum)) => {
                sum.millis += usage.millis;
                sum.bytes += usage.bytes;
            }
            None => rows.push((row, *usage)),
        }
    }
    let cells = rows.into_iter().map(|(names, usage)| {
        let amounts = [
            format!("{}m", usage.millis),
            format!("{}Mi", usage.bytes >> 20),
        ];
        names.into_iter().chain(amounts).map(Cell::from).collect()
    });
    Table::new(&columns, !args.no_headers, Colours(false)).text(cells.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_the_difference_over_the_time() {
        let before = Reading {
            cpu: 1_000_000,
            memory: 5,
        };
        let after = Reading {
            cpu: 1_012_001,
            memory: 7,
        };
        let used = usage(before, after, SPAN);
        assert_eq!(
            used,
            Usage {
                millis: 13,
                bytes: 7
            }
        );
        assert_eq!(usage(after, after, SPAN).millis, 0);
    }

    #[test]
    fn readings_come_from_the_files() {
        let dir = std::env::temp_dir().join(format!("vks-top-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let put = |name: &str, text: &str| {
            let mut file = std::fs::File::create(dir.join(name)).unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        };
        put("cpu.stat", "usage_usec 1234\nuser_usec 1\n");
        assert!(matches!(reading(&dir), Err(TopError::Controller { .. })));
        put("memory.current", "1000\n");
        put("memory.stat", "anon 1\ninactive_file 300\nactive_file 2\n");
        let found = reading(&dir).unwrap();
        assert_eq!(
            found,
            Some(Reading {
                cpu: 1234,
                memory: 700
            })
        );
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(reading(&dir).unwrap(), None);
    }

    #[test]
    fn a_pod_is_the_sum_of_its_containers() {
        let running = |pod: &str, container: &str| Running {
            pod: PodKey {
                namespace: crate::model::name::Namespace::default_namespace(),
                name: pod.parse().unwrap(),
            },
            container: container.into(),
            group: PathBuf::new(),
        };
        let all = [running("web", "a"), running("web", "b"), running("x", "a")];
        let usage = Usage {
            millis: 6,
            bytes: 17 << 20,
        };
        let uses: Vec<_> = all.iter().map(|running| (running, usage)).collect();
        let mut args = Args {
            objects: Vec::new(),
            containers: false,
            selector: None,
            all_namespaces: false,
            no_headers: false,
        };
        let pods = "NAME   CPU(cores)   MEMORY(bytes)\nweb    12m          34Mi\nx      6m           17Mi\n";
        assert_eq!(text(&args, &uses), pods);
        (args.containers, args.all_namespaces) = (true, true);
        let first = text(&args, &uses).lines().nth(1).unwrap().to_owned();
        assert_eq!(first, "default     web   a      6m           17Mi");
    }
}
