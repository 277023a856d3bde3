//! EndpointSlices: endpoints of services that are no pods of this host.

use super::field::{Field, Fields, collect};
use super::known;
use super::meta::Meta;
use crate::model::name::{ContainerName, ObjectKey};
use crate::model::network::published::Protocol;
use crate::model::network::slice::{SERVICE_LABEL, Slice, SliceEndpoint, SlicePort};
use crate::model::pod::SourcePath;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a slice says beside its metadata.
pub struct Parts {
    ports: Vec<SlicePort>,
    endpoints: Vec<SliceEndpoint>,
}

/// Decodes all but the metadata.
pub fn parts(object: &mut Fields<'_>) -> Option<Parts> {
    let ipv4 = object
        .require("addressType")
        .and_then(|x| x.one_of(&[("IPv4", true), ("IPv6", false)]));
    let ports = object.list("ports", |x| port(&x));
    // Without the type it is not known what addresses ought to be.
    let endpoints = object.list("endpoints", |x| endpoint(&x, ipv4?));
    let ports = ports?;
    let mut names = BTreeSet::new();
    let distinct = ports.iter().map(|port: &SlicePort| {
        let new = names.insert(&port.name);
        if !new {
            object.problem(format!(
                "two ports are named {:?}: rename or remove one",
                port.name
            ));
        }
        new.then_some(())
    });
    collect(distinct)?;
    ipv4?;
    Some(Parts {
        ports,
        endpoints: endpoints?.into_iter().flatten().collect(),
    })
}

/// Puts it together; without the label that names its service it would be nobody's.
pub fn build(meta: Meta, parts: Parts, object: &Fields<'_>, source: SourcePath) -> Option<Slice> {
    let Some(name) = meta.labels.get(SERVICE_LABEL) else {
        object.problem(format!(
            "is of no service: add the label {SERVICE_LABEL} with the service's name to metadata.labels"
        ));
        return None;
    };
    let name = name
        .parse()
        .map_err(|error| object.problem(format!("label {SERVICE_LABEL}: {error}")));
    Some(Slice {
        service: ObjectKey {
            namespace: meta.key.namespace.clone(),
            name: name.ok()?,
        },
        key: meta.key,
        ports: parts.ports,
        endpoints: parts.endpoints,
        source,
    })
}

fn port(field: &Field<'_>) -> Option<SlicePort> {
    let mut f = field.fields(known::SLICE_PORT)?;
    let port = f.require("port").and_then(|x| x.integer(1, 65535));
    let name = f.optional("name", |x| match x.text()? {
        "" => Some(String::new()),
        _ => x.parse::<ContainerName>().map(String::from),
    });
    let protocol = f.optional("protocol", |x| {
        x.one_of(&[
            ("TCP", Protocol::Tcp),
            ("UDP", Protocol::Udp),
            ("SCTP", Protocol::Sctp),
        ])
    });
    f.finish();
    Some(SlicePort {
        name: name?.unwrap_or_default(),
        protocol: protocol?.unwrap_or_default(),
        port: u16::try_from(port?).ok()?,
    })
}

/// An endpoint, if it is ready.
fn endpoint(field: &Field<'_>, ipv4: bool) -> Option<Option<SliceEndpoint>> {
    let mut f = field.fields(known::SLICE_ENDPOINT)?;
    let addresses = f.list("addresses", |x| address(&x, ipv4));
    let hostname = f.optional("hostname", |x| x.parse::<ContainerName>().map(String::from));
    let ready = f.optional("conditions", |x| {
        let mut f = x.fields(known::SLICE_CONDITIONS)?;
        let ready = f.optional("ready", |x| x.boolean());
        f.finish();
        ready.map(|ready| ready.unwrap_or(true))
    });
    f.finish();
    let addresses = addresses?;
    if addresses.is_empty() {
        field.problem("has no addresses: add at least one to `addresses`");
        return None;
    }
    let endpoint = SliceEndpoint {
        addresses,
        hostname: hostname?,
    };
    Some(ready?.unwrap_or(true).then_some(endpoint))
}

/// An address that a packet can be sent to from here (API: ValidateEndpointIP).
fn address(field: &Field<'_>, ipv4: bool) -> Option<IpAddr> {
    let text = field.text()?;
    let Some(address) = text
        .parse::<IpAddr>()
        .ok()
        .filter(|ip| ip.is_ipv4() == ipv4)
    else {
        let family = if ipv4 { "IPv4" } else { "IPv6" };
        field.problem(format!(
            "is no address of {family}, the slice's addressType: correct it"
        ));
        return None;
    };
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        field.problem("is no address of an endpoint: write one that leads to one host alone");
        return None;
    }
    Some(address)
}
