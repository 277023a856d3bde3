//! `vks get services`, `endpoints`, `networks` and `peers`: tables of what is published, and of the prefixes it is made from.

use super::context::{Context, Outcome};
use super::error::CliError;
use super::get::Format;
use super::object::{list, to_json};
use super::table::{Cell, Colours, Table};
use super::target::TargetError;
use super::wireguard::show;
use super::yaml::to_yaml;
use crate::config;
use crate::model::name::ObjectKey;
use crate::model::network::published::{PublishedService, ServicePort};
use crate::model::network::{Mode, NetworkSettings};
use crate::worker::wire;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Services with what was chosen for them.
    Services,
    /// Where they lead.
    Endpoints,
    /// The prefixes of pods and services.
    Networks,
    /// The other hosts of the mesh.
    Peers,
}

/// How it is asked for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Names; empty for all.
    pub names: Vec<&'a str>,
    /// Of all namespaces.
    pub everywhere: bool,
    /// With a line of headers.
    pub headers: bool,
    /// Instead of the table.
    pub format: Option<Format>,
}

/// Which of these kinds arguments begin with, and the names after it; `None` when it is another kind.
pub fn parse(arguments: &[String]) -> Result<Option<(Kind, Vec<&str>)>, TargetError> {
    let Some(first) = arguments.first() else {
        return Ok(None);
    };
    let word = first.split('/').next().unwrap_or(first);
    let Some(kind) = kind(word) else {
        return Ok(None);
    };
    let rest = if first.contains('/') {
        arguments
    } else {
        &arguments[1..]
    };
    let mut names = Vec::new();
    for argument in rest {
        match (first.contains('/'), argument.split_once('/')) {
            (true, Some((word, name))) if self::kind(word) == Some(kind) => names.push(name),
            (false, None) => names.push(argument.as_str()),
            _ => return Err(TargetError::Mixed(argument.clone())),
        }
    }
    Ok(Some((kind, names)))
}

fn kind(word: &str) -> Option<Kind> {
    match word.to_ascii_lowercase().as_str() {
        "service" | "services" | "svc" => Some(Kind::Services),
        "endpoint" | "endpoints" | "ep" => Some(Kind::Endpoints),
        "network" | "networks" | "net" => Some(Kind::Networks),
        "peer" | "peers" => Some(Kind::Peers),
        _ => None,
    }
}

/// Prints it.
pub fn run(kind: Kind, ask: &Ask, context: &Context) -> Result<Outcome, CliError> {
    if kind == Kind::Networks {
        return networks(ask, context);
    }
    if kind == Kind::Peers {
        return peers(ask, context);
    }
    let published = wire::published(&context.settings)?;
    let meant = |service: &&PublishedService| {
        (ask.everywhere || service.key.namespace == context.namespace)
            && (ask.names.is_empty() || ask.names.contains(&service.key.name.as_str()))
    };
    let services: Vec<&PublishedService> = published.services.iter().filter(meant).collect();
    let mut missing = false;
    for name in &ask.names {
        if !services
            .iter()
            .any(|service| service.key.name.as_str() == *name)
        {
            missing = true;
            context.tell(format_args!(
                "error: services {name:?} not found in namespace {:?}",
                context.namespace.as_str()
            ));
        }
    }
    match ask.format {
        Some(format @ (Format::Yaml | Format::Json)) => {
            let objects = services.iter().map(|service| match kind {
                Kind::Endpoints => endpoints_object(service),
                _ => service_object(service),
            });
            print_objects(objects.collect(), format, !ask.names.is_empty(), context)?;
        }
        Some(Format::Name) => {
            for service in &services {
                context.print(&format!("service/{}\n", service.key.name))?;
            }
        }
        None | Some(Format::Wide) if services.is_empty() && ask.names.is_empty() => {
            context.tell(format_args!(
                "No resources found in {} namespace.",
                context.namespace
            ));
        }
        None | Some(Format::Wide) => {
            let rows = services
                .iter()
                .map(|service| row(kind, service, ask))
                .collect();
            print_table(&headers(kind), rows, ask, context)?;
        }
    }
    Ok(if missing {
        Outcome::Code(1)
    } else {
        Outcome::Done
    })
}

fn print_objects(
    mut objects: Vec<Value>,
    format: Format,
    single: bool,
    context: &Context,
) -> Result<(), CliError> {
    let value = match (single, objects.len()) {
        (true, 1) => objects.remove(0),
        _ => list(objects),
    };
    context.print(&match format {
        Format::Json => to_json(&value),
        _ => to_yaml(&value),
    })
}

