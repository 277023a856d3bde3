//! Endpoints that manifests name: by their own names, and by the services they are of.

use crate::model::name::ObjectKey;
use crate::model::network::published::NamedHost;
use crate::model::network::service::{Port, Service};
use crate::model::network::slice::Slice;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// All slices that are known.
#[derive(Debug, Default)]
pub(super) struct Slices {
    known: BTreeMap<ObjectKey, Arc<Slice>>,
    by_service: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
}

impl Slices {
    /// Takes over what is wanted; what is gone but `held` stays. Gives the services that it is about.
    pub(super) fn update(
        &mut self,
        wanted: &BTreeMap<ObjectKey, Arc<Slice>>,
        held: impl Fn(&Slice) -> bool,
    ) -> BTreeSet<ObjectKey> {
        let gone = self
            .known
            .iter()
            .filter(|(key, slice)| !wanted.contains_key(*key) && !held(slice));
        let gone: Vec<ObjectKey> = gone.map(|(key, _)| key.clone()).collect();
        let mut touched: BTreeSet<ObjectKey> =
            gone.iter().filter_map(|key| self.forget(key)).collect();
        for (key, slice) in wanted {
            let same = |known: &Arc<Slice>| Arc::ptr_eq(known, slice);
            if self.known.get(key).is_some_and(same) {
                continue;
            }
            touched.extend(self.forget(key));
            touched.insert(slice.service.clone());
            let of = self.by_service.entry(slice.service.clone()).or_default();
            of.insert(key.clone());
            self.known.insert(key.clone(), Arc::clone(slice));
        }
        touched
    }

    /// Takes a slice out; gives its service.
    fn forget(&mut self, key: &ObjectKey) -> Option<ObjectKey> {
        let slice = self.known.remove(key)?;
        if let Some(of) = self.by_service.get_mut(&slice.service) {
            of.remove(key);
            if of.is_empty() {
                self.by_service.remove(&slice.service);
            }
        }
        Some(slice.service.clone())
    }

    /// Those of a service.
    fn of(&self, service: &Service) -> impl Iterator<Item = &Arc<Slice>> {
        let keys = self.by_service.get(&service.key);
        let keys = keys.into_iter().flatten();
        keys.filter_map(|key| self.known.get(key))
    }

    /// Where a port of a service leads, by the port's name.
    pub(super) fn endpoints(
        &self,
        service: &Service,
        port: &Port,
    ) -> impl Iterator<Item = (IpAddr, u16)> {
        self.of(service).flat_map(|slice| {
            let mut ports = slice.ports.iter();
            let found = ports.find(|to| to.name == port.name && to.protocol == port.protocol);
            let addresses = slice.endpoints.iter().flat_map(|one| &one.addresses);
            let number = found.map(|to| to.port);
            addresses.filter_map(move |address| Some((*address, number?)))
        })
    }

    /// Who stands behind a headless service.
    pub(super) fn hosts(&self, service: &Service) -> impl Iterator<Item = NamedHost> {
        let endpoints = self.of(service).flat_map(|slice| &slice.endpoints);
        endpoints.flat_map(|one| {
            one.addresses.iter().map(|address| NamedHost {
                address: *address,
                name: one.hostname.clone(),
            })
        })
    }
}
