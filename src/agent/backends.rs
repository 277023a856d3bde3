//! Pods as services see them: from what was observed, for those that may have changed.

use crate::config::Settings;
use crate::model::desired::Desired;
use crate::model::name::PodKey;
use crate::model::network::Mode;
use crate::model::network::published::PublishedService;
use crate::model::observed::Observed;
use crate::model::pod::Pod;
use crate::model::status::{Condition, ConditionKind, Phase};
use crate::observe::status::{Facts, status};
use crate::plan::network::publish::{Backend, Changes, Publication};
use crate::source::pod_from_manifest;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The pods that may have changed.
#[derive(Debug, Default)]
pub struct Marks {
    /// Every one.
    pub all: bool,
    /// These.
    pub pods: BTreeSet<PodKey>,
}

/// Brings a publication up to date, for the pods that are marked; the marks go.
pub fn follow(
    publication: &mut Publication,
    marks: &mut Marks,
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
) -> Changes {
    if settings.network.mode == Mode::Host {
        let pods: Vec<PodKey> = publication.pods().cloned().collect();
        let pods = pods.into_iter().map(|key| (key, None));
        return publication.update(&BTreeMap::new(), |_| false, pods, &settings.network);
    }
    let asks = |pod: &Pod| {
        let mut containers = pod.spec.all_containers();
        containers.any(|(_, container)| container.ports.iter().any(|port| port.host_port.is_some()))
    };
    if desired.services.is_empty() && publication.is_empty() && !desired.pods.values().any(asks) {
        // Nobody asks. When somebody does, all pods are new.
        marks.all = true;
        return Changes::default();
    }
    publication.slices(&desired.slices, |slice| desired.holds(&slice.source));
    let Marks { all, pods } = std::mem::take(marks);
    let keys: BTreeSet<PodKey> = match all {
        true => observed
            .pods
            .keys()
            .chain(publication.pods())
            .cloned()
            .collect(),
        false => pods,
    };
    let pods = keys.into_iter().map(|key| {
        let backend = backend(&key, desired, observed, settings);
        (key, backend)
    });
    let held = |old: &PublishedService| desired.holds(&old.source);
    publication.update(&desired.services, held, pods, &settings.network)
}

/// A pod that can serve some day: it is there, and it has not ended for good.
fn backend(
    key: &PodKey,
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
) -> Option<Backend> {
    let is = observed.pods.get(key)?;
    let pod = match desired.pods.get(key) {
        Some(pod) => Cow::Borrowed(pod),
        None if desired.holds(&is.source) => {
            let manifest = is.manifest.as_deref()?;
            Cow::Owned(pod_from_manifest(manifest, is.source.clone()).ok()?)
        }
        None => return None,
    };
    let facts = Facts {
        host_ip: settings.host_ip.clone(),
        host_mode: false,
    };
    let status = status(&pod, Some(is), &[], &facts);
    if matches!(status.phase, Phase::Succeeded | Phase::Failed) {
        return None;
    }
    let ready = |condition: &Condition| condition.kind == ConditionKind::Ready && condition.status;
    let addresses = status.pod_ips.iter().filter_map(|ip| ip.ip.parse().ok());
    let ready = status.conditions.iter().any(ready);
    Some(Backend::new(&pod, addresses.collect(), ready))
}
