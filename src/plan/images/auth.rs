//! Credentials of registries, in the format of Docker's `config.json`: secrets of pods and `auth.json` of the host.

use crate::model::base64;
use crate::model::desired::{DataObject, Desired};
use crate::model::image::oci::{DEFAULT_REGISTRY, OciRef};
use crate::model::image::record::digest_name;
use crate::model::image::registry::Credentials;
use crate::model::name::ObjectKey;
use crate::model::pod::Pod;
use serde_json::{Map, Value};

/// What a pod can show the registry of an image, best first, and the digest that stands for it; none for a pod without
/// secrets for that registry. A secret that is missing or damaged gives nothing, as for the kubelet.
pub fn of_pod(pod: &Pod, image: &OciRef, desired: &Desired) -> (Vec<Credentials>, Option<String>) {
    let secrets = pod.spec.pulling.secrets.iter().filter_map(|name| {
        let key = ObjectKey {
            namespace: pod.key.namespace.clone(),
            name: name.clone(),
        };
        desired.secrets.get(&key)
    });
    let found: Vec<Credentials> = secrets
        .flat_map(|secret| of_secret(secret, image))
        .collect();
    // Plain data: cannot fail.
    let text = serde_json::to_string(&found).unwrap_or_default();
    let digest = (!found.is_empty()).then(|| digest_name(&text));
    (found, digest)
}

/// The secrets that a pod names to fetch its images and that are not there.
pub fn missing<'a>(pod: &'a Pod, desired: &'a Desired) -> impl Iterator<Item = &'a str> {
    pod.spec.pulling.secrets.iter().filter_map(|name| {
        let key = ObjectKey {
            namespace: pod.key.namespace.clone(),
            name: name.clone(),
        };
        (!desired.secrets.contains_key(&key)).then_some(name.as_str())
    })
}

fn of_secret(secret: &DataObject, image: &OciRef) -> Vec<Credentials> {
    let keys = [".dockerconfigjson", ".dockercfg"];
    let texts = keys.iter().filter_map(|key| secret.data.get(*key));
    texts.flat_map(|text| of_config(text, image)).collect()
}

/// The credentials in a file for an image, those for the longest part of its name first. Also of the older form, without
/// `auths` around it.
pub fn of_config(text: &[u8], image: &OciRef) -> Vec<Credentials> {
    let config: Value = serde_json::from_slice(text).unwrap_or_default();
    let none = Map::new();
    let entries = match config.get("auths") {
        Some(auths) => auths.as_object(),
        None => config.as_object(),
    };
    let mut found: Vec<(usize, Credentials)> = entries
        .unwrap_or(&none)
        .iter()
        .filter(|(key, _)| is_for(key, image))
        .filter_map(|(key, entry)| Some((key.len(), credentials(entry)?)))
        .collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found
        .into_iter()
        .map(|(_, credentials)| credentials)
        .collect()
}

/// The program that keeps the credentials for a registry: `docker-credential-<name>`; `None` when the file names none.
pub fn helper(text: &[u8], image: &OciRef) -> Option<String> {
    let config: Value = serde_json::from_slice(text).ok()?;
    let helpers = config.get("credHelpers").and_then(Value::as_object);
    let own = helpers
        .into_iter()
        .flatten()
        .find(|(key, _)| is_for(key, image));
    let name = own
        .map(|(_, name)| name)
        .or(config.get("credsStore"))?
        .as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

/// What a credential helper answers.
pub fn of_helper(text: &[u8]) -> Option<Credentials> {
    let answer: Value = serde_json::from_slice(text).ok()?;
    let (user, secret) = (answer["Username"].as_str()?, answer["Secret"].as_str()?);
    Some(match user {
        "<token>" => Credentials::Identity(secret.to_owned()),
        user => Credentials::Basic {
            user: user.to_owned(),
            password: secret.to_owned(),
        },
    })
}

/// Whether a key, such as `https://index.docker.io/v1/` or `*.example.org/team`, is for an image.
fn is_for(key: &str, image: &OciRef) -> bool {
    let key = key
        .strip_prefix("https://")
        .or(key.strip_prefix("http://"))
        .unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let path = path.trim_end_matches('/');
    let path = if matches!(path, "v1" | "v2") {
        ""
    } else {
        path
    };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
        host => host,
    };
    let (mut wanted, mut has) = (host.split('.'), image.registry.split('.'));
    let same_host = loop {
        match (wanted.next(), has.next()) {
            (None, None) => break true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(has)) if wanted == has => {}
            _ => break false,
        }
    };
    let below = image.repository.strip_prefix(path);
    same_host
        && (path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn credentials(entry: &Value) -> Option<Credentials> {
    let text = |key: &str| {
        entry[key]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(token) = text("identitytoken") {
        return Some(Credentials::Identity(token));
    }
    if let Some(token) = text("registrytoken") {
        return Some(Credentials::Bearer(token));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Some(Credentials::Basic { user, password });
    }
    let auth = String::from_utf8(base64::decode(&text("auth")?)?).ok()?;
    let (user, password) = auth.split_once(':')?;
    Some(Credentials::Basic {
        user: user.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::ImageRef;

    fn image(text: &str) -> OciRef {
        match text.parse().unwrap() {
            ImageRef::Oci(oci) => oci,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn keys_are_for_registries_and_parts_of_names() {
        let cases = [
            ("https://index.docker.io/v1/", "oci:nginx", true),
            ("docker.io", "oci:a/b", true),
            ("ghcr.io", "oci:a/b", false),
            ("ghcr.io/a", "oci:ghcr.io/a/b", true),
            ("ghcr.io/a", "oci:ghcr.io/ab/b", false),
            ("*.example.org", "oci:r.example.org/x", true),
            ("*.example.org", "oci:a.r.example.org/x", false),
            ("localhost:5000", "oci:localhost:5000/x", true),
            ("localhost", "oci:localhost:5000/x", false),
        ];
        for (key, name, is) in cases {
            assert_eq!(is_for(key, &image(name)), is, "{key} {name}");
        }
    }

    #[test]
    fn the_most_particular_comes_first() {
        let text = br#"{"auths":{"r.io":{"auth":"YTpi"},"r.io/x":{"username":"u","password":"p"},
            "r.io/x/y":{"identitytoken":"t"},"other.io":{"auth":"YTpi"}},"credHelpers":{"r.io":"pass"},"credsStore":"s"}"#;
        let found = of_config(text, &image("oci:r.io/x/y"));
        let basic = |user: &str, password: &str| Credentials::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        assert!(
            found
                == [
                    Credentials::Identity("t".to_owned()),
                    basic("u", "p"),
                    basic("a", "b")
                ]
        );
        assert_eq!(helper(text, &image("oci:r.io/x")).as_deref(), Some("pass"));
        assert_eq!(helper(text, &image("oci:q.io/x")).as_deref(), Some("s"));
        let old = br#"{"https://r.io":{"auth":"YTpi"}}"#;
        assert!(of_config(old, &image("oci:r.io/x")) == [basic("a", "b")]);
        assert!(of_config(b"no json", &image("oci:r.io/x")).is_empty());
        assert!(
            of_helper(br#"{"ServerURL":"x","Username":"<token>","Secret":"t"}"#)
                == Some(Credentials::Identity("t".to_owned()))
        );
    }
}
