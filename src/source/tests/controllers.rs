//! Controllers: right ones, wrong ones, and the exact answer.

use super::*;
use crate::model::controller::{ControllerSpec, Share, Strategy, Template};

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
fn deployments_become_controllers() {
    let parsed = parse(Path::new("/x.yaml"), DEPLOYMENT.as_bytes());
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.pods, []);
    let [web] = parsed.controllers.as_slice() else {
        panic!("{parsed:?}")
    };
    assert_eq!(web.key.to_string(), "Deployment shop/web");
    let ControllerSpec::Deployment(spec) = &web.spec else {
        panic!("{web:?}")
    };
    assert_eq!((spec.replicas, spec.history), (3, 2));
    let quarter = Share::Percent(25);
    let rolling = Strategy::Rolling {
        max_surge: quarter,
        max_unavailable: quarter,
    };
    assert_eq!(spec.strategy, rolling);
    assert_eq!(
        &*spec.template.json,
        r#"{"metadata":{"labels":{"app":"web","x":"y"}},"spec":{"containers":[{"image":"host:true","name":"b"}]}}"#
    );
    assert_eq!(spec.template.hash.len(), 10);
}

/// The same template written in another order is the same, another is another.
#[test]
fn templates_are_told_apart_by_what_they_say() {
    let template = |text: &str| -> Template {
        let parsed = parse(Path::new("/x.yaml"), text.as_bytes());
        let ControllerSpec::Deployment(spec) = parsed.controllers[0].spec.clone() else {
            panic!("{parsed:?}")
        };
        spec.template
    };
    let one = template(DEPLOYMENT);
    let turned = DEPLOYMENT.replace("{app: web, x: y}", "{x: y, app: web}");
    assert_eq!(template(&turned), one);
    assert_eq!(
        template(&DEPLOYMENT.replace("replicas: 3", "replicas: 4")),
        one
    );
    assert_ne!(
        template(&DEPLOYMENT.replace("host:true", "host:false")).hash,
        one.hash
    );
}

const OTHERS: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  replicas: 2
  ordinals: {start: 3}
  serviceName: s
  podManagementPolicy: Parallel
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}
  selector: {matchLabels: {a: b}}
  TEMPLATE
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec: {selector: {matchLabels: {a: b}}, updateStrategy: {type: OnDelete}, TEMPLATE}
---
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  completions: 5
  parallelism: 2
  completionMode: Indexed
  backoffLimitPerIndex: 1
  maxFailedIndexes: 2
  activeDeadlineSeconds: 60
  ttlSecondsAfterFinished: 0
  podReplacementPolicy: Failed
  podFailurePolicy:
    rules:
    - {action: FailIndex, onExitCodes: {operator: In, values: [3]}}
    - {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}
  successPolicy: {rules: [{succeededIndexes: '0-2,4', succeededCount: 3}]}
  JOB
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec:
  schedule: '*/5 * * * mon-fri'
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 100
  jobTemplate: {metadata: {labels: {x: y}}, spec: {JOB}}
";

#[test]
fn all_kinds_of_controllers_are_taken() {
    let template = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: 'host:true'}]}}";
    let job =
        "template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'host:true'}]}}";
    let text = OTHERS.replace("TEMPLATE", template).replace("JOB", job);
    let parsed = parse(Path::new("/x.yaml"), text.as_bytes());
    assert_eq!(parsed.problems, []);
    let names: Vec<String> = parsed
        .controllers
        .iter()
        .map(|c| c.key.to_string())
        .collect();
    let wanted = [
        "StatefulSet default/s",
        "DaemonSet default/d",
        "Job default/j",
        "CronJob default/c",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn deployments() {
    let text = |line: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec:\n  {line}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    spec:\n      containers: [{{name: b, image: 'host:true'}}]\n"
        )
    };
    let cases = [
        (
            "selector: {matchLabels: {a: c}}",
            "5: spec.selector.matchLabels[\"a\"]: \"c\" does not match \"b\", the label of the template: make them equal",
        ),
        (
            "selector: {matchLabels: {a: b, d: e}}",
            "5: spec.selector.matchLabels[\"d\"]: the template has no such label: write it in template.metadata.labels too, or remove it",
        ),
        (
            "selector: {matchLabels: {}}",
            "5: spec.selector: selects every pod: name at least one label in matchLabels",
        ),
        (
            "selector: {matchLabels: {a: b}, matchExpressions: [{}]}",
            "5: spec.selector.matchExpressions: vks does not implement this field yet: remove it, or use matchLabels",
        ),
        ("replicas: 1", "5: spec.selector: is missing: add it"),
        (
            "selector: {matchLabels: {a: b}}\n  replicas: 1001",
            "6: spec.replicas: must be from 0 to 1000",
        ),
        (
            "selector: {matchLabels: {a: b}}\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
            "6: spec.strategy.rollingUpdate: maxSurge and maxUnavailable are both 0: nothing could change, raise one",
        ),
        (
            "selector: {matchLabels: {a: b}}\n  strategy: {type: Recreate, rollingUpdate: {}}",
            "6: spec.strategy: has rollingUpdate although the type is Recreate: remove one",
        ),
        (
            "selector: {matchLabels: {a: b}}\n  strategy: {rollingUpdate: {maxSurge: 1%%}}",
            "6: spec.strategy.rollingUpdate.maxSurge: must be a number without quotes, or a share from 0% to 100%",
        ),
    ];
    for (line, wanted) in cases {
        expect(&text(line), &[wanted]);
    }
    let never = text("selector: {matchLabels: {a: b}}")
        .replace("    spec:\n", "    spec:\n      restartPolicy: Never\n");
    expect(
        &never,
        &[
            "9: spec.template.spec: the pods of a Deployment run for ever: restartPolicy must be Always or absent",
        ],
    );
}

#[test]
fn jobs() {
    let text = |line: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec:\n  {line}\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: b, image: 'host:true'}}]\n"
        )
    };
    let cases = [
        (
            "completionMode: Indexed\n  parallelism: 2",
            "5: spec: is Indexed: add completions, the number of indexes",
        ),
        (
            "backoffLimitPerIndex: 1",
            "5: spec: backoffLimitPerIndex is for completionMode Indexed and restartPolicy Never: remove it",
        ),
        (
            "podFailurePolicy: {rules: [{action: Ignore}]}",
            "5: spec.podFailurePolicy.rules[0]: needs one of onExitCodes and onPodConditions: give one",
        ),
        (
            "podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [1]}}]}",
            "5: spec: the action FailIndex is for backoffLimitPerIndex: use another",
        ),
        (
            "completionMode: Indexed\n  completions: 3\n  successPolicy: {rules: [{succeededIndexes: '2-1'}]}",
            "7: spec.successPolicy.rules[0].succeededIndexes: must be numbers and ranges from the lower to the higher, such as 0-2,5",
        ),
        (
            "managedBy: other.io/x",
            "5: spec.managedBy: \"other.io/x\" does not run on this host, and vks leaves its Jobs alone: remove the field, or write kubernetes.io/job-controller",
        ),
    ];
    for (line, wanted) in cases {
        expect(&text(line), &[wanted]);
    }
    let always = text("completions: 1").replace("Never", "Always");
    expect(
        &always,
        &["5: spec: the pods of a Job end: template.spec.restartPolicy must be Never or OnFailure"],
    );
}
