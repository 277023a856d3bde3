//! Manifests that are wrong, and the exact answer.

use super::*;

/// Puts a line into a container of an otherwise right pod: it is line 6.
fn in_container(line: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  containers:\n  - name: b\n    image: host:true\n    {line}\n"
    )
}

/// Puts a line into the spec: it is line 4.
fn in_spec(line: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  containers: [{{name: b, image: 'host:true'}}]\n  {line}\n"
    )
}

fn expect(text: &str, wanted: &[&str]) {
    assert_eq!(problems("/x.yaml", text), wanted, "{text}");
}

#[test]
fn containers() {
    let cases = [
        (
            "imagee: x",
            "imagee: unknown field: did you mean `image`? If not, remove it",
        ),
        ("zzz: x", "zzz: unknown field: remove it"),
        (
            "tty: true",
            "tty: vks does not implement this field yet: remove it",
        ),
        ("args: x", "args: expected a list, found a string"),
        (
            "args: [1]",
            "args[0]: expected a string (put the value in quotes), found a whole number",
        ),
        ("args: [null]", "args[0]: expected a string, found nothing"),
        (
            "args: [\"\\e\"]",
            "args[0]: contains a control character other than tab and line breaks: remove it",
        ),
        (
            "workingDir: x",
            "workingDir: must be an absolute path: begin with '/'",
        ),
        (
            "workingDir: /a/../b",
            "workingDir: must not contain '..': write the path without it",
        ),
        (
            "restartPolicy: always",
            "restartPolicy: unknown value: write Always, OnFailure or Never",
        ),
        (
            "terminationMessagePolicy: FallbackToLogsOnError",
            "terminationMessagePolicy: unknown value: write File",
        ),
        (
            "env: [{name: 1a}]",
            "env[0].name: must be letters, digits and '_', not beginning with a digit: systemd sets no other variables",
        ),
        (
            "env: [{name: A, value: 1}]",
            "env[0].value: expected a string (put the value in quotes), found a whole number",
        ),
        (
            "env: [{name: A, valueFrom: {}}]",
            "env[0].valueFrom: write exactly one of fieldRef, configMapKeyRef and secretKeyRef",
        ),
        (
            "env: [{name: A, valueFrom: {resourceFieldRef: {}}}]",
            "env[0].valueFrom.resourceFieldRef: vks does not implement this field yet: remove it",
        ),
        (
            "env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
            "env[0]: has both value and valueFrom: keep one of them",
        ),
        (
            "envFrom: [{}]",
            "envFrom[0]: write exactly one of configMapRef and secretRef",
        ),
        (
            "ports: [{containerPort: 0}]",
            "ports[0].containerPort: must be from 1 to 65535",
        ),
        (
            "ports: [{containerPort: 80, hostPort: 80}]",
            "ports[0].hostPort: vks does not implement this field yet: remove it, or use hostNetwork: true",
        ),
        (
            "ports: [{containerPort: 80, name: A}]",
            "ports[0].name: a port's name must be 1 to 15 lower-case letters, digits and single '-' with at least one letter",
        ),
        (
            "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
            "ports[1]: the port name \"a\" is there twice: rename or remove one",
        ),
        (
            "resources: {limits: {cpu: x}}",
            "resources.limits[\"cpu\"]: \"x\" is not a quantity: write a number with an optional suffix, such as 500m, 2, 64Mi or 1G",
        ),
        (
            "resources: {limits: {cpu: -1}}",
            "resources.limits[\"cpu\"]: \"-1\" is negative: write another amount",
        ),
        (
            "resources: {limits: {gpu: 1}}",
            "resources.limits[\"gpu\"]: vks knows only cpu and memory: remove this resource",
        ),
        (
            "resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
            "resources: the cpu request is larger than the limit: lower requests.cpu or raise limits.cpu",
        ),
        (
            "volumeMounts: [{name: v, mountPath: /x}]",
            "volumeMounts[0].name: there is no volume \"v\": add it to spec.volumes or correct the name",
        ),
        (
            "securityContext: {privileged: true}",
            "securityContext.privileged: vks does not implement this field yet: remove it",
        ),
        (
            "securityContext: {runAsUser: -1}",
            "securityContext.runAsUser: must be from 0 to 2147483647",
        ),
        (
            "livenessProbe: {}",
            "livenessProbe: write exactly one of exec, httpGet, tcpSocket and grpc",
        ),
        (
            "livenessProbe: {exec: {command: []}}",
            "livenessProbe.exec: has no command: write the program and its arguments",
        ),
        (
            "livenessProbe: {httpGet: {port: web}}",
            "livenessProbe.httpGet.port: the container has no port named \"web\": add it to its ports, or write the number without quotes",
        ),
        (
            "livenessProbe: {httpGet: {port: 1, path: a b}}",
            "livenessProbe.httpGet.path: must be printable ASCII without spaces: write other characters as %XX",
        ),
        (
            "livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}",
            "livenessProbe.successThreshold: must be 1 for liveness and startup probes: remove the field",
        ),
        (
            "readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 2}",
            "readinessProbe.terminationGracePeriodSeconds: a readiness probe stops nothing: remove the field",
        ),
        (
            "startupProbe: {tcpSocket: {port: 1}, periodSeconds: '5'}",
            "startupProbe.periodSeconds: expected a whole number (without quotes), found a string",
        ),
        (
            "lifecycle: {preStop: {tcpSocket: {port: 1}}}",
            "lifecycle.preStop.tcpSocket: vks does not implement this field yet: remove it, it has no effect in Kubernetes either",
        ),
        (
            "lifecycle: {preStop: {sleep: {seconds: 31}}}",
            "lifecycle.preStop.sleep.seconds: must not be longer than terminationGracePeriodSeconds (30): shorten it or raise that",
        ),
    ];
    for (line, wanted) in cases {
        expect(
            &in_container(line),
            &[&format!("6: spec.containers[0].{wanted}")],
        );
    }
}

