//! Services and pods become what is published. Pure: readiness and addresses are told.
//!
//! It is kept up to date: what a pod or a service changes costs as much as the services it is about, however many others
//! there are. The rest is a walk along all services that compares two pointers each.

mod backend;
mod choose;
mod slices;

pub use backend::Backend;

use crate::model::name::{ObjectKey, PodKey};
use crate::model::network::NetworkSettings;
use crate::model::network::published::{HostPort, Published, PublishedService};
use crate::model::network::service::{Service, ServiceKind};
use crate::model::network::slice::Slice;
use choose::{Taken, fixed, is_shared};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A namespace, a label and its value.
type Label = (String, String, String);

/// All that is published, and what it follows from.
#[derive(Debug, Default)]
pub struct Publication {
    wanted: BTreeMap<ObjectKey, Arc<Service>>,
    /// Shared with whoever brings it about, who is done before the next update.
    services: Arc<Services>,
    /// Services by the first label they select.
    by_selector: BTreeMap<Label, BTreeSet<ObjectKey>>,
    pods: BTreeMap<PodKey, Backend>,
    by_label: BTreeMap<Label, BTreeSet<PodKey>>,
    slices: slices::Slices,
    /// Services whose slices have changed since the last update.
    touched: BTreeSet<ObjectKey>,
    asked: Taken,
    used: Taken,
    host_ports: Vec<HostPort>,
    /// Pods have been told of.
    begun: bool,
}

/// Services by name.
pub type Services = BTreeMap<ObjectKey, Arc<PublishedService>>;

/// A service before and after.
pub type Pair = (Option<Arc<PublishedService>>, Option<Arc<PublishedService>>);

/// What an update has changed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Services that are not what they were.
    pub services: Vec<Pair>,
    /// Ports of the host as they were, if they have changed.
    pub host_ports: Option<Vec<HostPort>>,
    /// Some address or port of what has changed belongs to several services: who has it follows from all of them.
    pub shared: bool,
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.host_ports.is_none()
    }

    /// Adds changes that came after these.
    pub fn add(&mut self, later: Self) {
        self.services.extend(later.services);
        self.host_ports = self.host_ports.take().or(later.host_ports);
        self.shared |= later.shared;
    }
}

impl Publication {
    /// Begins with what was published before: addresses and ports that vks chose stay.
    pub fn new(before: Published) -> Self {
        let mut made = Self {
            host_ports: before.host_ports,
            ..Self::default()
        };
        let mut services = Services::new();
        for service in before.services {
            made.used.keep(&service);
            services.insert(service.key.clone(), Arc::new(service));
        }
        made.services = Arc::new(services);
        made
    }

    /// Forgets what it follows from, but not what was chosen: the next update makes all of it anew.
    pub fn again(&mut self) {
        let (services, host_ports, used) = (
            std::mem::take(&mut self.services),
            std::mem::take(&mut self.host_ports),
            std::mem::take(&mut self.used),
        );
        *self = Self {
            services,
            host_ports,
            used,
            ..Self::default()
        };
    }

