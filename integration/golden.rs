//! Each folder of `examples/` is a case: its manifest becomes exactly what lies in its `made/`.
//!
//! `made/` holds every unit file as vks writes it with default settings, `payloads.txt`, the list of what the
//! directories of the pods hold, and of services `network.nft`, the table of the packet filter once all pods are ready. After a change that is meant to change them: `VKS_BLESS=1 cargo test --test
//! golden`, then look at the difference before committing it.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]
#![expect(
    clippy::disallowed_methods,
    reason = "writes into the source tree, when asked to"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vks::agent::controllers::sample;
use vks::config::Settings;
use vks::model::desired::Desired;
use vks::model::name::PodKey;
use vks::model::payload::{Payload, PayloadContent};
use vks::model::pod::Pod;
use vks::plan::network::publish::{Backend, Publication};
use vks::plan::network::{ruleset, table};
use vks::plan::{new_uid, units::render};
use vks::source::{ParsedFile, format_of, parse};

/// Makes the identities of the pods: the same for every run.
const SEED: &[u8] = b"example";

#[test]
fn examples_become_the_units_beside_them() {
    let bless = std::env::var_os("VKS_BLESS").is_some();
    let ci = std::env::var_os("CI").is_some();
    assert!(
        !(bless && ci),
        "VKS_BLESS is for people: CI compares, it does not rewrite"
    );
    let mut differences = String::new();
    for folder in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")) {
        // What is for the API server is no pod.
        if !folder.is_dir() || folder.ends_with("kubernetes") {
            continue;
        }
        let made = made(&folder);
        if bless {
            rewrite(&folder.join("made"), &made);
        }
        differences.push_str(&compare(&folder, &made));
    }
    assert!(
        differences.is_empty(),
        "examples and what they become differ:\n{differences}\
         if that is meant: VKS_BLESS=1 cargo test --test golden"
    );
}

/// What the manifest of an example becomes: file name to text.
fn made(folder: &Path) -> BTreeMap<String, String> {
    let manifests: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| format_of(path).is_some())
        .collect();
    let [manifest] = manifests.as_slice() else {
        panic!(
            "{}: one manifest makes an example, not {}",
            folder.display(),
            manifests.len()
        );
    };
    // As it would lie on a host: the path stands in the units.
    let installed = Path::new("/etc/vks/pods.d").join(manifest.file_name().unwrap());
    let parsed = parse(&installed, &fs::read(manifest).unwrap());
    let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let mut desired = wanted(folder, parsed);
    let (mut files, mut payloads) = (BTreeMap::new(), String::new());
    // What controllers would begin with.
    for (name, unit) in sample(&mut desired, &Settings::default()) {
        files.insert(name.to_string(), unit.to_string());
    }
    let mut backends = Vec::new();
    for pod in desired.pods.values() {
        let addresses = render_pod(pod, &desired, &mut files, &mut payloads);
        let backend = Backend::new(pod, addresses, true);
        backends.push((pod.key.clone(), Some(backend)));
    }
    if !desired.services.is_empty() {
        files.insert("network.nft".to_owned(), network(&desired, backends));
    }
    files.insert("payloads.txt".to_owned(), payloads);
    files
}

/// What a manifest wants.
fn wanted(folder: &Path, parsed: ParsedFile) -> Desired {
    Desired {
        controllers: parsed
            .controllers
            .into_iter()
            .map(|controller| (controller.key.clone(), controller))
            .collect(),
        pods: parsed
            .pods
            .into_iter()
            .map(|pod| (pod.key.clone(), pod))
            .collect(),
        config_maps: parsed.config_maps.into_iter().collect(),
        networks: parsed
            .networks
            .into_iter()
            .map(|network| (network.key.clone(), network))
            .collect(),
        services: parsed
            .services
            .into_iter()
            .map(|service| (service.key.clone(), Arc::new(service)))
            .collect(),
        slices: parsed
            .slices
            .into_iter()
            .map(|slice| (slice.key.clone(), Arc::new(slice)))
            .collect(),
        secrets: parsed.secrets.into_iter().collect(),
        volume_claims: parsed.volume_claims.into_iter().collect(),
        persistent_volumes: parsed.persistent_volumes.into_iter().collect(),
        // What a host would have found.
        images: vks::source::images::read_all(&folder.join("images")),
        ..Desired::default()
    }
}

