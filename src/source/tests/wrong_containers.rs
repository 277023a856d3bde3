//! Containers that are wrong, and the exact answer.

use super::*;

/// Puts a line into a container of an otherwise right pod: it is line 6.
fn in_container(line: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  containers:\n  - name: b\n    image: host:true\n    {line}\n"
    )
}

const CONTAINERS: &[(&str, &str)] = &[
    (
        "imagee: x",
        "imagee: unknown field: did you mean `image`? If not, remove it",
    ),
    ("zzz: x", "zzz: unknown field: remove it"),
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
        "terminationMessagePolicy: Files",
        "terminationMessagePolicy: unknown value: write File or FallbackToLogsOnError",
    ),
    (
        "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
        "restartPolicyRules: needs a restartPolicy of the container's own, for when no rule fits: add it",
    ),
    (
        "restartPolicyRules: [{action: Stop, exitCodes: {operator: In, values: [1]}}]",
        "restartPolicyRules[0].action: unknown value: write Restart or RestartAllContainers",
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
        "env[0].valueFrom: write exactly one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef and fileKeyRef",
    ),
    (
        "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.disk}}}]",
        "env[0].valueFrom.resourceFieldRef.resource: unknown value: write limits.cpu, limits.memory, requests.cpu or requests.memory",
    ),
    (
        "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1Mi}}}]",
        "env[0].valueFrom.resourceFieldRef.divisor: is no divisor here: write one of 1, 1m",
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
        "ports: [{containerPort: 80, hostPort: 80, hostIP: here}]",
        "ports[0].hostIP: is not an IP address: write one of the host's, or remove the field",
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
        "resources.limits[\"cpu\"]: \"-1\" is negative: correct it",
    ),
    (
        "resources: {limits: {gpu: 1}}",
        "resources.limits[\"gpu\"]: vks knows only cpu, memory and requests of ephemeral-storage: remove this resource",
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

#[test]
fn containers() {
    for (line, wanted) in CONTAINERS {
        expect(
            &in_container(line),
            &[&format!("6: spec.containers[0].{wanted}")],
        );
    }
}
