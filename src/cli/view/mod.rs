//! What the command line knows of the host: the one place where it reads it.
//!
//! A [`Host`] is asked for a [`View`], once or through a [`Watch`] each time something has changed. Verbs print
//! from views and never look at the host themselves.

mod host;
mod report;
mod watch;

pub use host::{Host, ViewError};
pub use watch::Watch;

use super::selector::Selector;
use crate::model::desired::Problem;
use crate::model::name::{Namespace, ObjectName, PodKey};
pub use crate::model::view::PodView;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which pods are meant. The default: all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this namespace.
    pub namespace: Option<Namespace>,
    /// Only with these names, unless empty.
    pub names: Vec<ObjectName>,
    /// Only with labels that match.
    pub selector: Selector,
}

/// Pods and problems at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The pods, by namespace and name. One that has not changed is the same as in the view before.
    pub pods: Vec<Arc<PodView>>,
    /// What is wrong with manifests: what runs from them is kept.
    pub problems: Vec<Problem>,
}

impl Filter {
    /// At least these pods, and no others where they are all of one namespace: then looking at them does not depend
    /// on how many others there are.
    pub fn of<'a>(keys: impl Iterator<Item = &'a PodKey> + Clone) -> Self {
        let namespace = keys.clone().map(|key| &key.namespace).next();
        if !keys.clone().all(|key| Some(&key.namespace) == namespace) {
            return Self::default();
        }
        Self {
            namespace: namespace.cloned(),
            names: keys.map(|key| key.name.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether a pod of this name is meant, its labels aside.
    pub fn admits(&self, key: &PodKey) -> bool {
        self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
            && (self.names.is_empty() || self.names.contains(&key.name))
    }

    /// Whether a pod with these labels is meant, its name aside.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels)
    }

    /// The pods that are meant by name; `None` when only a look can tell.
    pub fn keys(&self) -> Option<Vec<PodKey>> {
        let namespace = self.namespace.as_ref()?;
        let key = |name: &ObjectName| PodKey {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        (!self.names.is_empty()).then(|| self.names.iter().map(key).collect())
    }
}