/// The table of the packet filter once all pods are ready.
fn network(desired: &Desired, backends: Vec<(PodKey, Option<Backend>)>) -> String {
    let network = Settings::default().network;
    let mut all = Publication::default();
    all.slices(&desired.slices, |_| false);
    all.update(&desired.services, |_| false, backends, &network);
    let services = all.services().map(|service| &**service);
    table::whole(&ruleset::table(&network, services, all.host_ports(), &[]))
}

fn render_pod(
    pod: &Pod,
    desired: &Desired,
    files: &mut BTreeMap<String, String>,
    payloads: &mut String,
) -> Vec<IpAddr> {
    let uid = new_uid(&pod.key, SEED);
    let rendered = render(pod, &uid, desired, &Settings::default())
        .unwrap_or_else(|blocked| panic!("{}: {}", pod.key, blocked.message));
    writeln!(payloads, "/var/lib/vks/pods/{uid} ({})", pod.key).unwrap();
    for payload in &rendered.payloads {
        writeln!(payloads, "  {}", describe(payload)).unwrap();
    }
    for (name, unit) in rendered.units {
        files.insert(name.to_string(), unit.file.to_string());
    }
    rendered.addresses
}

/// A payload without its content, which may be secret.
fn describe(Payload { path, content }: &Payload) -> String {
    match content {
        PayloadContent::Tree { files, secret, .. } => {
            let keys: Vec<&str> = files.keys().map(String::as_str).collect();
            let kind = if *secret { "secret files" } else { "files" };
            format!("{path}: {kind} with {}", keys.join(", "))
        }
        PayloadContent::EnvFile(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let names: Vec<&str> = text
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, _)| name)
                .collect();
            format!("{path}: environment file with {}", names.join(", "))
        }
        PayloadContent::Termination => format!("{path}: termination message"),
        PayloadContent::EmptyDir => format!("{path}: emptyDir"),
    }
}

fn compare(folder: &Path, made: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let place = folder.join("made");
    let shown = |name: &str| {
        let below = place.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        below.join(name).display().to_string()
    };
    for (name, text) in made {
        match fs::read_to_string(place.join(name)) {
            Ok(stands) if stands == *text => {}
            Ok(stands) => {
                writeln!(out, "  {}{}", shown(name), first_difference(&stands, text)).unwrap()
            }
            Err(error) => writeln!(out, "  {}: {error}", shown(name)).unwrap(),
        }
    }
    for path in entries(&place) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !made.contains_key(&name) {
            writeln!(out, "  {}: is made no more", shown(&name)).unwrap();
        }
    }
    out
}

/// `:line:` and the two lines, the first that are not the same.
fn first_difference(stands: &str, made: &str) -> String {
    let mut lines = (1..).zip(
        stands
            .lines()
            .map(Some)
            .chain([None])
            .zip(made.lines().map(Some).chain([None])),
    );
    lines.find(|(_, (old, new))| old != new).map_or(
        ": line ends differ".to_owned(),
        |(number, (old, new))| {
            let line = |text: Option<&str>| text.unwrap_or("(end of file)").to_owned();
            format!(
                ":{number}:\n    stands {}\n    made   {}",
                line(old),
                line(new)
            )
        },
    )
}

fn rewrite(place: &Path, made: &BTreeMap<String, String>) {
    for path in entries(place) {
        fs::remove_file(path).unwrap();
    }
    fs::create_dir_all(place).unwrap();
    for (name, text) in made {
        fs::write(place.join(name), text).unwrap();
    }
}

/// What a folder holds, sorted; nothing when it is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