    /// Services, sorted by name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<PublishedService>> {
        self.services.values()
    }

    /// The same, to keep for a while.
    pub fn shared_services(&self) -> Arc<Services> {
        Arc::clone(&self.services)
    }

    /// Ports of the host, sorted.
    pub fn host_ports(&self) -> &[HostPort] {
        &self.host_ports
    }

    /// Whether nothing is published.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.host_ports.is_empty()
    }

    /// Pods that are known.
    pub fn pods(&self) -> impl Iterator<Item = &PodKey> {
        self.pods.keys()
    }

    /// Takes over the endpoints that manifests name, for the next update. Of slices whose file cannot be read (`held`) all
    /// of it stays.
    pub fn slices(
        &mut self,
        slices: &BTreeMap<ObjectKey, Arc<Slice>>,
        held: impl Fn(&Slice) -> bool,
    ) {
        self.touched.extend(self.slices.update(slices, held));
    }

    /// Brings it up to date. `pods` are those that may have changed, none for one that cannot serve any more. Of services
    /// whose file cannot be read (`held`) all of it stays.
    pub fn update(
        &mut self,
        services: &BTreeMap<ObjectKey, Arc<Service>>,
        held: impl Fn(&PublishedService) -> bool,
        pods: impl IntoIterator<Item = (PodKey, Option<Backend>)>,
        network: &NetworkSettings,
    ) -> Changes {
        let mut dirty = std::mem::take(&mut self.touched);
        let mut ports_changed = false;
        for (key, backend) in pods {
            ports_changed |= self.pod(key, backend, &mut dirty);
        }
        let gone = self.compare(services, held, &mut dirty);
        let mut changes = Changes::default();
        for key in gone {
            self.forget(&key);
            let old = Arc::make_mut(&mut self.services).remove(&key);
            if let Some(old) = &old {
                changes.shared |= is_shared(old, &self.used);
                self.used.release(old);
            }
            changes.services.push((old, None));
        }
        for key in dirty {
            self.service(&key, services, network, &mut changes);
        }
        // What was published before was pods' that may not be there any more.
        if ports_changed || !std::mem::replace(&mut self.begun, true) {
            let mut ports: Vec<HostPort> = self
                .pods
                .values()
                .flat_map(|pod| pod.host_ports.clone())
                .collect();
            ports.sort();
            if ports != self.host_ports {
                changes.host_ports = Some(std::mem::replace(&mut self.host_ports, ports));
            }
        }
        changes
    }

    /// Notes a pod, and which services it is about. Whether ports of the host may have changed.
    fn pod(&mut self, key: PodKey, new: Option<Backend>, dirty: &mut BTreeSet<ObjectKey>) -> bool {
        let old = match &new {
            Some(new) => self.pods.insert(key.clone(), new.clone()),
            None => self.pods.remove(&key),
        };
        if old == new {
            // Of a pod that is seen for the first time the ports may be known from before.
            return false;
        }
        let sides = [(&old, false), (&new, true)];
        for (labels, there) in sides
            .iter()
            .filter_map(|(pod, there)| Some((&pod.as_ref()?.labels, *there)))
        {
            for (label, value) in labels {
                let label = (key.namespace.to_string(), label.clone(), value.clone());
                dirty.extend(self.by_selector.get(&label).into_iter().flatten().cloned());
                let keys = self.by_label.entry(label).or_default();
                if there {
                    keys.insert(key.clone());
                } else {
                    keys.remove(&key);
                }
            }
        }
        let ports = |pod: Option<Backend>| pod.map(|pod| pod.host_ports).unwrap_or_default();
        ports(old) != ports(new)
    }

    /// Finds services that are wanted otherwise than before, and gives those that are wanted no more.
    fn compare(
        &mut self,
        services: &BTreeMap<ObjectKey, Arc<Service>>,
        held: impl Fn(&PublishedService) -> bool,
        dirty: &mut BTreeSet<ObjectKey>,
    ) -> Vec<ObjectKey> {
        // Both are sorted: side by side.
        let mut old = self.wanted.iter().peekable();
        let mut changed = Vec::new();
        // Of what is published, something may be wanted no more: it was not before, or is missing now.
        let mut fewer = self.services.len() > self.wanted.len();
        for (key, service) in services {
            // Nearly always, and without a look at names, which lie all over the memory.
            if old
                .next_if(|(_, known)| Arc::ptr_eq(known, service))
                .is_some()
            {
                continue;
            }
            while old.next_if(|(name, _)| *name < key).is_some() {
                fewer = true;
            }
            match old.next_if(|(name, _)| *name == key) {
                Some((_, known)) if Arc::ptr_eq(known, service) => {}
                _ => changed.push((key.clone(), Arc::clone(service))),
            }
        }
        fewer |= old.next().is_some();
        let mut new = services.keys().peekable();
        let published = self.services.iter().filter(|_| fewer);
        let gone = published.filter(|(key, service)| {
            while new.next_if(|name| name < key).is_some() {}
            new.next_if(|name| name == key).is_none() && !held(service)
        });
        let gone: Vec<ObjectKey> = gone.map(|(key, _)| key.clone()).collect();
        // What manifests ask for first: what is chosen afterwards is none of it.
        for (key, service) in changed {
            self.forget(&key);
            self.asked.ask(&service);
            if let Some(label) = selected(&service) {
                self.by_selector
                    .entry(label)
                    .or_default()
                    .insert(key.clone());
            }
            self.wanted.insert(key.clone(), service);
            dirty.insert(key);
        }
        gone
    }

    /// A service is not wanted as it was.
    fn forget(&mut self, key: &ObjectKey) {
        let Some(service) = self.wanted.remove(key) else {
            return;
        };
        self.asked.ask_no_more(&service);
        if let Some(label) = selected(&service)
            && let Some(keys) = self.by_selector.get_mut(&label)
        {
            keys.remove(key);
        }
    }

    /// Makes a service anew.
    fn service(
        &mut self,
        key: &ObjectKey,
        services: &BTreeMap<ObjectKey, Arc<Service>>,
        network: &NetworkSettings,
        changes: &mut Changes,
    ) {
        let Some(service) = services.get(key) else {
            return;
        };
        let old = self.services.get(key).cloned();
        if let Some(old) = &old {
            changes.shared |= is_shared(old, &self.used);
            self.used.release(old);
        }
        let mut made = fixed(service, old.as_deref(), network, [&self.asked, &self.used]);
        self.used.keep(&made);
        changes.shared |= is_shared(&made, &self.used);
        let behind = self.behind(service);
        for (port, wanted) in made.ports.iter_mut().zip(&service.ports) {
            if let Some(subsets) = &service.subsets {
                port.endpoints = backend::told(wanted, subsets);
                let outside = service.subsets_outside.as_ref();
                let outside = outside.map(|subsets| backend::told(wanted, subsets));
                port.outside = outside.filter(|outside| *outside != port.endpoints);
                continue;
            }
            let of = |local: bool| {
                let more = self.slices.endpoints(service, wanted);
                backend::endpoints(wanted, &behind, more.filter(|_| !local))
            };
            port.endpoints = of(service.local_inside);
            if service.local_inside != service.local_outside {
                let outside = of(service.local_outside);
                port.outside = (outside != port.endpoints).then_some(outside);
            }
        }
        if service.kind == ServiceKind::Headless {
            made.hosts = match &service.subsets {
                Some(subsets) => backend::told_hosts(subsets),
                None => backend::hosts(service, &behind, self.slices.hosts(service)),
            };
        }
        if old.as_deref() == Some(&made) {
            return;
        }
        let made = Arc::new(made);
        Arc::make_mut(&mut self.services).insert(key.clone(), Arc::clone(&made));
        changes.services.push((old, Some(made)));
    }

    /// The pods behind a service.
    fn behind(&self, service: &Service) -> Vec<&Backend> {
        let Some(label) = selected(service) else {
            return Vec::new();
        };
        let some = self.by_label.get(&label).into_iter().flatten();
        some.filter_map(|key| self.pods.get(key))
            .filter(|backend| {
                let mut selector = service.selector.iter();
                (backend.ready || service.publish_not_ready)
                    && selector.all(|(label, value)| backend.labels.get(label) == Some(value))
            })
            .collect()
    }
}

/// The first label that a service selects, if it selects any, and its endpoints are not told by others.
fn selected(service: &Service) -> Option<Label> {
    if service.subsets.is_some() {
        return None;
    }
    let (label, value) = service.selector.first()?;
    Some((
        service.key.namespace.to_string(),
        label.clone(),
        value.clone(),
    ))
}

#[cfg(test)]
mod tests;
