//! Manifests that are right, and what they become.

use super::*;
use crate::model::pod::{EnvValue, FieldRef, Pod, RestartPolicy, SourcePath};
use crate::model::probe::{Check, Hook};
use crate::model::quantity::CpuMillis;
use crate::model::volume::{HostPathKind, VolumeSource};
use proptest::prelude::*;
use std::time::Duration;

const YAML: &str = include_str!("full.yaml");
const JSON: &str = include_str!("full.json");
const TOML: &str = include_str!("full.toml");

fn pods(file: &str, text: &str) -> Vec<Pod> {
    let parsed = parse(Path::new(file), text.as_bytes());
    assert_eq!(parsed.problems, [], "{text}");
    parsed.pods
}

fn pod(file: &str, text: &str) -> Pod {
    let mut pods = pods(file, text);
    assert_eq!(pods.len(), 1);
    pods.remove(0)
}

#[test]
fn three_formats_one_pod() {
    let yaml = pod("/x.yaml", YAML);
    for (file, text) in [("/x.json", JSON), ("/x.toml", TOML)] {
        let mut other = pod(file, text);
        other.source = yaml.source.clone();
        assert_eq!(other, yaml, "{file}");
    }
    assert!(!yaml.manifest.contains('\n'));
}

#[test]
fn fields_arrive_with_the_defaults_of_the_api() {
    let pod = pod("/x.yaml", YAML);
    assert_eq!(pod.key.to_string(), "shop/web");
    let spec = &pod.spec;
    assert_eq!(spec.termination_grace, Duration::from_secs(20));
    assert_eq!(spec.active_deadline, Some(Duration::from_secs(3600)));
    let kinds: Vec<_> = spec.volumes.iter().map(|v| v.source.clone()).collect();
    assert_eq!(kinds[1], VolumeSource::EmptyDir);
    let host = VolumeSource::HostPath {
        path: "/srv/data".to_owned(),
        kind: HostPathKind::DirectoryOrCreate,
    };
    assert_eq!(kinds[2], host);
    let main = &spec.containers[0];
    assert_eq!(main.resources.cpu_request, Some(CpuMillis(500)));
    assert_eq!(main.resources.memory_request, main.resources.memory_limit);
    assert_eq!(main.mounts[0].path, "/scratch");
    assert_eq!(main.env[1].value, EnvValue::Text(String::new()));
    let label = FieldRef::Label("example.org/tier".to_owned());
    assert_eq!(main.env[3].value, EnvValue::Field(label));
    let liveness = main.probes.liveness.as_ref().unwrap();
    let Check::HttpGet(get) = &liveness.check else {
        panic!()
    };
    assert_eq!(
        (get.port, get.path.as_str(), get.https),
        (8080, "/healthz", true)
    );
    assert_eq!(
        (liveness.timeout.as_secs(), liveness.failure_threshold),
        (1, 3)
    );
    let sleep = Hook::Sleep {
        duration: Duration::from_secs(5),
    };
    assert_eq!(main.pre_stop, Some(sleep));
    let sidecar = &spec.init_containers[1];
    assert_eq!(sidecar.restart_policy, Some(RestartPolicy::Always));
    assert_eq!(sidecar.termination_message_path, None);
}

#[test]
fn manifests_are_lossless() {
    let minimal = "metadata: {name: a}\nspec: {containers: [{name: b, image: 'host:true'}]}";
    for (file, text) in [("/x.yaml", YAML), ("/x.yaml", minimal), ("/x.toml", TOML)] {
        let pod = pod(file, text);
        let again = pod_from_manifest(&pod.manifest, SourcePath("/x".into())).unwrap();
        assert_eq!(again.manifest, pod.manifest);
        assert_eq!(
            (again.spec, again.key, again.uid),
            (pod.spec, pod.key, pod.uid)
        );
    }
    assert_eq!(
        &*pod("/x.yaml", minimal).manifest,
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"default"},"spec":{"containers":[{"image":"host:true","name":"b"}]}}"#
    );
}

#[test]
fn server_made_fields_are_dropped() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, resourceVersion: '1', generation: 2, selfLink: x, managedFields: [{a: b}]}\nspec: {containers: [{name: b, image: 'host:true'}]}\nstatus: {phase: Running}";
    let manifest = pod("/x.yaml", text).manifest;
    assert!(!manifest.contains("phase") && !manifest.contains("resourceVersion"));
}