fn print_table(
    headers: &[&'static str],
    mut rows: Vec<Vec<Cell>>,
    ask: &Ask,
    context: &Context,
) -> Result<(), CliError> {
    let mut headers = headers.to_vec();
    if !ask.everywhere {
        // The first column is the namespace.
        headers.remove(0);
        rows.iter_mut().for_each(|row| drop(row.remove(0)));
    }
    let mut table = Table::new(&headers, ask.headers, Colours::of_stdout());
    context.print(&table.text(rows))
}

fn headers(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Endpoints => vec!["NAMESPACE", "NAME", "ENDPOINTS"],
        _ => vec![
            "NAMESPACE",
            "NAME",
            "TYPE",
            "CLUSTER-IP",
            "EXTERNAL-IP",
            "PORT(S)",
        ],
    }
}

fn row(kind: Kind, service: &PublishedService, ask: &Ask) -> Vec<Cell> {
    let ObjectKey { namespace, name } = &service.key;
    let mut row: Vec<Cell> = vec![namespace.as_str().into(), name.as_str().into()];
    let join = |texts: Vec<String>| match texts.is_empty() {
        true => "<none>".to_owned(),
        false => texts.join(","),
    };
    if kind == Kind::Endpoints {
        let all: BTreeSet<String> = service.ports.iter().flat_map(endpoints).collect();
        let (all, shown) = (all.into_iter().collect::<Vec<_>>(), 3);
        let more = all.len().saturating_sub(shown);
        let text = match ask.format {
            None if more > 0 => format!("{} + {more} more...", all[..shown].join(",")),
            _ => join(all),
        };
        row.push(text.into());
        return row;
    }
    let addresses = |list: &[IpAddr]| join(list.iter().map(ToString::to_string).collect());
    let cluster = match service.kind.as_str() {
        "Headless" => "None".to_owned(),
        _ => addresses(&service.cluster_ips),
    };
    let external = match &service.external_name {
        Some(name) => name.clone(),
        None => addresses(&service.external_ips),
    };
    let ports = service.ports.iter().map(|port| match port.node_port {
        Some(node) => format!("{}:{node}/{}", port.port, upper(port)),
        None => format!("{}/{}", port.port, upper(port)),
    });
    let kind = match service.kind.as_str() {
        "Headless" => "ClusterIP",
        other => other,
    };
    row.extend([
        kind.into(),
        cluster.into(),
        external.into(),
        join(ports.collect()).into(),
    ]);
    row
}

fn upper(port: &ServicePort) -> String {
    port.protocol.to_string().to_ascii_uppercase()
}

fn endpoints(port: &ServicePort) -> impl Iterator<Item = String> {
    let sockets = all_endpoints(port).into_iter();
    sockets.map(|(address, port)| std::net::SocketAddr::new(address, port).to_string())
}

/// Where it leads, whoever asks.
fn all_endpoints(port: &ServicePort) -> BTreeSet<(std::net::IpAddr, u16)> {
    let all = port.endpoints.iter().chain(port.from_outside());
    all.copied().collect()
}

/// A service in the API's shape, with what was chosen for it.
fn service_object(service: &PublishedService) -> Value {
    let ports = service.ports.iter().map(|port| {
        let mut value = json!({ "port": port.port, "protocol": upper(port) });
        if !port.name.is_empty() {
            value["name"] = port.name.as_str().into();
        }
        if let Some(node) = port.node_port {
            value["nodePort"] = node.into();
        }
        value
    });
    let headless = service.kind == "Headless";
    let mut spec = json!({
        "type": if headless { "ClusterIP" } else { &service.kind },
        "ports": ports.collect::<Vec<_>>(),
        "sessionAffinity": if service.affinity.is_some() { "ClientIP" } else { "None" },
    });
    if headless {
        spec["clusterIP"] = "None".into();
    }
    if let Some(first) = service.cluster_ips.first() {
        spec["clusterIP"] = first.to_string().into();
        spec["clusterIPs"] = json!(service.cluster_ips);
    }
    if !service.external_ips.is_empty() {
        spec["externalIPs"] = json!(service.external_ips);
    }
    if let Some(name) = &service.external_name {
        spec["externalName"] = name.as_str().into();
    }
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata(service), "spec": spec })
}

fn metadata(service: &PublishedService) -> Value {
    json!({ "name": service.key.name.as_str(), "namespace": service.key.namespace.as_str() })
}

