//! Services of the cluster with what stands behind them, as manifests: one for each service, with its endpoints in it, so
//! that it is known as a whole after a restart without a network.
//!
//! What stands behind a service is told by EndpointSlices, or by core Endpoints where the server has no discovery v1.

use super::{FileKind, file_name};
use crate::model::name::ObjectKey;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The label by which a slice says whose it is.
const OWNER: &str = "kubernetes.io/service-name";

/// A file that is to be written, or removed.
pub type FileChange = (String, Option<String>);

/// All services of the cluster, as far as they are known.
#[derive(Debug, Default)]
pub struct Services {
    /// This node's name: some services lead only to pods of the same node.
    node: String,
    services: BTreeMap<ObjectKey, Value>,
    /// What stands behind them: parts by name.
    parts: BTreeMap<ObjectKey, BTreeMap<String, Value>>,
    /// Files as they were written last.
    written: BTreeMap<String, String>,
    changed: BTreeSet<ObjectKey>,
    /// Services, and what stands behind them, have been listed: before that nothing is written.
    listed: [bool; 2],
}

impl Services {
    /// None yet; `written` are the files of before, by name.
    pub fn new(node: &str, written: BTreeMap<String, String>) -> Self {
        Self {
            node: node.to_owned(),
            written,
            ..Self::default()
        }
    }

    /// All services there are.
    pub fn all(&mut self, items: Vec<Value>) {
        self.changed.extend(self.services.keys().cloned());
        self.services.clear();
        for item in &items {
            self.service(item, true);
        }
        self.listed[0] = true;
    }

    /// A service as it is now; `there`: not deleted.
    pub fn service(&mut self, object: &Value, there: bool) {
        let Some(key) = key(object, &object["metadata"]["name"]) else {
            return;
        };
        match there {
            true => drop(self.services.insert(key.clone(), reduced(object))),
            false => drop(self.services.remove(&key)),
        }
        self.changed.insert(key);
    }

    /// All EndpointSlices or Endpoints there are.
    pub fn all_parts(&mut self, items: Vec<Value>) {
        self.changed.extend(self.parts.keys().cloned());
        self.parts.clear();
        for item in &items {
            self.part(item, true);
        }
        self.listed[1] = true;
    }

    /// An EndpointSlice, or Endpoints; `there`: not deleted.
    pub fn part(&mut self, object: &Value, there: bool) {
        let name = &object["metadata"]["name"];
        let owner = match object.get("subsets").is_some() || object.get("addressType").is_none() {
            // Endpoints have the name of their service.
            true => name,
            false => &object["metadata"]["labels"][OWNER],
        };
        let (Some(key), Some(name)) = (key(object, owner), name.as_str()) else {
            return;
        };
        let parts = self.parts.entry(key.clone()).or_default();
        match there {
            true => {
                let kept: serde_json::Map<String, Value> =
                    ["subsets", "addressType", "endpoints", "ports"]
                        .into_iter()
                        .filter_map(|field| Some((field.to_owned(), object.get(field)?.clone())))
                        .collect();
                parts.insert(name.to_owned(), kept.into());
            }
            false => drop(parts.remove(name)),
        }
        self.changed.insert(key);
    }

