//! The containers of a pod.

use super::{Scene, Text, environment, some};
use crate::cli::view::PodView;
use crate::model::pod::ContainerRole;
use crate::model::status::{ContainerState, ContainerStatus, Terminated};
use serde_json::Value;

/// Init containers with sidecars, then the others.
pub fn sections(text: &mut Text, pod: &PodView, scene: &Scene) {
    let of = |wanted: &[ContainerRole]| -> Vec<_> {
        let all = pod.containers();
        all.filter(|(role, _)| wanted.contains(role)).collect()
    };
    let groups = [
        (
            "Init Containers:",
            of(&[ContainerRole::Init, ContainerRole::Sidecar]),
        ),
        ("Containers:", of(&[ContainerRole::Main])),
        ("Ephemeral Containers:", of(&[ContainerRole::Ephemeral])),
    ];
    for (title, containers) in groups {
        if !containers.is_empty() {
            text.line(0, title);
        }
        for (_, container) in containers {
            let name = container["name"].as_str().unwrap_or_default();
            text.line(1, &format!("{name}:"));
            one(text, container, pod.container_status(name), scene);
            environment::sections(text, container);
            mounts(text, container, &pod.manifest["spec"]["volumes"]);
        }
    }
}

fn one(text: &mut Text, container: &Value, status: Option<&ContainerStatus>, scene: &Scene) {
    let id = status.and_then(|status| status.container_id.as_deref());
    text.pair(2, "Container ID", id.unwrap_or_default());
    text.pair(2, "Image", container["image"].as_str().unwrap_or_default());
    text.pair(2, "Image ID", status.map_or("", |status| &status.image_id));
    ports(text, container);
    words(text, "Command", &container["command"]);
    words(text, "Args", &container["args"]);
    if let Some(status) = status {
        state(text, "State", &status.state, scene);
        if !status.last_state.is_empty() {
            state(text, "Last State", &status.last_state, scene);
        }
        text.pair(2, "Ready", if status.ready { "True" } else { "False" });
        text.pair(2, "Restart Count", &status.restart_count.to_string());
    }
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let amounts = container["resources"][field].as_object();
        let amounts = amounts.filter(|amounts| !amounts.is_empty());
        for (index, (name, amount)) in amounts.into_iter().flatten().enumerate() {
            if index == 0 {
                text.line(2, &format!("{title}:"));
            }
            let amount = amount
                .as_str()
                .map_or_else(|| amount.to_string(), str::to_owned);
            text.pair(3, name, &amount);
        }
    }
    for (title, field) in [
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
        ("Startup", "startupProbe"),
    ] {
        if container[field].is_object() {
            text.pair(2, title, &probe(&container[field]));
        }
    }
}

fn ports(text: &mut Text, container: &Value) {
    let ports = container["ports"].as_array().into_iter().flatten();
    let ports: Vec<String> = ports
        .map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let name = port["name"].as_str().map(|name| format!(" ({name})"));
            format!(
                "{}/{protocol}{}",
                port["containerPort"],
                name.unwrap_or_default()
            )
        })
        .collect();
    match ports.len() {
        0 => text.pair(2, "Port", "<none>"),
        1 => text.pair(2, "Port", &ports[0]),
        _ => text.pair(2, "Ports", &ports.join(", ")),
    }
}

fn words(text: &mut Text, title: &str, words: &Value) {
    let words = words.as_array().filter(|words| !words.is_empty());
    for (index, word) in words.into_iter().flatten().enumerate() {
        if index == 0 {
            text.line(2, &format!("{title}:"));
        }
        for line in word.as_str().unwrap_or_default().lines() {
            text.line(3, line);
        }
    }
}

fn state(text: &mut Text, title: &str, state: &ContainerState, scene: &Scene) {
    match state {
        ContainerState::Empty => text.pair(2, title, "<none>"),
        ContainerState::Waiting(waiting) => {
            text.pair(2, title, "Waiting");
            text.pair(3, "Reason", &waiting.reason);
            if let Some(message) = some(waiting.message.as_deref()) {
                text.pair(3, "Message", message);
            }
        }
        ContainerState::Running(running) => {
            text.pair(2, title, "Running");
            if let Some(started) = running.started_at {
                text.pair(3, "Started", &scene.time(started));
            }
        }
        ContainerState::Terminated(terminated) => {
            text.pair(2, title, "Terminated");
            ending(text, terminated, scene);
        }
    }
}

fn ending(text: &mut Text, terminated: &Terminated, scene: &Scene) {
    text.pair(3, "Reason", &terminated.reason);
    if let Some(message) = some(terminated.message.as_deref()) {
        text.pair(3, "Message", message.trim_end());
    }
    text.pair(3, "Exit Code", &terminated.exit_code.to_string());
    for (title, time) in [
        ("Started", terminated.started_at),
        ("Finished", terminated.finished_at),
    ] {
        if let Some(time) = time {
            text.pair(3, title, &scene.time(time));
        }
    }
}

/// A probe in one line: `http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3`.
fn probe(probe: &Value) -> String {
    let number = |field: &str, default: i64| probe[field].as_i64().unwrap_or(default);
    format!(
        "{} delay={}s timeout={}s period={}s #success={} #failure={}",
        check(probe),
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 1),
        number("periodSeconds", 10),
        number("successThreshold", 1),
        number("failureThreshold", 3),
    )
}

fn check(probe: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if let Some(command) = probe["exec"]["command"].as_array() {
        let words: Vec<String> = command.iter().map(plain).collect();
        return format!("exec [{}]", words.join(" "));
    }
    let (http, tcp, grpc) = (&probe["httpGet"], &probe["tcpSocket"], &probe["grpc"]);
    if http.is_object() {
        let scheme = http["scheme"]
            .as_str()
            .unwrap_or("HTTP")
            .to_ascii_lowercase();
        let path = http["path"].as_str().unwrap_or("/");
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!(
            "http-get {scheme}://{}:{}{slash}{path}",
            plain(&http["host"]),
            plain(&http["port"])
        )
    } else if tcp.is_object() {
        format!("tcp-socket {}:{}", plain(&tcp["host"]), plain(&tcp["port"]))
    } else if grpc.is_object() {
        format!(
            "grpc <pod>:{} {}",
            plain(&grpc["port"]),
            plain(&grpc["service"])
        )
        .trim_end()
        .to_owned()
    } else {
        "unknown".to_owned()
    }
}

fn mounts(text: &mut Text, container: &Value, volumes: &Value) {
    let mounts = container["volumeMounts"]
        .as_array()
        .filter(|mounts| !mounts.is_empty());
    let Some(mounts) = mounts else {
        text.pair(2, "Mounts", "<none>");
        return;
    };
    text.line(2, "Mounts:");
    for mount in mounts {
        let word = |field: &str| mount[field].as_str().unwrap_or_default();
        let read_only = mount["readOnly"] == true || is_data(volumes, &mount["name"]);
        let access = if read_only { "ro" } else { "rw" };
        let line = format!("{} from {} ({access})", word("mountPath"), word("name"));
        text.line(3, &line);
    }
}

/// Config maps and secrets are read-only however they are mounted.
fn is_data(volumes: &Value, name: &Value) -> bool {
    let mut volumes = volumes.as_array().into_iter().flatten();
    let volume = volumes.find(|volume| volume["name"] == *name);
    volume.is_some_and(|volume| volume["configMap"].is_object() || volume["secret"].is_object())
}
