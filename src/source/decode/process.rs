//! How the process of a container is wired: standard input, terminal, devices.

use super::field::Fields;
use super::report::Report;
use crate::model::name::ContainerName;
use crate::model::pod::PodSpec;
use crate::model::process::{Device, Stdio};
use std::collections::BTreeMap;

/// The annotation that gives devices to all containers.
pub(super) const ALL_DEVICES: &str = "vks.io/device";
/// The prefix of the annotations that give devices to one: `device.vks.io/<container>`.
const ONE: &str = "device.vks.io/";

/// Takes standard input and terminal from a container.
pub fn stdio(container: &mut Fields<'_>) -> Option<Stdio> {
    let stdin = container.flag("stdin");
    let once = container.flag("stdinOnce");
    let tty = container.flag("tty");
    let stdio = Stdio {
        stdin: stdin?,
        once: once?,
        tty: tty?,
    };
    Some(stdio)
}

/// The devices in a pod's annotations: `PATH` or `PATH:ACCESS`, several with commas between them.
pub fn devices(
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    line: usize,
    report: &Report,
) -> Option<Vec<Device>> {
    let mut devices = Vec::new();
    let mut good = true;
    for (key, value) in annotations {
        let found = match (key.as_str() == ALL_DEVICES, key.strip_prefix(ONE)) {
            (true, _) => of(value, None),
            (false, Some(container)) => one(container, spec).and_then(|name| of(value, Some(name))),
            (false, None) => continue,
        };
        match found {
            Ok(found) => devices.extend(found),
            Err(message) => {
                report.add(line, &format!("metadata.annotations[{key:?}]"), message);
                good = false;
            }
        }
    }
    good.then_some(devices)
}

fn one(container: &str, spec: &PodSpec) -> Result<ContainerName, String> {
    spec.all_containers()
        .map(|(_, spec)| &spec.name)
        .find(|name| name.as_str() == container)
        .cloned()
        .ok_or_else(|| format!("the pod has no container {container:?}: correct the name"))
}

fn of(value: &str, container: Option<ContainerName>) -> Result<Vec<Device>, String> {
    let words = value.split(',').map(str::trim);
    words
        .map(|word| {
            let (path, access) = word.rsplit_once(':').unwrap_or((word, "rw"));
            let plain = path.strip_prefix("/dev/").is_some_and(|rest| {
                rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                    && rest
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\'' && b != b'\\')
            });
            if !plain {
                return Err(format!(
                    "{word:?} is no device: write a path such as /dev/ttyUSB0 or /dev/sdb:r"
                ));
            }
            let mut letters: Vec<char> = access.chars().collect();
            letters.sort_unstable();
            letters.dedup();
            let known = letters.iter().all(|c| "rwm".contains(*c));
            if !known || letters.is_empty() || letters.len() != access.len() {
                return Err(format!(
                    "{access:?} is no access: write letters of rwm, each once"
                ));
            }
            Ok(Device {
                container: container.clone(),
                path: path.to_owned(),
                access: access.to_owned(),
            })
        })
        .collect()
}