    /// What is to be written since the last time.
    pub fn changes(&mut self) -> Vec<FileChange> {
        if self.listed != [true, true] {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for key in std::mem::take(&mut self.changed) {
            if self.parts.get(&key).is_some_and(BTreeMap::is_empty) {
                self.parts.remove(&key);
            }
            let Some(service) = self.services.get(&key) else {
                continue;
            };
            let parts = self.parts.get(&key).into_iter().flat_map(BTreeMap::values);
            let text = manifest(&key, service, parts, &self.node);
            let name = file_name(FileKind::Service, &key);
            if self.written.get(&name) != Some(&text) {
                self.written.insert(name.clone(), text.clone());
                changes.push((name, Some(text)));
            }
        }
        let named: BTreeSet<String> = self
            .services
            .keys()
            .map(|key| file_name(FileKind::Service, key))
            .collect();
        self.written.retain(|name, _| {
            let keep = named.contains(name);
            if !keep {
                changes.push((name.clone(), None));
            }
            keep
        });
        changes
    }
}

fn key(object: &Value, name: &Value) -> Option<ObjectKey> {
    Some(ObjectKey {
        namespace: object["metadata"]["namespace"].as_str()?.parse().ok()?,
        name: name.as_str()?.parse().ok()?,
    })
}

/// Of a service what says how it is reached: spec, and addresses of a load balancer.
fn reduced(object: &Value) -> Value {
    json!({ "spec": object["spec"], "ingress": object["status"]["loadBalancer"]["ingress"] })
}

/// A service as a manifest with `subsets`.
fn manifest<'a>(
    key: &ObjectKey,
    service: &Value,
    parts: impl Iterator<Item = &'a Value>,
    node: &str,
) -> String {
    let from = &service["spec"];
    let mut spec = json!({});
    for field in [
        "type",
        "externalName",
        "sessionAffinity",
        "sessionAffinityConfig",
    ] {
        if let Some(value) = from.get(field).filter(|value| !value.is_null()) {
            spec[field] = value.clone();
        }
    }
    let mut ips = list(&from["clusterIPs"]);
    if ips.is_empty() {
        ips.extend(from.get("clusterIP").filter(|ip| ip.is_string()));
    }
    // A family that the server gives no address of gets none here either.
    let policy = if ips.len() > 1 {
        "RequireDualStack"
    } else {
        "SingleStack"
    };
    spec["ipFamilyPolicy"] = policy.into();
    spec["clusterIPs"] = ips.into_iter().cloned().collect();
    let balancer = list(&service["ingress"]).into_iter();
    let balancer = balancer.filter(|one| one["ipMode"] != "Proxy");
    let balancer = balancer
        .map(|one| &one["ip"])
        .filter(|ip| ip.as_str().is_some_and(|ip| !ip.is_empty()));
    let external = list(&from["externalIPs"]).into_iter().chain(balancer);
    spec["externalIPs"] = external.cloned().collect();
    let ports: Vec<Value> = list(&from["ports"]).into_iter().map(port).collect();
    if ports.iter().all(|port| port.get("nodePort").is_none()) && from["type"] == "LoadBalancer" {
        // It was given no ports of hosts: nor is one chosen.
        spec["type"] = "ClusterIP".into();
    }
    spec["ports"] = ports.into();
    let local = |policy: &str| (from[policy] == "Local").then_some(node);
    let inside = local("internalTrafficPolicy");
    let outside = local("externalTrafficPolicy");
    let parts: Vec<&Value> = parts.collect();
    let mut made = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": key.name.as_str(), "namespace": key.namespace.as_str() },
        "spec": spec,
        "subsets": subsets(parts.iter().copied(), inside),
    });
    if outside != inside {
        made["subsetsOutside"] = subsets(parts.into_iter(), outside).into();
    }
    made.to_string()
}

fn port(from: &Value) -> Value {
    let mut port = json!({});
    for field in ["name", "protocol", "port", "nodePort"] {
        let value = from
            .get(field)
            .filter(|value| !value.is_null() && **value != 0);
        if let Some(value) = value {
            port[field] = value.clone();
        }
    }
    port
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}

/// Where a service leads (as core/v1 Endpoints has it): endpoints that are ready; if none is, those that end but still
/// serve. With `local` only those of that node.
fn subsets<'a>(parts: impl Iterator<Item = &'a Value>, local: Option<&str>) -> Vec<Value> {
    let here = |node: &Value| local.is_none_or(|local| node == local);
    let (mut ready, mut ending) = (Vec::new(), Vec::new());
    for part in parts {
        for subset in list(&part["subsets"]) {
            let addresses = list(&subset["addresses"]).into_iter();
            let addresses = addresses.filter(|address| here(&address["nodeName"]));
            let addresses = addresses.map(|address| named(&address["ip"], &address["hostname"]));
            add(&mut ready, addresses.collect(), &subset["ports"]);
        }
        let (mut now, mut late) = (Vec::new(), Vec::new());
        let endpoints = list(&part["endpoints"]).into_iter();
        let endpoints = endpoints.filter(|_| part["addressType"] != "FQDN");
        for endpoint in endpoints.filter(|endpoint| here(&endpoint["nodeName"])) {
            let is = &endpoint["conditions"];
            let to = match (is["ready"] != false, is["serving"] == true) {
                (true, _) => &mut now,
                (false, true) => &mut late,
                (false, false) => continue,
            };
            let addresses = list(&endpoint["addresses"]).into_iter();
            to.extend(addresses.map(|ip| named(ip, &endpoint["hostname"])));
        }
        add(&mut ready, now, &part["ports"]);
        add(&mut ending, late, &part["ports"]);
    }
    if ready.is_empty() { ending } else { ready }
}

fn named(ip: &Value, name: &Value) -> Value {
    let mut address = json!({ "ip": ip });
    if name.as_str().is_some_and(|name| !name.is_empty()) {
        address["hostname"] = name.clone();
    }
    address
}

fn add(to: &mut Vec<Value>, addresses: Vec<Value>, ports: &Value) {
    if !addresses.is_empty() {
        let ports: Vec<Value> = list(ports).into_iter().map(port).collect();
        to.push(json!({ "addresses": addresses, "ports": ports }));
    }
}

#[cfg(test)]
mod tests;
