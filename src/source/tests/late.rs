//! What is put into running pods, and how much pods matter.

use super::*;
use crate::model::pod::Pod;

fn text(spec: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  {spec}\n  containers:\n  - name: b\n    image: host:true\n"
    )
}

fn pod(spec: &str) -> Pod {
    let mut parsed = parse(Path::new("/x.yaml"), text(spec).as_bytes());
    assert_eq!(parsed.problems, [], "{spec}");
    parsed.pods.remove(0)
}

fn problem(text: &str) -> String {
    let parsed = parse(Path::new("/x.yaml"), text.as_bytes());
    let all: Vec<String> = parsed
        .problems
        .iter()
        .map(|p| format!("{}: {}", p.field, p.message))
        .collect();
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all.concat()
}

#[test]
fn ephemeral_containers() {
    let made = pod(
        "ephemeralContainers: [{name: look, image: 'host:sh', targetContainerName: b, stdin: true, tty: true, \
         imagePullPolicy: Always, resources: {}, ports: []}]",
    );
    let look = &made.spec.ephemeral_containers[0];
    assert_eq!(look.target.as_ref().unwrap().as_str(), "b");
    assert!(look.stdio.stdin && look.stdio.tty);
    let wrong = |more: &str| {
        problem(&text(&format!(
            "ephemeralContainers: [{{name: look, image: 'host:sh', {more}}}]"
        )))
    };
    for field in [
        "ports: [{containerPort: 1}]",
        "livenessProbe: {tcpSocket: {port: 1}}",
        "lifecycle: {preStop: {sleep: {seconds: 1}}}",
        "resources: {limits: {cpu: 1}}",
        "restartPolicy: Always",
    ] {
        let said = wrong(field);
        assert!(said.contains("an ephemeral container runs once"), "{said}");
    }
    assert!(wrong("targetContainerName: c").contains("no container \"c\""));
    assert!(problem(&text("ephemeralContainers: [{name: b, image: 'host:sh'}]")).contains("twice"));
}

#[test]
fn a_container_of_the_pod_has_no_target() {
    let text = "metadata: {name: a}\nspec: {containers: [{name: b, image: 'host:true', targetContainerName: b}]}";
    assert!(problem(text).contains("only ephemeralContainers"));
}

#[test]
fn priorities() {
    let made = pod("priority: -5\n  priorityClassName: low").spec.priority;
    assert_eq!(
        (made.value, made.class.unwrap().as_str()),
        (Some(-5), "low")
    );
    assert!(pod("priorityClassName: ''").spec.priority.is_silent());
    assert!(problem(&text("priority: 3000000000")).contains("priority"));
}

#[test]
fn priority_classes() {
    let class = |name: &str, more: &str| {
        format!(
            "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\n{more}\n"
        )
    };
    let good = class(
        "high",
        "value: 1000\nglobalDefault: true\ndescription: x\npreemptionPolicy: Never",
    );
    let parsed = parse(Path::new("/x.yaml"), good.as_bytes());
    assert_eq!(parsed.problems, []);
    let (name, made) = &parsed.priority_classes[0];
    assert_eq!(
        (name.as_str(), made.value, made.global_default),
        ("high", 1000, true)
    );
    assert!(problem(&class("high", "value: 1000000001")).contains("1000000000"));
    assert!(problem(&class("system-x", "value: 1")).contains("system-node-critical"));
    assert!(problem(&class("high", "")).contains("value"));
    assert!(problem(&class("high", "value: 1\nspec: {}")).contains("spec"));
}