#[test]
fn several_objects_in_each_format() {
    let spec = "spec: {containers: [{name: b, image: 'host:true'}]}";
    let yaml = format!("metadata: {{name: a}}\n{spec}\n---\nmetadata: {{name: b}}\n{spec}\n");
    let json = r#"[{"metadata":{"name":"a"},"spec":{"containers":[{"name":"b","image":"host:true"}]}},
        {"metadata":{"name":"b"},"spec":{"containers":[{"name":"b","image":"host:true"}]}}]"#;
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":{json},"metadata":{{}}}}"#);
    let toml = "[[items]]\nmetadata.name = 'a'\n[[items.spec.containers]]\nname = 'b'\nimage = 'host:true'\n\
        [[items]]\nmetadata.name = 'b'\n[[items.spec.containers]]\nname = 'b'\nimage = 'host:true'\n";
    let mut all = Vec::new();
    for (file, text) in [
        ("/x.yaml", yaml.as_str()),
        ("/x.json", json),
        ("/x.json", &list),
        ("/x.toml", toml),
    ] {
        let keys: Vec<_> = pods(file, text)
            .iter()
            .map(|p| p.manifest.clone())
            .collect();
        assert_eq!(keys.len(), 2, "{file}");
        all.push(keys);
    }
    all.dedup();
    assert_eq!(all.len(), 1);
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  strategy: {}
  revisionHistoryLimit: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, x: y}, creationTimestamp: null}
    spec: {containers: [{name: b, image: 'host:true'}]}
";

#[test]
fn config_maps_and_secrets() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\nbinaryData: {b: aGk=}\nimmutable: true\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\ndata: {k: aGk=, x: ''}\nstringData: {k: plain}\n";
    let parsed = parse(Path::new("/x.yaml"), text.as_bytes());
    assert_eq!(parsed.problems, []);
    let (_, map) = &parsed.config_maps[0];
    assert_eq!(
        (map.data["k"].as_slice(), map.data["b"].as_slice()),
        (&b"v"[..], &b"hi"[..])
    );
    let (key, secret) = &parsed.secrets[0];
    assert_eq!(key.to_string(), "default/a");
    assert_eq!(
        (secret.data["k"].as_slice(), secret.data["x"].as_slice()),
        (&b"plain"[..], &b""[..])
    );
}

#[test]
fn only_manifests_are_read() {
    for good in ["a.yaml", "a.yml", "a.json", "a.toml", "/x/a.b.yaml"] {
        assert!(format_of(Path::new(good)).is_some(), "{good}");
    }
    for bad in [
        "a",
        "a.txt",
        ".a.yaml",
        "a.yaml~",
        ".a.yaml.swp",
        "#a.yaml#",
        "a.yaml.bak",
        ".yaml",
    ] {
        assert!(format_of(Path::new(bad)).is_none(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_manifests_do_not_panic(at in 0usize..4000, cut in 0usize..30, put in "\\PC{0,4}") {
        for text in [YAML, JSON, TOML, DEPLOYMENT] {
            let chars: Vec<char> = text.chars().collect();
            let at = at % chars.len();
            let end = (at + cut).min(chars.len());
            let damaged: String = chars[..at].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
            fuzz_one(damaged.as_bytes());
        }
    }

    #[test]
    fn any_argument_survives_the_manifest(arg in "[^\\p{Cc}]{0,20}", value in "[\\PC\n\t]{0,20}") {
        let quote = |text: &str| serde_json::to_string(text).unwrap();
        let json = format!(
            r#"{{"metadata":{{"name":"a"}},"spec":{{"containers":[{{"name":"b","image":"host:true","args":[{}],"env":[{{"name":"A","value":{}}}]}}]}}}}"#,
            quote(&arg), quote(&value)
        );
        let parsed = parse(Path::new("/x.json"), json.as_bytes());
        prop_assert_eq!(&parsed.problems, &[]);
        let pod = &parsed.pods[0];
        prop_assert_eq!(&pod.spec.containers[0].args[0], &arg);
        let again = pod_from_manifest(&pod.manifest, pod.source.clone());
        prop_assert_eq!(again.as_ref(), Ok(pod));
    }
}
