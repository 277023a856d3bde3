use super::*;
use crate::model::network::published::{NamedHost, Protocol};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn service(name: &str, kind: &str) -> PublishedService {
    PublishedService {
        key: ObjectKey {
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        },
        source: crate::model::pod::SourcePath("/a.yaml".into()),
        kind: kind.to_owned(),
        cluster_ips: Vec::new(),
        external_ips: Vec::new(),
        external_name: None,
        affinity: None,
        ports: Vec::new(),
        hosts: Vec::new(),
    }
}

fn names() -> Names {
    let port = |name: &str, protocol, endpoints: &[(&str, u16)]| ServicePort {
        name: name.to_owned(),
        protocol,
        port: 80,
        node_port: None,
        endpoints: endpoints
            .iter()
            .map(|(ip, port)| (address(ip), *port))
            .collect(),
        outside: None,
    };
    let web = PublishedService {
        cluster_ips: vec![address("10.96.0.9"), address("fd00:96::9")],
        ports: vec![
            port("talk", Protocol::Tcp, &[]),
            port("talk", Protocol::Udp, &[]),
        ],
        ..service("web", "ClusterIP")
    };
    let host = |ip: &str, name: Option<&str>| NamedHost {
        address: address(ip),
        name: name.map(str::to_owned),
    };
    let bare = PublishedService {
        ports: vec![port(
            "talk",
            Protocol::Tcp,
            &[("10.1.0.2", 7000), ("10.1.0.3", 7001)],
        )],
        hosts: vec![
            host("10.1.0.2", Some("one")),
            host("10.1.0.3", None),
            host("fd00::3", None),
        ],
        ..service("bare", "Headless")
    };
    let ext = PublishedService {
        external_name: Some("Example.org.".to_owned()),
        ..service("ext", "ExternalName")
    };
    let published = Published {
        services: vec![bare, ext, web],
        ..Published::default()
    };
    let prefixes = |list: [&str; 2]| list.map(|prefix| prefix.parse().unwrap());
    let pods = prefixes(["10.1.0.0/24", "fd00::/64"]);
    let services = prefixes(["10.96.0.0/16", "fd00:96::/112"]);
    Names::new("C.local", &pods, &services, published)
}

/// Answers in short: `name what`, additional ones after a bar.
fn ask(name: &str, kind: Kind) -> String {
    let text = |records: Vec<Record>| {
        let one = |record: Record| match record.data {
            Data::Address(ip) => format!("{} {ip}", record.name),
            Data::Srv(port, target) => format!("{port} {target}"),
            Data::Ptr(name) | Data::Cname(name) | Data::Ns(name) => name,
            Data::Txt(text) => text.to_owned(),
        };
        let all: Vec<String> = records.into_iter().map(one).collect();
        all.join(", ")
    };
    match names().answer(name, kind) {
        Answer::Elsewhere => "elsewhere".to_owned(),
        Answer::Missing => "missing".to_owned(),
        Answer::Found { answers, extra } if extra.is_empty() => text(answers),
        Answer::Found { answers, extra } => format!("{} | {}", text(answers), text(extra)),
    }
}

