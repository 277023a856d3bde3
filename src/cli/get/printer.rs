//! Pods as `vks get` prints them: rows of a table, whole objects, or names.

use super::{Args, Format};
use crate::cli::context::Context;
use crate::cli::exposures::Exposures;
use crate::cli::object::{list, shown, to_json};
use crate::cli::pods::{Columns, Place, now};
use crate::cli::table::{Cell, Colours, Table};
use crate::cli::target::Target;
use crate::cli::view::PodView;
use crate::cli::yaml::to_yaml;
use crate::config::Settings;
use crate::model::name::PodKey;
use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Turns pods into text.
pub(super) struct Printer<'a> {
    format: Option<Format>,
    columns: Columns,
    table: Table,
    settings: &'a Settings,
    exposures: Exposures,
    /// One object was asked for by name: it is printed without a list around it.
    single: bool,
    /// YAML documents printed so far, which a line must separate.
    documents: usize,
}

impl<'a> Printer<'a> {
    /// As the arguments ask for.
    pub(super) fn new(args: &Args, target: &Target, context: &'a Context) -> Self {
        let columns = Columns {
            namespace: args.all_namespaces,
            wide: args.output == Some(Format::Wide),
            profile: context.settings.profile,
            labels: args.show_labels,
        };
        Self {
            format: args.output,
            columns,
            table: Table::new(&columns.headers(), !args.no_headers, Colours::of_stdout()),
            settings: &context.settings,
            exposures: Exposures::default(),
            single: target.names.len() == 1,
            documents: 0,
        }
    }

    /// Finds out what the table has to say of these pods beyond what was seen of them.
    pub(super) async fn learn(&mut self, pods: &[Arc<PodView>]) {
        if self.columns.wide {
            self.exposures.learn(pods, &self.settings.layout).await;
        }
    }

    /// The pods there are; when more will follow, whole objects come one by one.
    pub(super) fn all(&mut self, pods: &[Arc<PodView>], watching: bool) -> String {
        let layout = &self.settings.layout;
        let objects = || pods.iter().map(|pod| shown(&pod.report, layout));
        match self.format {
            Some(Format::Yaml | Format::Json) if watching => {
                pods.iter().map(|pod| self.whole(pod)).collect()
            }
            Some(Format::Yaml | Format::Json) if self.single => {
                objects().map(|object| self.value(&object)).collect()
            }
            Some(Format::Yaml | Format::Json) => self.value(&list(objects().collect())),
            Some(Format::Name) => pods.iter().map(|pod| name_line(pod)).collect(),
            None | Some(Format::Wide) => {
                let rows = pods.iter().map(|pod| self.row(pod)).collect();
                self.table.text(rows)
            }
        }
    }

    /// What is new: changed and new pods, then those that are gone.
    pub(super) fn changes(&mut self, before: &[Arc<PodView>], after: &[Arc<PodView>]) -> String {
        let by_key = |pods: &'_ [Arc<PodView>]| -> BTreeMap<PodKey, Arc<PodView>> {
            let pods = pods.iter();
            pods.map(|pod| (pod.report.key.clone(), Arc::clone(pod)))
                .collect()
        };
        let (old, new) = (by_key(before), by_key(after));
        let mut text = String::new();
        for (key, pod) in &new {
            let differs = |old: &Arc<_>| !Arc::ptr_eq(old, pod) && self.differs(old, pod);
            if old.get(key).is_none_or(differs) {
                text.push_str(&self.one(pod, false));
            }
        }
        for (_, pod) in old.iter().filter(|(key, _)| !new.contains_key(key)) {
            text.push_str(&self.one(pod, true));
        }
        text
    }

    /// Whether a change shows. Rows are compared as of the same moment and without the age: time alone is no
    /// change.
    fn differs(&self, old: &PodView, new: &PodView) -> bool {
        let moment = now();
        let row = |pod| {
            let mut row = self.row_at(pod, moment);
            row.remove(self.column("AGE"));
            row
        };
        match self.format {
            None | Some(Format::Wide) => row(old) != row(new),
            _ => old.report != new.report,
        }
    }

    fn column(&self, header: &str) -> usize {
        let headers = self.columns.headers();
        headers.iter().position(|name| *name == header).unwrap_or(0)
    }

    fn one(&mut self, pod: &PodView, gone: bool) -> String {
        match self.format {
            Some(Format::Yaml | Format::Json) => self.whole(pod),
            Some(Format::Name) => name_line(pod),
            None | Some(Format::Wide) => {
                let mut row = self.row(pod);
                if gone {
                    row[self.column("STATUS")] = "Deleted".into();
                }
                self.table.text(vec![row])
            }
        }
    }

    fn row(&self, pod: &PodView) -> Vec<Cell> {
        self.row_at(pod, now())
    }

    fn row_at(&self, pod: &PodView, moment: Timestamp) -> Vec<Cell> {
        let exposure = match self.columns.wide {
            true => self.exposures.of(pod),
            false => String::new(),
        };
        let place = Place {
            node: &self.settings.node_name,
            exposure: &exposure,
        };
        self.columns.row(pod, place, moment)
    }

    fn whole(&mut self, pod: &PodView) -> String {
        self.value(&shown(&pod.report, &self.settings.layout))
    }

    fn value(&mut self, value: &serde_json::Value) -> String {
        self.documents += 1;
        match self.format {
            Some(Format::Json) => to_json(value),
            _ if self.documents > 1 => format!("---\n{}", to_yaml(value)),
            _ => to_yaml(value),
        }
    }
}

fn name_line(pod: &PodView) -> String {
    format!("pod/{}\n", pod.report.key.name)
}
