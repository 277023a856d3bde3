//! Where a service leads by the word of others: `subsets` beside its `spec`, as core/v1 Endpoints has them.

use super::field::Field;
use super::known;
use crate::model::name::ObjectName;
use crate::model::network::published::NamedHost;
use crate::model::network::service::{Subset, SubsetPort};

/// Decodes `subsets`.
pub fn subsets(field: &Field<'_>) -> Option<Vec<Subset>> {
    let items = field.items()?;
    super::field::collect(items.iter().map(subset))
}

fn subset(field: &Field<'_>) -> Option<Subset> {
    let mut f = field.fields(known::NONE)?;
    let addresses = f.list("addresses", |x| host(&x));
    let ports = f.list("ports", |x| port(&x));
    f.finish();
    Some(Subset {
        addresses: addresses?,
        ports: ports?,
    })
}

fn host(field: &Field<'_>) -> Option<NamedHost> {
    let mut f = field.fields(known::NONE)?;
    let address = f.require("ip").and_then(|x| super::service::address(&x));
    let name = f.optional("hostname", |x| x.parse::<ObjectName>());
    f.finish();
    Some(NamedHost {
        address: address?,
        name: name?.map(|name| name.as_str().to_owned()),
    })
}

fn port(field: &Field<'_>) -> Option<SubsetPort> {
    let mut f = field.fields(known::NONE)?;
    let number = f.require("port").and_then(|x| x.integer(1, 65535));
    let name = f.optional("name", |x| x.text().map(str::to_owned));
    let protocol = f.optional("protocol", |x| super::service::protocol(&x));
    f.finish();
    Some(SubsetPort {
        name: name?.unwrap_or_default(),
        protocol: protocol?.unwrap_or_default(),
        port: u16::try_from(number?).ok()?,
    })
}