#[test]
fn names_are_those_of_the_specification() {
    let web = "web.shop.svc.c.local";
    #[rustfmt::skip]
    let cases = [
        (web, Kind::A, "web.shop.svc.c.local 10.96.0.9"),
        (web, Kind::Aaaa, "web.shop.svc.c.local fd00:96::9"),
        (web, Kind::Other, ""),
        ("_talk._udp.web.shop.svc.c.local", Kind::Srv,
            "80 web.shop.svc.c.local | web.shop.svc.c.local 10.96.0.9, web.shop.svc.c.local fd00:96::9"),
        ("_talk._tcp.web.shop.svc.c.local", Kind::A, ""),
        ("_none._tcp.web.shop.svc.c.local", Kind::Srv, "missing"),
        ("_tcp.web.shop.svc.c.local", Kind::Srv, ""),
        ("_sctp.web.shop.svc.c.local", Kind::Srv, "missing"),
        (web, Kind::Srv, "80 web.shop.svc.c.local | web.shop.svc.c.local 10.96.0.9, web.shop.svc.c.local fd00:96::9"),
        ("bare.shop.svc.c.local", Kind::A, "bare.shop.svc.c.local 10.1.0.2, bare.shop.svc.c.local 10.1.0.3"),
        ("one.bare.shop.svc.c.local", Kind::A, "one.bare.shop.svc.c.local 10.1.0.2"),
        ("one.bare.shop.svc.c.local", Kind::Aaaa, ""),
        ("10-1-0-3.bare.shop.svc.c.local", Kind::A, "10-1-0-3.bare.shop.svc.c.local 10.1.0.3"),
        ("fd00--3.bare.shop.svc.c.local", Kind::Aaaa, "fd00--3.bare.shop.svc.c.local fd00::3"),
        ("10-1-0-2.bare.shop.svc.c.local", Kind::A, "missing"),
        ("_talk._tcp.bare.shop.svc.c.local", Kind::Srv,
            "7000 one.bare.shop.svc.c.local, 7001 10-1-0-3.bare.shop.svc.c.local | \
             one.bare.shop.svc.c.local 10.1.0.2, 10-1-0-3.bare.shop.svc.c.local 10.1.0.3"),
        ("ext.shop.svc.c.local", Kind::A, "example.org"),
        ("x.ext.shop.svc.c.local", Kind::A, "missing"),
        ("10-1-0-77.any.pod.c.local", Kind::A, "10-1-0-77.any.pod.c.local 10.1.0.77"),
        ("fd00--77.any.pod.c.local", Kind::Aaaa, "fd00--77.any.pod.c.local fd00::77"),
        ("192-0-2-1.any.pod.c.local", Kind::A, "missing"),
        ("nobody.pod.pod.c.local", Kind::A, "missing"),
        ("c.local", Kind::Ns, "ns.dns.c.local"),
        ("ns.dns.c.local", Kind::A, "ns.dns.c.local 169.254.77.1"),
        ("dns-version.c.local", Kind::Txt, "1.1.0"),
        ("svc.c.local", Kind::A, ""),
        ("shop.svc.c.local", Kind::A, ""),
        ("none.svc.c.local", Kind::A, "missing"),
        ("web.none.svc.c.local", Kind::A, "missing"),
        ("x.c.local", Kind::A, "missing"),
        ("x.y.z.bare.shop.svc.c.local", Kind::A, "missing"),
        ("xc.local", Kind::A, "elsewhere"),
        ("example.org", Kind::A, "elsewhere"),
    ];
    for (name, kind, wanted) in cases {
        assert_eq!(ask(name, kind), wanted, "{name} {kind:?}");
    }
}

#[test]
fn addresses_lead_back_to_names() {
    let nibbles = |ip: &str| {
        let IpAddr::V6(ip) = address(ip) else {
            panic!("{ip} is IPv4")
        };
        let hex = format!("{:032x}", u128::from(ip));
        let digits: Vec<String> = hex.chars().rev().map(|digit| digit.to_string()).collect();
        format!("{}.ip6.arpa", digits.join("."))
    };
    let six = nibbles("fd00:96::9");
    #[rustfmt::skip]
    let cases = [
        ("9.0.96.10.in-addr.arpa", "web.shop.svc.c.local"),
        ("2.0.1.10.in-addr.arpa", "one.bare.shop.svc.c.local"),
        ("3.0.1.10.in-addr.arpa", "10-1-0-3.bare.shop.svc.c.local"),
        (six.as_str(), "web.shop.svc.c.local"),
        ("8.0.96.10.in-addr.arpa", "missing"),
        ("8.8.8.8.in-addr.arpa", "elsewhere"),
        ("96.10.in-addr.arpa", "elsewhere"),
        ("300.0.96.10.in-addr.arpa", "elsewhere"),
    ];
    for (name, wanted) in cases {
        assert_eq!(ask(name, Kind::Ptr), wanted, "{name}");
    }
    assert_eq!(ask("9.0.96.10.in-addr.arpa", Kind::A), "");
}
