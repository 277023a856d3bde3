//! `[images]`: what names mean, how registries are reached, and when images go.

use super::fragment::put;
use super::{Wrong, check_path};
use crate::model::image::pattern::Pattern;
use crate::model::image::registry::RegistryAccess;
use crate::model::image::{ImageRef, Kind};
use crate::model::name::ObjectName;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What one file says in `[images]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// The kind of names that have none: `"oci"`, `"nix"`, `"deb"` or `"host"` (default `"oci"`).
    pub default: Option<Kind>,
    /// Name, with `*` for any text, to the image it means. Tables of several files are joined.
    pub aliases: BTreeMap<String, String>,
    /// `runtimeClassName` to the kind of names that have none.
    pub classes: BTreeMap<String, Kind>,
    /// Registry to how it is reached.
    pub registries: BTreeMap<String, RegistryAccess>,
    /// Files of credentials in Docker's format (default `["/etc/vks/auth.json"]`).
    pub auth_files: Option<Vec<PathBuf>>,
    /// Packages of Debian may be installed (default: where there is apt).
    pub install: Option<bool>,
    /// Pods from the Nix store see nothing of the host but what their program needs (default false).
    pub nix_alone: Option<bool>,
    /// Hours after which an image that no pod names is removed; 0 for never (default 168).
    pub keep_hours: Option<u32>,
    /// Percent of the disk in use from which on images that no pod names are removed (default 85).
    pub disk_high: Option<u8>,
    /// Percent of the disk in use at which that ends (default 80).
    pub disk_low: Option<u8>,
}

impl Images {
    /// Lays another over this one: tables are joined by their keys.
    pub(super) fn overlay(&mut self, over: Self) {
        put(&mut self.default, over.default);
        self.aliases.extend(over.aliases);
        self.classes.extend(over.classes);
        self.registries.extend(over.registries);
        put(&mut self.auth_files, over.auth_files);
        put(&mut self.install, over.install);
        put(&mut self.nix_alone, over.nix_alone);
        put(&mut self.keep_hours, over.keep_hours);
        put(&mut self.disk_high, over.disk_high);
        put(&mut self.disk_low, over.disk_low);
    }
}

/// `images.*`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// The kind of names that have none.
    pub default: Kind,
    /// What names mean.
    pub aliases: Vec<(Pattern, String)>,
    /// The kind of names that have none, of pods with this `runtimeClassName`.
    pub classes: BTreeMap<String, Kind>,
    /// How registries are reached; those that are not here by HTTPS.
    pub registries: BTreeMap<String, RegistryAccess>,
    /// Files of credentials, the first that knows a registry winning.
    pub auth_files: Vec<PathBuf>,
    /// Packages may be installed; `None`: where there is apt.
    pub install: Option<bool>,
    /// Pods from the Nix store see nothing else.
    pub nix_alone: bool,
    /// How long an image stays that no pod names.
    pub keep: Option<Duration>,
    /// Percent of the disk from which on images go.
    pub disk_high: u8,
    /// Percent at which that ends.
    pub disk_low: u8,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            default: Kind::Oci,
            aliases: Vec::new(),
            classes: BTreeMap::new(),
            registries: BTreeMap::new(),
            auth_files: vec!["/etc/vks/auth.json".into()],
            install: None,
            nix_alone: false,
            keep: Some(Duration::from_hours(168)),
            disk_high: 85,
            disk_low: 80,
        }
    }
}

impl ImageSettings {
    /// What a reference means here: an alias, else itself, else of the kind that the pod's runtime class or the settings
    /// say. Always of a kind.
    ///
    /// # Errors
    /// In a sentence: a runtime class that is not known, or a name that the kind cannot have.
    pub fn reference(&self, image: &ImageRef, class: Option<&str>) -> Result<ImageRef, String> {
        let default = match class {
            None => self.default,
            Some(class) => self.class(class)?,
        };
        if let Some(target) = self.alias(image, default) {
            return target;
        }
        match image {
            ImageRef::Bare(name) => ImageRef::of_kind(default, name).map_err(|error| {
                format!("{error}; or give it a meaning in [images.aliases] of vks.toml")
            }),
            _ => Ok(image.clone()),
        }
    }

    fn class(&self, class: &str) -> Result<Kind, String> {
        let known = self.classes.get(class).copied().or(Kind::named(class));
        known.ok_or_else(|| {
            format!(
                "runtimeClassName {class:?} is not known here: add it to [images.classes] of vks.toml, or remove it"
            )
        })
    }

    /// What the alias that fixes most of a name makes of it. A name without kind is also looked for as registries know
    /// it: with registry and tag, and without tag.
    fn alias(&self, image: &ImageRef, default: Kind) -> Option<Result<ImageRef, String>> {
        if self.aliases.is_empty() {
            return None;
        }
        let written = image.to_string();
        let mut names = vec![written.clone()];
        let oci = match image {
            ImageRef::Bare(name) => ImageRef::of_kind(Kind::Oci, name).ok(),
            _ => None,
        };
        match oci {
            Some(ImageRef::Oci(oci)) if oci.tag.is_some() => names.extend([oci.full(), oci.name()]),
            Some(ImageRef::Oci(oci)) => names.extend([oci.name(), oci.full()]),
            _ => {}
        }
        let found = self.aliases.iter().filter_map(|(pattern, target)| {
            let star = names.iter().find_map(|name| pattern.matches(name))?;
            Some((pattern, target.replace('*', star)))
        });
        let (pattern, target) = found.max_by_key(|(pattern, _)| pattern.weight())?;
        let reference = target.parse().map_err(|error| error_of(pattern, &error));
        Some(reference.and_then(|reference| match reference {
            ImageRef::Bare(name) => {
                ImageRef::of_kind(default, &name).map_err(|error| error_of(pattern, &error))
            }
            reference => Ok(reference),
        }))
    }

    /// How a registry is reached.
    pub fn registry(&self, registry: &str) -> RegistryAccess {
        self.registries.get(registry).cloned().unwrap_or_default()
    }
}

fn error_of(pattern: &Pattern, error: &impl std::fmt::Display) -> String {
    format!("the alias {:?} in vks.toml: {error}", pattern.as_str())
}

/// Checks the values one file gives.
pub(super) fn check(images: &Images) -> Result<(), Wrong> {
    if images.default == Some(Kind::Dir) {
        let message = "cannot be \"dir\": write \"oci\", \"nix\", \"deb\" or \"host\"";
        return Err(("images.default", message.to_owned()));
    }
    for (pattern, target) in &images.aliases {
        let wrong = |why: String| Err(("images.aliases", format!("{pattern:?}: {why}")));
        if Pattern::new(pattern).is_none() {
            return wrong("is no pattern of names: write a name, with * for any text".to_owned());
        }
        if target.contains('*') && !pattern.contains('*') {
            return wrong(format!(
                "{target:?} has a * and the pattern has none: remove it"
            ));
        }
        if let Err(error) = target.replace('*', "x1").parse::<ImageRef>() {
            return wrong(error.to_string());
        }
    }
    for class in images.classes.keys() {
        if let Err(error) = class.parse::<ObjectName>() {
            return Err(("images.classes", error.to_string()));
        }
    }
    for (registry, access) in &images.registries {
        check_registry(registry, access).map_err(|why| {
            let message = format!("{registry:?}: {why}");
            ("images.registries", message)
        })?;
    }
    for file in images.auth_files.iter().flatten() {
        check_path("images.auth_files", file)?;
    }
    let (high, low) = (
        images.disk_high.unwrap_or(85),
        images.disk_low.unwrap_or(80),
    );
    if high > 100 || low > high {
        let message = format!("{high} with disk_low {low}: write percents, low not above high");
        return Err(("images.disk_high", message));
    }
    Ok(())
}

fn check_registry(registry: &str, access: &RegistryAccess) -> Result<(), String> {
    let named = format!("oci:{registry}/x").parse();
    let same = matches!(named, Ok(ImageRef::Oci(oci)) if oci.registry == registry);
    if !same {
        return Err("is no registry: write a host name such as registry.example:5000".to_owned());
    }
    if let Some(ca) = &access.ca {
        check_path("ca", ca).map_err(|(_, why)| format!("ca: {why}"))?;
    }
    for mirror in &access.mirrors {
        let plain = mirror.starts_with("http://");
        if !plain && !mirror.starts_with("https://") {
            return Err(format!(
                "mirror {mirror:?} is no address: write https://host"
            ));
        }
        if plain && !access.http {
            return Err(format!(
                "mirror {mirror:?} is plain HTTP: say http = true to allow that"
            ));
        }
    }
    let proxy = access.proxy.as_deref().unwrap_or("http://");
    match proxy.starts_with("http://") || proxy.starts_with("https://") {
        true => Ok(()),
        false => Err(format!(
            "proxy {proxy:?} is no address: write http://host:port"
        )),
    }
}

/// Fills the gaps.
pub(super) fn settings(images: Images) -> ImageSettings {
    let base = ImageSettings::default();
    let aliases = images.aliases.into_iter();
    ImageSettings {
        default: images.default.unwrap_or(base.default),
        aliases: aliases
            .filter_map(|(pattern, target)| Some((Pattern::new(&pattern)?, target)))
            .collect(),
        classes: images.classes,
        registries: images.registries,
        auth_files: images.auth_files.unwrap_or(base.auth_files),
        install: images.install,
        nix_alone: images.nix_alone.unwrap_or_default(),
        keep: match images.keep_hours {
            Some(0) => None,
            Some(hours) => Some(Duration::from_secs(u64::from(hours) * 3600)),
            None => base.keep,
        },
        disk_high: images.disk_high.unwrap_or(base.disk_high),
        disk_low: images.disk_low.unwrap_or(base.disk_low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ImageSettings {
        let images: Images = toml::from_str(text).unwrap();
        check(&images).unwrap();
        settings(images)
    }

    #[test]
    fn names_mean_what_the_settings_say() {
        let settings = of("default = 'deb'\n[classes]\nnixos = 'nix'\n[aliases]\n\
             'docker.io/library/nginx' = 'nix:nixpkgs#nginx'\n'docker.io/library/*' = 'deb:*'\n\
             'registry.example/*:*' = 'dir:/srv/*'\n'host:sh' = 'host:dash'\n");
        let cases = [
            ("uptimed", None, "deb:uptimed"),
            ("uptimed", Some("oci"), "deb:uptimed"),
            ("a/b", Some("oci"), "oci:a/b"),
            ("github:a/b", Some("nixos"), "nix:github:a/b"),
            ("nginx", None, "nix:nixpkgs#nginx"),
            ("nginx:1.27", None, "nix:nixpkgs#nginx"),
            ("docker.io/library/redis", None, "deb:redis"),
            ("registry.example/app:2", None, "dir:/srv/app"),
            ("host:sh", None, "host:dash"),
            ("host:bash", Some("nix"), "host:bash"),
        ];
        for (name, class, wanted) in cases {
            let found = settings.reference(&name.parse().unwrap(), class);
            assert_eq!(found.unwrap().to_string(), wanted, "{name} {class:?}");
        }
        let wrong = |name: &str, class| {
            settings
                .reference(&name.parse().unwrap(), class)
                .unwrap_err()
        };
        assert!(wrong("a/b:c", None).contains("[images.aliases]"));
        assert!(wrong("a", Some("kata")).contains("[images.classes]"));
    }

    #[test]
    fn without_settings_names_are_those_of_registries() {
        let image = "nginx:1".parse().unwrap();
        let found = ImageSettings::default().reference(&image, None).unwrap();
        assert_eq!(found, "oci:nginx:1".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            "default = 'dir'",
            "[aliases]\n'' = 'deb:xx'",
            "[aliases]\n'a' = 'deb:*'",
            "[aliases]\n'a' = 'dir:x'",
            "[registries.'a b']",
            "[registries.x]",
            "[registries.'x.y']\nmirrors = ['x.z']",
            "[registries.'x.y']\nmirrors = ['http://x.z']",
            "[registries.'x.y']\nproxy = 'x'",
            "auth_files = ['x']",
            "disk_high = 20",
        ] {
            assert!(check(&toml::from_str(bad).unwrap()).is_err(), "{bad}");
        }
    }
}
