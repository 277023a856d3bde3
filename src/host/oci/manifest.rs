//! Indexes, manifests and configurations: what of them counts, with OCI's media types and Docker's.

use crate::model::oci::{Digest, ImageConfig, NoDigest};
use serde::Deserialize;

/// More of a manifest, an index or a configuration is not read (distribution-spec asks registries for 4 MiB).
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Layers of an image: what overlayfs stacks at most is 500, images of Docker have at most 127.
const MOST_LAYERS: usize = 500;

/// What is asked for of a registry.
pub(super) const ACCEPT: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Operating system and processor, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`; of an index's entries, one that says nothing fits any.
    pub variant: Option<String>,
}

impl Default for Platform {
    /// That of this program.
    fn default() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self {
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }
}

/// Why a manifest or configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No JSON, or not of the form.
    #[error("cannot understand the image's {what}")]
    Json {
        /// `manifest` or `configuration`.
        what: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A digest in it is none.
    #[error("cannot understand the image's {what}")]
    Digest {
        /// `manifest` or `configuration`.
        what: &'static str,
        /// What is wrong.
        source: NoDigest,
    },
    /// An index that has nothing for this host.
    #[error("the image is not for {wanted}, only for {found}")]
    Platform {
        /// This host's.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// It is something else than an image.
    #[error("{0} is no image of programs that vks can run")]
    Kind(String),
    /// Layers and diffIDs do not go together.
    #[error("the image has {layers} layers in its manifest and {diffs} in its configuration")]
    Layers {
        /// Of the manifest.
        layers: usize,
        /// Of the configuration.
        diffs: usize,
    },
    /// More than overlayfs stacks.
    #[error("the image has {0} layers, more than {MOST_LAYERS}")]
    TooMany(usize),
}

/// What a registry gave for a reference.
#[derive(Debug)]
pub(super) enum Document {
    /// The manifest of an image.
    Manifest(Manifest),
    /// An index, and in it the manifest for the platform.
    Index(Descriptor),
}

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub digest: Digest,
    #[serde(default)]
    pub size: u64,
    platform: Option<Named>,
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct Either {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(default, rename = "mediaType")]
    media_type: String,
}

/// Reads a manifest or an index.
pub(super) fn read(bytes: &[u8], platform: &Platform) -> Result<Document, ManifestError> {
    let json = |source| ManifestError::Json {
        what: "manifest",
        source,
    };
    let either: Either = serde_json::from_slice(bytes).map_err(json)?;
    match either {
        Either {
            manifests: Some(manifests),
            ..
        } => choose(manifests, platform).map(Document::Index),
        Either {
            config: Some(config),
            layers: Some(layers),
            ..
        } => {
            if layers.len() > MOST_LAYERS {
                return Err(ManifestError::TooMany(layers.len()));
            }
            Ok(Document::Manifest(Manifest { config, layers }))
        }
        other => Err(ManifestError::Kind(match other.media_type.as_str() {
            "" => "this document".to_owned(),
            media_type => format!("a document of type {media_type:?}"),
        })),
    }
}

fn choose(manifests: Vec<Descriptor>, wanted: &Platform) -> Result<Descriptor, ManifestError> {
    let fits = |descriptor: &Descriptor| {
        let Some(platform) = &descriptor.platform else {
            return None;
        };
        let variant = match (&platform.variant, &wanted.variant) {
            (Some(own), Some(wanted)) => own == wanted,
            (None, _) => true,
            (Some(_), None) => false,
        };
        let fits = platform.os == "linux" && platform.architecture == wanted.architecture;
        // One that names its variant goes before one that does not.
        (fits && variant).then_some(platform.variant.is_none())
    };
    let best = manifests
        .iter()
        .filter_map(|descriptor| Some((fits(descriptor)?, descriptor)))
        .min_by_key(|(rank, _)| *rank);
    if let Some((_, descriptor)) = best {
        return Ok(descriptor.clone());
    }
    // An index of one image that says nothing about what it is for.
    if let [only] = manifests.as_slice()
        && only.platform.is_none()
    {
        return Ok(only.clone());
    }
    let named = manifests.iter().filter_map(|m| m.platform.as_ref());
    let mut found: Vec<String> = named
        .map(|p| format!("{}/{}", p.os, p.architecture))
        .collect();
    found.sort();
    found.dedup();
    Err(ManifestError::Platform {
        wanted: format!("linux/{}", wanted.architecture),
        found: found.join(", "),
    })
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    config: Option<Process>,
    #[serde(default)]
    rootfs: RootFs,
    #[serde(default)]
    os: String,
}

#[derive(Default, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Process {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
}

/// Reads a configuration: what runs, and the diffIDs of the layers. What of it cannot be used (a relative directory, a
/// signal that does not exist) is left out, as runtimes do.
pub(super) fn config(bytes: &[u8]) -> Result<(ImageConfig, Vec<Digest>), ManifestError> {
    let what = "configuration";
    let file: ConfigFile =
        serde_json::from_slice(bytes).map_err(|source| ManifestError::Json { what, source })?;
    if !matches!(file.os.as_str(), "" | "linux") {
        return Err(ManifestError::Platform {
            wanted: "linux".to_owned(),
            found: file.os,
        });
    }
    let diffs = file.rootfs.diff_ids.iter().map(|text| text.parse());
    let diffs = diffs
        .collect::<Result<Vec<Digest>, _>>()
        .map_err(|source| ManifestError::Digest { what, source })?;
    let process = file.config.unwrap_or_default();
    let pair = |line: String| {
        let (name, value) = line.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let filled = |text: &String| !text.is_empty();
    let absolute = |path: &String| path.starts_with('/');
    let config = ImageConfig {
        entrypoint: process.entrypoint.unwrap_or_default(),
        cmd: process.cmd.unwrap_or_default(),
        env: process
            .env
            .unwrap_or_default()
            .into_iter()
            .filter_map(pair)
            .collect(),
        user: process.user.filter(filled),
        working_dir: process.working_dir.filter(absolute),
        stop_signal: process.stop_signal.and_then(|name| signal(&name)),
        volumes: process
            .volumes
            .unwrap_or_default()
            .into_keys()
            .filter(absolute)
            .collect(),
    };
    Ok((config, diffs))
}

/// By name, with or without `SIG`, or by number.
fn signal(text: &str) -> Option<crate::model::process::StopSignal> {
    text.parse()
        .or_else(|_| format!("SIG{text}").parse())
        .ok()
        .or_else(|| crate::model::process::StopSignal::numbered(text.parse().ok()?))
}

/// The layers of an image with the blobs they come in, lowest first.
pub(super) fn pairs(
    layers: Vec<Descriptor>,
    diffs: Vec<Digest>,
) -> Result<Vec<(Descriptor, Digest)>, ManifestError> {
    if layers.len() != diffs.len() {
        return Err(ManifestError::Layers {
            layers: layers.len(),
            diffs: diffs.len(),
        });
    }
    Ok(layers.into_iter().zip(diffs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(
        os: &str,
        architecture: &str,
        variant: Option<&str>,
        digit: char,
    ) -> serde_json::Value {
        serde_json::json!({ "mediaType": ACCEPT[1], "size": 1, "digest": format!("sha256:{}", digit.to_string().repeat(64)),
            "platform": { "os": os, "architecture": architecture, "variant": variant } })
    }

    fn chosen(entries: &[serde_json::Value], arch: &str, variant: Option<&str>) -> Option<String> {
        let platform = Platform {
            architecture: arch.to_owned(),
            variant: variant.map(str::to_owned),
        };
        let index = serde_json::json!({ "manifests": entries }).to_string();
        match read(index.as_bytes(), &platform) {
            Ok(Document::Index(found)) => Some(found.digest.hex()[..1].to_owned()),
            _ => None,
        }
    }

    #[test]
    fn an_index_is_chosen_from_by_platform() {
        let entries = [
            entry("windows", "amd64", None, '1'),
            entry("linux", "arm", Some("v6"), '2'),
            entry("linux", "arm", Some("v7"), '3'),
            entry("linux", "amd64", None, '4'),
            entry("unknown", "unknown", None, '5'),
            entry("linux", "arm64", None, '6'),
        ];
        for (arch, variant, wanted) in [
            ("amd64", None, Some("4")),
            ("arm", Some("v7"), Some("3")),
            ("arm64", Some("v8"), Some("6")),
            ("riscv64", None, None),
        ] {
            assert_eq!(chosen(&entries, arch, variant).as_deref(), wanted, "{arch}");
        }
    }

    #[test]
    fn a_configuration_of_docker() {
        let text = r#"{"os":"linux","config":{"User":"www","Env":["PATH=/bin","A=b=c","=x","none"],"Entrypoint":null,
            "Cmd":["sh"],"WorkingDir":"rel","StopSignal":"QUIT","Volumes":{"/data":{},"rel":{}}},
            "rootfs":{"type":"layers","diff_ids":[]}}"#;
        let (config, diffs) = super::config(text.as_bytes()).unwrap();
        assert_eq!(config.env.len(), 2);
        assert_eq!(config.env[1].1, "b=c");
        assert_eq!(config.stop_signal.map(|s| s.number()), Some(3));
        assert_eq!(
            (config.working_dir, config.volumes),
            (None, vec!["/data".to_owned()])
        );
        assert!(config.entrypoint.is_empty() && diffs.is_empty());
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            r#"{"config":{"digest":"sha256:../x"},"layers":[]}"#,
            r#"{"manifests":[]}"#,
        ] {
            assert!(read(bad.as_bytes(), &Platform::default()).is_err(), "{bad}");
        }
    }
}
