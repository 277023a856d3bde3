//! The volumes of a pod.

use super::Text;
use crate::cli::view::PodView;
use serde_json::Value;

/// Each volume with what it is made of.
pub fn section(text: &mut Text, pod: &PodView) {
    let volumes = pod.manifest["spec"]["volumes"].as_array();
    let Some(volumes) = volumes.filter(|volumes| !volumes.is_empty()) else {
        text.pair(0, "Volumes", "<none>");
        return;
    };
    text.line(0, "Volumes:");
    for volume in volumes {
        text.line(
            1,
            &format!("{}:", volume["name"].as_str().unwrap_or_default()),
        );
        one(text, volume);
    }
}

fn one(text: &mut Text, volume: &Value) {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let optional = |value: &Value| (value["optional"] == true).to_string();
    let (path, map, secret) = (&volume["hostPath"], &volume["configMap"], &volume["secret"]);
    if path.is_object() {
        text.pair(2, "Type", "HostPath (a file or directory of the host)");
        text.pair(2, "Path", &word(&path["path"]));
        text.pair(2, "HostPathType", &word(&path["type"]));
    } else if map.is_object() {
        text.pair(2, "Type", "ConfigMap (the keys of a config map as files)");
        text.pair(2, "Name", &word(&map["name"]));
        text.pair(2, "Optional", &optional(map));
    } else if secret.is_object() {
        text.pair(
            2,
            "Type",
            "Secret (the keys of a secret as files, in memory)",
        );
        text.pair(2, "SecretName", &word(&secret["secretName"]));
        text.pair(2, "Optional", &optional(secret));
    } else if volume["emptyDir"].is_object() {
        text.pair(
            2,
            "Type",
            "EmptyDir (a directory that lives as long as the pod)",
        );
    } else {
        text.pair(2, "Type", "<unknown>");
    }
}
