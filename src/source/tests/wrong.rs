//! Manifests that are wrong, and the exact answer.

use super::*;

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
    let toml = "[metadata]\nname = \"a\"\n\n[[spec.containers]]\nname = \"b\"\nimage = \"deb:X\"\n\n[[spec.containers.env]]\nnam = \"X\"\n";
    assert_eq!(
        problems("/x.toml", toml),
        [
            "6: spec.containers[0].image: \"deb:X\" names no Debian package: write lower-case letters, digits, '+', '-' and '.', two at least",
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

/// Puts a line into the spec: it is line 4.
fn in_spec(line: &str) -> String {
    format!(
        "metadata: {{name: a}}\nspec:\n  containers: [{{name: b, image: 'host:true'}}]\n  {line}\n"
    )
}

const SPECS: &[(&str, &str)] = &[
    (
        "runtimeClassName: a b",
        "runtimeClassName: \"a b\" is not a valid name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
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
        "volumes: [{name: v, image: {}}]",
        "volumes[0].image.reference: is missing: add it",
    ),
    (
        "volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]",
        "volumes[0].emptyDir.sizeLimit: a directory on disk has no limit that this host can hold: use medium: Memory, or remove the field",
    ),
    (
        "volumes: [{name: v, emptyDir: {}, secret: {secretName: a}}]",
        "volumes[0]: has several sources: keep one of them",
    ),
    (
        "volumes: [{name: v, secret: {name: a}}]",
        "volumes[0].secret.name: unknown field: remove it",
    ),
    (
        "volumes: [{name: v, configMap: {name: a, defaultMode: 512}}]",
        "volumes[0].configMap.defaultMode: must be from 0 to 511",
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
        "initContainers: [{name: i, image: 'deb:X'}]",
        "initContainers[0].image: \"deb:X\" names no Debian package: write lower-case letters, digits, '+', '-' and '.', two at least",
    ),
];

#[test]
fn specs() {
    for (line, wanted) in SPECS {
        let found = problems("/x.yaml", &in_spec(line));
        assert!(
            found.contains(&format!("4: spec.{wanted}"))
                || found.contains(&format!("3: spec: {wanted}")),
            "{line}: {found:?}"
        );
    }
}

const OBJECTS: &[(&str, &[&str])] = &[
    ("[]", &[]),
    ("a", &["1: expected a table, found a string"]),
    (
        "kind: Ingress\nmetadata: {name: a}",
        &[
            "1: kind: kind \"Ingress\" is not supported yet: remove the object; vks takes Pod, Deployment, StatefulSet, DaemonSet, Job, CronJob, Service, EndpointSlice, NetworkAttachmentDefinition, ConfigMap, Secret, PersistentVolumeClaim, PersistentVolume, PriorityClass and List",
        ],
    ),
    (
        "kind: Pod\n",
        &[
            "1: metadata: is missing: add it",
            "1: spec: is missing: add it",
        ],
    ),
    (
        "metadata: {}\nspec: {}",
        &[
            "1: metadata.name: is missing: add it",
            "2: spec: has no containers: add at least one to `containers`",
        ],
    ),
    (
        "apiVersion: v2\nmetadata: {name: a}\nSPEC",
        &["1: apiVersion: unknown value: write v1"],
    ),
    (
        "metadata: {name: A_}\nSPEC",
        &[
            "1: metadata.name: \"A_\" is not a valid name: use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
        ],
    ),
    (
        "metadata: {name: a, finalizers: [x]}\nSPEC",
        &["1: metadata.finalizers: vks does not implement this field yet: remove it"],
    ),
    (
        "metadata:\n  name: a\n  labels:\n    ok: v\n    -x: v\nSPEC",
        &[
            "5: metadata.labels[\"-x\"]: the name must be 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
        ],
    ),
    (
        "metadata: {name: a, labels: {x: a b}}\nSPEC",
        &[
            "1: metadata.labels[\"x\"]: a label's value must be empty or up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit: use an annotation for other text",
        ],
    ),
    (
        "metadata: {name: a, annotations: {vks.io/profil: strict, vks.io/nothing-like-it: x, example.org/any: y}}\nSPEC",
        &[
            "1: metadata.annotations[\"vks.io/nothing-like-it\"]: vks has no such annotation: remove it",
            "1: metadata.annotations[\"vks.io/profil\"]: vks has no such annotation: did you mean `vks.io/profile`? If not, remove it",
        ],
    ),
    (
        "metadata: {name: a}\nSPEC\n---\nmetadata: {name: a}\nSPEC",
        &[
            "4: metadata.name: Pod default/a is already defined on line 1: rename or remove one of them",
        ],
    ),
    (
        "kind: ConfigMap\nmetadata: {name: a}",
        &["1: apiVersion: is missing: add it"],
    ),
    (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a/b: x\n  c: 1\n",
        &[
            "5: data[\"a/b\"]: a key must be letters, digits, '-', '_' and '.': rename it",
            "6: data[\"c\"]: expected a string (put the value in quotes), found a whole number",
        ],
    ),
    (
        "kind: List\nitems:\n- kind: Pod\n",
        &[
            "3: items[0].metadata: is missing: add it",
            "3: items[0].spec: is missing: add it",
        ],
    ),
    (
        "a: 1\na: 2\n",
        &[
            "1: a: unknown field: remove it",
            "1: metadata: is missing: add it",
            "1: spec: is missing: add it",
            "2: the key \"a\" is there twice: remove one of them",
        ],
    ),
];

#[test]
fn objects() {
    let spec = "spec: {containers: [{name: b, image: 'host:true'}]}";
    for (text, wanted) in OBJECTS {
        expect(&text.replace("SPEC", spec), wanted);
    }
}
