//! Services.

use super::check::port_name;
use super::field::{Field, Fields, collect};
use super::known;
use super::meta::label_map;
use crate::model::name::ObjectKey;
use crate::model::network::published::Protocol;
use crate::model::network::service::{Port, Service, ServiceKind, Target};
use crate::model::pod::SourcePath;
use crate::source::tree::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Seconds for which a client keeps its pod (core/v1: DefaultClientIPServiceAffinitySeconds).
const AFFINITY: u32 = 10800;

/// Decodes the spec of a service.
pub fn service(field: &Field<'_>, key: Option<ObjectKey>) -> Option<Service> {
    let mut f = field.fields(known::SERVICE)?;
    let word = f.optional("type", |x| {
        x.one_of(&[
            ("ClusterIP", Type::ClusterIp),
            ("NodePort", Type::NodePort),
            ("LoadBalancer", Type::NodePort),
            ("ExternalName", Type::ExternalName),
        ])
    });
    let word = word?.unwrap_or(Type::ClusterIp);
    let name = f.optional("externalName", |x| host_name(&x));
    let selector = f.optional("selector", |x| label_map(&x));
    let addresses = cluster_ips(&mut f);
    let dual_stack = f.optional("ipFamilyPolicy", |x| {
        x.one_of(&[
            ("SingleStack", false),
            ("PreferDualStack", true),
            ("RequireDualStack", true),
        ])
    });
    let families = f.list("ipFamilies", |x| {
        x.one_of(&[("IPv4", false), ("IPv6", true)])
    });
    let external_ips = f.list("externalIPs", |x| address(&x));
    let affinity = affinity(&mut f);
    let publish_not_ready = f.flag("publishNotReadyAddresses");
    let ports = f.list("ports", |x| port(&x, word));
    let policies = policies(&mut f);
    f.finish();
    let (headless, cluster_ips) = addresses?;
    let (local_inside, local_outside) = policies?;
    let (ports, families) = (ports?, families?);
    let kind = kind(field, word, headless, name?)?;
    distinct(field, &ports, &kind)?;
    Some(Service {
        key: key?,
        kind,
        selector: selector?.unwrap_or_default().into_iter().collect(),
        ports,
        cluster_ips,
        dual_stack: dual_stack?.unwrap_or(families.len() > 1),
        prefers_ipv6: families.first().copied().unwrap_or(false),
        external_ips: external_ips?,
        affinity: affinity?,
        publish_not_ready: publish_not_ready?,
        subsets: None,
        subsets_outside: None,
        local_inside,
        local_outside,
        source: SourcePath(field.report.file().to_owned()),
    })
}