/// The endpoints of a service in the shape of core/v1 Endpoints.
fn endpoints_object(service: &PublishedService) -> Value {
    let ports = service.ports.iter().map(|port| (port, all_endpoints(port)));
    let subsets = ports.filter(|(_, all)| !all.is_empty()).map(|(port, all)| {
        let addresses = all.iter().map(|(address, _)| json!({ "ip": address }));
        let numbers: BTreeSet<u16> = all.iter().map(|(_, number)| *number).collect();
        let ports = numbers
            .into_iter()
            .map(|number| json!({ "name": port.name, "port": number, "protocol": upper(port) }));
        json!({ "addresses": addresses.collect::<Vec<_>>(), "ports": ports.collect::<Vec<_>>() })
    });
    let subsets: Vec<Value> = subsets.collect();
    json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": metadata(service), "subsets": subsets })
}

/// The prefixes of this host: one line each.
fn networks(ask: &Ask, context: &Context) -> Result<Outcome, CliError> {
    let settings = &context.settings;
    let network = &settings.network;
    let up = wire::opened(settings)?.is_some();
    let problem = config::network::problem(network);
    let state = match (&problem, network.mode, up) {
        (_, Mode::Host, _) => "host",
        (Some(_), _, _) => "refused",
        (None, _, true) => "up",
        (None, _, false) => "down",
    };
    match ask.format {
        Some(format @ (Format::Yaml | Format::Json)) => {
            let objects = prefixes(network).map(|(name, prefix, host)| {
                json!({ "name": name, "prefix": prefix, "hostAddress": host, "state": state })
            });
            print_objects(objects.collect(), format, false, context)?;
        }
        _ => {
            let rows = prefixes(network).map(|(name, prefix, host)| {
                vec![name.into(), prefix.into(), host.into(), state.into()]
            });
            let headers = ["NAME", "PREFIX", "HOST-ADDRESS", "STATE"];
            let mut table = Table::new(&headers, ask.headers, Colours::of_stdout());
            context.print(&table.text(rows.collect()))?;
        }
    }
    if let Some(problem) = problem {
        context.tell(format_args!("warning: {problem}"));
    }
    Ok(Outcome::Done)
}

fn prefixes(network: &NetworkSettings) -> impl Iterator<Item = (&'static str, String, String)> {
    let pods = network.pods.iter().zip(network.host_addresses());
    let pods = pods.map(|(prefix, host)| ("pods", prefix.to_string(), host.to_string()));
    let services = network.services.iter();
    pods.chain(services.map(|prefix| ("services", prefix.to_string(), "<none>".to_owned())))
}

/// The other hosts of the mesh: one line each.
fn peers(ask: &Ask, context: &Context) -> Result<Outcome, CliError> {
    let (mesh, _, shown) = show::device(context)?;
    let mut rows = show::rows(mesh, &shown);
    rows.retain(|row| ask.names.is_empty() || ask.names.contains(&row.name.as_str()));
    match ask.format {
        Some(format @ (Format::Yaml | Format::Json)) => {
            let objects = rows.iter().map(|row| {
                json!({
                    "name": row.name, "publicKey": row.key, "endpoint": row.endpoint, "prefixes": row.prefixes,
                    "state": row.state, "handshakeAgeSeconds": row.handshake.map(|age| age.as_secs()),
                    "receivedBytes": row.bytes.0, "sentBytes": row.bytes.1,
                })
            });
            print_objects(objects.collect(), format, !ask.names.is_empty(), context)?;
        }
        Some(Format::Name) => {
            for row in &rows {
                context.print(&format!("peer/{}\n", row.name))?;
            }
        }
        None | Some(Format::Wide) => {
            let cells = rows.iter().map(|row| {
                vec![
                    row.name.as_str().into(),
                    row.endpoint.as_str().into(),
                    row.prefixes.join(",").into(),
                    show::age(row.handshake).into(),
                    show::bytes(row.bytes.0).into(),
                    show::bytes(row.bytes.1).into(),
                    row.state.into(),
                ]
            });
            let headers = [
                "NAME",
                "ENDPOINT",
                "PREFIXES",
                "HANDSHAKE",
                "RECEIVED",
                "SENT",
                "STATE",
            ];
            let mut table = Table::new(&headers, ask.headers, Colours::of_stdout());
            context.print(&table.text(cells.collect()))?;
        }
    }
    let found = ask
        .names
        .iter()
        .all(|name| rows.iter().any(|row| row.name == *name));
    if !found {
        context.tell("error: no such peer: see vks get peers");
        return Ok(Outcome::Code(1));
    }
    Ok(Outcome::Done)
}
