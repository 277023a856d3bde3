//! Services, right and wrong.

use crate::model::network::published::Protocol;
use crate::model::network::service::{ServiceKind, Target};
use crate::source::parse;
use std::path::Path;

fn parsed(spec: &str) -> crate::source::ParsedFile {
    let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec:\n{spec}");
    parse(Path::new("/x/s.yaml"), text.as_bytes())
}

#[test]
fn a_full_service_is_understood() {
    let file = parsed(
        "  type: LoadBalancer\n  selector: {app: a}\n  clusterIP: 10.96.0.9\n  clusterIPs: [10.96.0.9, 'fd00::9']\n  \
         ipFamilyPolicy: RequireDualStack\n  ipFamilies: [IPv4, IPv6]\n  externalIPs: [192.0.2.1]\n  sessionAffinity: ClientIP\n  \
         sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}\n  publishNotReadyAddresses: true\n  externalTrafficPolicy: Local\n  \
         internalTrafficPolicy: Cluster\n  ports:\n  - {name: a, port: 80, targetPort: http, nodePort: 30001}\n  \
         - {name: b, port: 53, protocol: UDP, appProtocol: dns}\n",
    );
    assert_eq!(file.problems, []);
    let service = &file.services[0];
    assert_eq!(service.kind, ServiceKind::NodePort);
    assert_eq!(service.cluster_ips.len(), 2);
    assert_eq!(
        (
            service.affinity,
            service.dual_stack,
            service.publish_not_ready
        ),
        (Some(60), true, true)
    );
    assert_eq!(service.ports[0].target, Target::Name("http".into()));
    assert_eq!(service.ports[0].node_port, Some(30001));
    assert_eq!(
        (service.ports[1].protocol, &service.ports[1].target),
        (Protocol::Udp, &Target::Number(53))
    );
}

#[test]
fn special_kinds() {
    let headless = parsed("  clusterIP: None\n  selector: {app: a}\n");
    assert_eq!(
        headless.services[0].kind,
        ServiceKind::Headless,
        "{:?}",
        headless.problems
    );
    let external = parsed("  type: ExternalName\n  externalName: example.org.\n");
    let problems = &external.problems;
    assert!(
        problems.is_empty() || external.services.is_empty(),
        "{problems:?}"
    );
    let external = parsed("  type: ExternalName\n  externalName: example.org\n");
    assert_eq!(
        external.services[0].kind,
        ServiceKind::ExternalName("example.org".into())
    );
}

#[test]
fn wrong_services_are_told() {
    let cases = [
        (
            "  selector: {a: b}\n",
            "has no ports: add at least one to `ports`",
        ),
        ("  ports: [{port: 0}]\n", "must be from 1 to 65535"),
        (
            "  ports: [{port: 1}, {port: 2}]\n",
            "several ports need names: add `name` to each",
        ),
        (
            "  ports: [{name: a, port: 1}, {name: b, port: 1}]\n",
            "port 1/tcp is there twice",
        ),
        (
            "  ports: [{port: 1, nodePort: 30000}]\n",
            "only a service of type NodePort has a port of the host",
        ),
        (
            "  type: NodePort\n  clusterIP: None\n  ports: [{port: 1}]\n",
            "has no port of the host either",
        ),
        ("  type: ExternalName\n", "needs externalName"),
        (
            "  clusterIP: here\n  ports: [{port: 1}]\n",
            "is not an IP address",
        ),
        (
            "  loadBalancerIP: 192.0.2.1\n  ports: [{port: 1}]\n",
            "vks does not implement this field yet",
        ),
    ];
    for (spec, wanted) in cases {
        let problems = parsed(spec).problems;
        let found = problems
            .iter()
            .any(|problem| problem.message.contains(wanted));
        assert!(found, "{spec}: {problems:?}");
    }
}

fn slice(text: &str) -> crate::source::ParsedFile {
    let head =
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s-1, labels: {";
    parse(Path::new("/x/s.yaml"), format!("{head}{text}").as_bytes())
}

#[test]
fn slices_are_of_a_service() {
    let file = slice(
        "kubernetes.io/service-name: s}}\naddressType: IPv6\nports: [{name: talk, port: 7}]\nendpoints:\n\
         - {addresses: ['fd00::7'], hostname: one, nodeName: h2}\n- {addresses: ['fd00::8'], conditions: {ready: false}}\n",
    );
    assert_eq!(file.problems, []);
    let slice = &file.slices[0];
    assert_eq!(slice.service.to_string(), "default/s");
    assert_eq!(
        (slice.ports[0].name.as_str(), slice.ports[0].port),
        ("talk", 7)
    );
    assert_eq!(slice.endpoints.len(), 1, "one is not ready");
    assert_eq!(slice.endpoints[0].hostname.as_deref(), Some("one"));
}

#[test]
fn wrong_slices_are_told() {
    const GOOD: &str = "kubernetes.io/service-name: s}}\naddressType: IPv4\n";
    let cases = [
        ("}}\naddressType: IPv4\n".to_owned(), "is of no service"),
        (
            "kubernetes.io/service-name: s}}\n".to_owned(),
            "addressType",
        ),
        (
            "kubernetes.io/service-name: s}}\naddressType: FQDN\n".to_owned(),
            "write IPv4 or IPv6",
        ),
        (
            format!("{GOOD}endpoints: [{{addresses: ['fd00::7']}}]\n"),
            "is no address of IPv4",
        ),
        (
            format!("{GOOD}endpoints: [{{addresses: [127.0.0.1]}}]\n"),
            "is no address of an endpoint",
        ),
        (
            format!("{GOOD}endpoints: [{{addresses: []}}]\n"),
            "has no addresses",
        ),
        (
            format!("{GOOD}ports: [{{port: 1}}, {{port: 2}}]\n"),
            "two ports are named",
        ),
        (format!("{GOOD}ports: [{{name: a}}]\n"), "port"),
    ];
    for (text, wanted) in cases {
        let problems = slice(&text).problems;
        let found = problems
            .iter()
            .any(|problem| problem.message.contains(wanted) || problem.field.contains(wanted));
        assert!(found, "{text}: {problems:?}");
    }
}