/// What kind of service it is, of what its type, its address and its outside name say.
fn kind(
    field: &Field<'_>,
    word: Type,
    headless: bool,
    name: Option<String>,
) -> Option<ServiceKind> {
    Some(match (word, headless, name) {
        (Type::ExternalName, _, Some(name)) => ServiceKind::ExternalName(name),
        (Type::ExternalName, _, None) => {
            field.problem("type ExternalName needs externalName: add it");
            return None;
        }
        (Type::ClusterIp, true, _) => ServiceKind::Headless,
        (Type::ClusterIp, false, _) => ServiceKind::ClusterIp,
        (Type::NodePort, false, _) => ServiceKind::NodePort,
        (Type::NodePort, true, _) => {
            field.problem("a service without an address has no port of the host either: remove clusterIP, or the type");
            return None;
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    ClusterIp,
    NodePort,
    ExternalName,
}

fn host_name(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    field
        .parse::<crate::model::name::ObjectName>()
        .map(|_| name)
}

/// A transport protocol.
pub(super) fn protocol(field: &Field<'_>) -> Option<Protocol> {
    field.one_of(&[
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("SCTP", Protocol::Sctp),
    ])
}

/// An IP address.
pub(super) fn address(field: &Field<'_>) -> Option<IpAddr> {
    let address = field.text()?.parse().ok();
    if address.is_none() {
        field.problem("is not an IP address: write one such as 192.0.2.7");
    }
    address
}

/// Whether there is to be none, and those asked for.
fn cluster_ips(f: &mut Fields<'_>) -> Option<(bool, Vec<IpAddr>)> {
    let one = f.optional("clusterIP", |x| cluster_ip(&x));
    let all = f.list("clusterIPs", |x| cluster_ip(&x));
    let mut wanted = all?;
    if let (Some(one), true) = (one?, wanted.is_empty()) {
        wanted.push(one);
    }
    let headless = wanted.contains(&ClusterIp::None);
    let addresses = wanted.into_iter().filter_map(|ip| match ip {
        ClusterIp::Is(address) => Some(address),
        ClusterIp::None | ClusterIp::Any => None,
    });
    Some((headless, addresses.collect()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterIp {
    None,
    Any,
    Is(IpAddr),
}

fn cluster_ip(field: &Field<'_>) -> Option<ClusterIp> {
    match field.text()? {
        "None" => Some(ClusterIp::None),
        "" => Some(ClusterIp::Any),
        _ => address(field).map(ClusterIp::Is),
    }
}

fn affinity(f: &mut Fields<'_>) -> Option<Option<u32>> {
    let sticky = f.optional("sessionAffinity", |x| {
        x.one_of(&[("None", false), ("ClientIP", true)])
    });
    let seconds = f.optional("sessionAffinityConfig", |x| {
        let mut f = x.fields(known::NONE)?;
        let seconds = f.optional("clientIP", |x| {
            let mut f = x.fields(known::NONE)?;
            let seconds = f.optional("timeoutSeconds", |x| x.integer(1, 86400));
            f.finish();
            seconds
        });
        f.finish();
        seconds.map(Option::flatten)
    });
    let seconds = seconds?
        .flatten()
        .and_then(|seconds| u32::try_from(seconds).ok());
    let sticky = sticky?.unwrap_or(false);
    Some(sticky.then(|| seconds.unwrap_or(AFFINITY)))
}

/// Whether what comes from inside, and from outside, stays here: all pods that a service selects are on this host, so it is
/// about slices alone.
fn policies(f: &mut Fields<'_>) -> Option<(bool, bool)> {
    let traffic = [("Cluster", false), ("Local", true)];
    let external = f.optional("externalTrafficPolicy", |x| x.one_of(&traffic));
    let internal = f.optional("internalTrafficPolicy", |x| x.one_of(&traffic));
    let allocate = f.flag("allocateLoadBalancerNodePorts");
    allocate?;
    Some((internal?.unwrap_or(false), external?.unwrap_or(false)))
}

fn port(field: &Field<'_>, word: Type) -> Option<Port> {
    let mut f = field.fields(known::SERVICE_PORT)?;
    let number = f.require("port").and_then(|x| x.integer(1, 65535));
    let name = f.optional("name", |x| {
        x.text()
            .filter(|text| text.is_empty() || port_or_label(&x, text))
            .map(str::to_owned)
    });
    let protocol = f.optional("protocol", |x| protocol(&x));
    let target = f.optional("targetPort", |x| target(&x));
    let node_port = f.optional("nodePort", |x| {
        let port = x.integer(0, 65535)?;
        if port > 0 && word != Type::NodePort {
            x.problem("only a service of type NodePort has a port of the host: add the type, or remove this");
            return None;
        }
        Some(u16::try_from(port).ok().filter(|port| *port > 0))
    });
    let _ = f.optional("appProtocol", |x| x.text().map(drop));
    f.finish();
    let port = u16::try_from(number?).ok()?;
    Some(Port {
        name: name?.unwrap_or_default(),
        protocol: protocol?.unwrap_or_default(),
        port,
        target: target?.unwrap_or(Target::Number(port)),
        node_port: node_port?.flatten(),
    })
}

/// Names of ports of services are labels (core/v1 ServicePort).
fn port_or_label(field: &Field<'_>, text: &str) -> bool {
    let good = text.parse::<crate::model::name::ContainerName>();
    if let Err(error) = &good {
        field.problem(error.to_string());
    }
    good.is_ok()
}

fn target(field: &Field<'_>) -> Option<Target> {
    match &field.node.value {
        Value::Int(_) => {
            let number = field.integer(0, 65535)?;
            u16::try_from(number).ok().map(Target::Number)
        }
        _ => {
            let text = field.text()?;
            if let Ok(number) = text.parse::<u16>() {
                return Some(Target::Number(number));
            }
            port_name(text)
                .map_err(|message| field.problem(message))
                .ok()?;
            Some(Target::Name(text.to_owned()))
        }
    }
}

fn distinct(field: &Field<'_>, ports: &[Port], kind: &ServiceKind) -> Option<()> {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let good = ports.iter().map(|port| {
        if ports.len() > 1 && port.name.is_empty() {
            field.problem("several ports need names: add `name` to each");
            return None;
        }
        if !names.insert(&port.name) || !numbers.insert((port.protocol, port.port)) {
            field.problem(format!(
                "port {}/{} is there twice: rename or remove one",
                port.port, port.protocol
            ));
            return None;
        }
        Some(())
    });
    collect(good)?;
    let none = ports.is_empty();
    if none && matches!(kind, ServiceKind::ClusterIp | ServiceKind::NodePort) {
        field.problem("has no ports: add at least one to `ports`");
        return None;
    }
    Some(())
}