#[test]
fn specs() {
    let cases = [
        (
            "hostPID: true",
            "hostPID: vks does not implement this field yet: remove it",
        ),
        (
            "hostname: x",
            "hostname: vks does not implement this field yet: remove it",
        ),
        (
            "nodeSelector: {a: b}",
            "nodeSelector: vks does not implement this field yet: remove it, a host has one place to run a pod",
        ),
        (
            "hostNetwrok: true",
            "hostNetwrok: unknown field: did you mean `hostNetwork`? If not, remove it",
        ),
        (
            "hostNetwork: yes",
            "hostNetwork: expected true or false, found a string",
        ),
        (
            "dnsPolicy: None",
            "dnsPolicy: unknown value: write Default, ClusterFirst or ClusterFirstWithHostNet",
        ),
        (
            "automountServiceAccountToken: true",
            "automountServiceAccountToken: vks mounts no service account token: write false, or remove the field",
        ),
        (
            "activeDeadlineSeconds: 0",
            "activeDeadlineSeconds: must be from 1 to 2147483647",
        ),
        (
            "terminationGracePeriodSeconds: -1",
            "terminationGracePeriodSeconds: must be from 0 to 2147483647",
        ),
        ("os: {name: windows}", "os.name: unknown value: write linux"),
        (
            "schedulerName: 5",
            "schedulerName: expected a string (put the value in quotes), found a whole number",
        ),
        (
            "volumes: [{name: v, nfs: {}}]",
            "volumes[0].nfs: vks does not implement this field yet: remove it",
        ),
        (
            "volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]",
            "volumes[0].emptyDir.sizeLimit: vks does not implement this field yet: remove it",
        ),
        (
            "volumes: [{name: v, emptyDir: {}, secret: {secretName: a}}]",
            "volumes[0]: has several sources: keep one of emptyDir, hostPath, configMap and secret",
        ),
        (
            "volumes: [{name: v, secret: {name: a}}]",
            "volumes[0].secret.name: unknown field: remove it",
        ),
        (
            "volumes: [{name: v, configMap: {name: a, defaultMode: 256}}]",
            "volumes[0].configMap.defaultMode: vks knows only the default mode, 0644 (decimal 420): remove the field",
        ),
        (
            "volumes: [{name: v, hostPath: {path: a}}]",
            "volumes[0].hostPath.path: must be an absolute path: begin with '/'",
        ),
        (
            "volumes: [{name: v, hostPath: {path: /a, type: Dir}}]",
            "volumes[0].hostPath.type: unknown value: write DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice or BlockDevice",
        ),
        (
            "volumes: [{name: v}, {name: v}]",
            "volumes[1]: the volume \"v\" is there twice: rename or remove one",
        ),
        (
            "initContainers: [{name: b, image: 'host:true'}]",
            "the container name \"b\" is there twice: rename one (init containers count too)",
        ),
        (
            "initContainers: [{name: i, image: 'host:true', lifecycle: {preStop: {sleep: {seconds: 1}}}}]",
            "initContainers[0]: an init container that runs to its end has no probes and no lifecycle: remove them, or make it a sidecar with restartPolicy: Always",
        ),
        (
            "initContainers: [{name: i, image: nginx}]",
            "initContainers[0].image: \"nginx\" has no image kind that vks runs: write host:/path/to/program or host:program",
        ),
    ];
    for (line, wanted) in cases {
        let found = problems("/x.yaml", &in_spec(line));
        assert!(
            found.contains(&format!("4: spec.{wanted}"))
                || found.contains(&format!("3: spec: {wanted}")),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn objects() {
    let spec = "spec: {containers: [{name: b, image: 'host:true'}]}";
    let cases = [
        ("[]", vec![]),
        ("a", vec!["1: expected a table, found a string"]),
        (
            "kind: Service\nmetadata: {name: a}",
            vec![
                "1: kind: kind \"Service\" is not supported yet: remove the object; vks takes Pod, Deployment, ConfigMap, Secret and List",
            ],
        ),
        (
            "kind: Pod\n",
            vec![
                "1: metadata: is missing: add it",
                "1: spec: is missing: add it",
            ],
        ),
        (
            "metadata: {}\nspec: {}",
            vec![
                "1: metadata.name: is missing: add it",
                "2: spec: has no containers: add at least one to `containers`",
            ],
        ),
        (
            "apiVersion: v2\nmetadata: {name: a}\nSPEC",
            vec!["1: apiVersion: unknown value: write v1"],
        ),
        (
            "metadata: {name: A_}\nSPEC",
            vec![
                "1: metadata.name: \"A_\" is not a valid name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
            ],
        ),
        (
            "metadata: {name: a, finalizers: [x]}\nSPEC",
            vec!["1: metadata.finalizers: vks does not implement this field yet: remove it"],
        ),
        (
            "metadata:\n  name: a\n  labels:\n    ok: v\n    -x: v\nSPEC",
            vec![
                "5: metadata.labels[\"-x\"]: the name must be 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
            ],
        ),
        (
            "metadata: {name: a, labels: {x: a b}}\nSPEC",
            vec![
                "1: metadata.labels[\"x\"]: a label's value must be empty or up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit: use an annotation for other text",
            ],
        ),
        (
            "metadata: {name: a}\nSPEC\n---\nmetadata: {name: a}\nSPEC",
            vec![
                "4: metadata.name: Pod default/a is already defined on line 1: rename or remove one of them",
            ],
        ),
        (
            "kind: ConfigMap\nmetadata: {name: a}",
            vec!["1: apiVersion: is missing: add it"],
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a/b: x\n  c: 1\n",
            vec![
                "5: data[\"a/b\"]: a key must be letters, digits, '-', '_' and '.': rename it",
                "6: data[\"c\"]: expected a string (put the value in quotes), found a whole number",
            ],
        ),
        (
            "kind: List\nitems:\n- kind: Pod\n",
            vec![
                "3: items[0].metadata: is missing: add it",
                "3: items[0].spec: is missing: add it",
            ],
        ),
        (
            "a: 1\na: 2\n",
            vec![
                "1: a: unknown field: remove it",
                "1: metadata: is missing: add it",
                "1: spec: is missing: add it",
                "2: the key \"a\" is there twice: remove one of them",
            ],
        ),
    ];
    for (text, wanted) in cases {
        expect(&text.replace("SPEC", spec), &wanted);
    }
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
            "5: spec: selector.matchLabels do not match template.metadata.labels: make them equal",
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
            "selector: {matchLabels: {a: b}}\n  paused: true",
            "6: spec.paused: vks does not implement this field yet: remove it",
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
fn a_secret_is_never_quoted() {
    let hidden = "hunter2hunter2";
    for line in [
        format!("data: {{k: {hidden}!}}"),
        format!("data: {hidden}"),
        format!("stringData: {{k: [{hidden}]}}"),
        format!("stringData: {{k: {hidden}}}\ntype: 5"),
        format!("stringData:\n  k: \"{hidden}\\q\""),
        format!("stringData:\n  k: !x {hidden}"),
        format!("stringData:\n  k: {hidden}: {hidden}"),
    ] {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{line}\n");
        let found = problems("/x.yaml", &text);
        assert!(!found.is_empty(), "{line}");
        assert!(
            found.iter().all(|problem| !problem.contains(hidden)),
            "{found:?}"
        );
    }
}

#[test]
fn toml_and_json_have_lines_too() {
    let toml = "[metadata]\nname = \"a\"\n\n[[spec.containers]]\nname = \"b\"\nimage = \"nginx\"\n\n[[spec.containers.env]]\nnam = \"X\"\n";
    assert_eq!(
        problems("/x.toml", toml),
        [
            "6: spec.containers[0].image: \"nginx\" has no image kind that vks runs: write host:/path/to/program or host:program",
            "8: spec.containers[0].env[0].name: is missing: add it",
            "9: spec.containers[0].env[0].nam: unknown field: did you mean `name`? If not, remove it",
        ]
    );
    let json = "{\n\"metadata\": {\"name\": \"a\"},\n\"spec\": {\n\"containers\": [\n{\"name\": \"b\",\n\"image\": 5}]}}";
    assert_eq!(
        problems("/x.json", json),
        [
            "6: spec.containers[0].image: expected a string (put the value in quotes), found a whole number"
        ]
    );
}
