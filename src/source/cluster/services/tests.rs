//! What the API server says of services becomes manifests that are understood.

use super::*;
use crate::model::network::service::ServiceKind;
use crate::source::parse;
use std::path::Path;

fn web() -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "u" },
        "spec": {
            "type": "NodePort", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "selector": { "app": "web" },
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster", "healthCheckNodePort": 0,
            "ports": [{ "name": "http", "protocol": "TCP", "port": 80, "targetPort": "web", "nodePort": 30080 }],
        },
        "status": { "loadBalancer": {} },
    })
}

fn slice(name: &str, endpoints: Value) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "default", "labels": { OWNER: "web" } },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{ "name": "http", "protocol": "TCP", "port": 8080 }],
    })
}

fn endpoint(ip: &str, conditions: Value) -> Value {
    json!({ "addresses": [ip], "conditions": conditions, "nodeName": "n1" })
}

/// What the manifest of `web` says when it is read: addresses it leads to.
fn leads(text: &str) -> Vec<(String, u16)> {
    let file = parse(Path::new("service.default.web.json"), text.as_bytes());
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    let service = &file.services[0];
    let subsets = service.subsets.iter().flatten();
    let pairs = subsets.flat_map(|subset| {
        let addresses = subset.addresses.iter();
        addresses.flat_map(|host| {
            let ports = subset.ports.iter();
            ports.map(|port| (host.address.to_string(), port.port))
        })
    });
    pairs.collect()
}

fn only(changes: Vec<FileChange>) -> Option<String> {
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].0, "service.default.web.json");
    changes.into_iter().next()?.1
}

#[test]
fn a_service_is_written_when_all_of_it_is_known_and_only_when_it_changes() {
    let mut services = Services::new("n1", BTreeMap::new());
    services.all(vec![web()]);
    assert!(services.changes().is_empty());
    services.all_parts(vec![
        slice(
            "web-1",
            json!([endpoint("10.1.0.1", json!({ "ready": true }))]),
        ),
        slice(
            "web-2",
            json!([
                endpoint("10.1.0.2", json!({ "ready": false })),
                endpoint("10.1.0.3", json!({}))
            ]),
        ),
    ]);
    let text = only(services.changes()).unwrap();
    assert_eq!(
        leads(&text),
        [("10.1.0.1".to_owned(), 8080), ("10.1.0.3".to_owned(), 8080)]
    );
    let file = parse(Path::new("x.json"), text.as_bytes());
    assert_eq!(file.services[0].kind, ServiceKind::NodePort);
    assert_eq!(file.services[0].ports[0].node_port, Some(30080));
    services.service(&web(), true);
    assert!(services.changes().is_empty());
    services.part(&slice("web-1", json!([])), false);
    let text = only(services.changes()).unwrap();
    assert_eq!(leads(&text), [("10.1.0.3".to_owned(), 8080)]);
    services.service(&web(), false);
    assert_eq!(only(services.changes()), None);
}

#[test]
fn endpoints_that_end_serve_as_long_as_none_is_ready() {
    let ending = json!({ "ready": false, "serving": true, "terminating": true });
    let part = slice(
        "a",
        json!([
            endpoint("10.1.0.1", ending.clone()),
            endpoint("10.1.0.2", json!({ "ready": true }))
        ]),
    );
    assert_eq!(
        subsets([&part].into_iter(), None)[0]["addresses"],
        json!([{ "ip": "10.1.0.2" }])
    );
    let part = slice("a", json!([endpoint("10.1.0.1", ending)]));
    assert_eq!(
        subsets([&part].into_iter(), None)[0]["addresses"],
        json!([{ "ip": "10.1.0.1" }])
    );
    // Of another node.
    assert!(subsets([&part].into_iter(), Some("n2")).is_empty());
}

#[test]
fn who_comes_from_outside_may_be_led_to_this_node_alone() {
    let mut services = Services::new("n2", BTreeMap::new());
    let mut object = web();
    object["spec"]["externalTrafficPolicy"] = json!("Local");
    services.all(vec![object.clone()]);
    let mut there = endpoint("10.1.0.1", json!({ "ready": true }));
    services.all_parts(vec![slice("web-1", json!([there]))]);
    let outside = |text: &str| {
        let file = parse(Path::new("x.json"), text.as_bytes());
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        file.services[0].subsets_outside.clone()
    };
    let text = only(services.changes()).unwrap();
    assert_eq!((leads(&text).len(), outside(&text)), (1, Some(Vec::new())));
    there["nodeName"] = json!("n2");
    services.part(&slice("web-1", json!([there])), true);
    let text = only(services.changes()).unwrap();
    assert_eq!(
        (leads(&text).len(), outside(&text).map(|found| found.len())),
        (1, Some(1))
    );
    object["spec"]["externalTrafficPolicy"] = json!("Cluster");
    services.service(&object, true);
    assert_eq!(outside(&only(services.changes()).unwrap()), None);
}

#[test]
fn core_endpoints_and_headless_services() {
    let mut services = Services::new(
        "n1",
        BTreeMap::from([("service.a.b.json".to_owned(), "{}".to_owned())]),
    );
    let mut object = web();
    object["spec"] = json!({ "clusterIP": "None", "type": "ClusterIP" });
    services.all(vec![object]);
    services.all_parts(vec![json!({
        "metadata": { "name": "web", "namespace": "default" },
        "subsets": [{
            "addresses": [{ "ip": "10.1.0.9", "hostname": "web-0", "nodeName": "n1", "targetRef": {} }],
            "notReadyAddresses": [{ "ip": "10.1.0.8" }],
            "ports": [{ "port": 80, "protocol": "TCP" }],
        }],
    })]);
    let changes = services.changes();
    // What was there before and is not listed goes.
    assert_eq!(changes[1], ("service.a.b.json".to_owned(), None));
    let text = changes[0].1.as_deref().unwrap();
    assert_eq!(leads(text), [("10.1.0.9".to_owned(), 80)]);
    let file = parse(Path::new("x.json"), text.as_bytes());
    assert_eq!(file.services[0].kind, ServiceKind::Headless);
    let subsets = file.services[0].subsets.as_ref().unwrap();
    assert_eq!(subsets[0].addresses[0].name.as_deref(), Some("web-0"));
}
