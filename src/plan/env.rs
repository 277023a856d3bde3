//! The environment of a container: config maps, secrets and fields looked up, `$(NAME)` expanded.
//!
//! The order and the expansion are the kubelet's (pkg/kubelet/kubelet_pods.go `makeEnvironmentVariables`,
//! third_party/forked/golang/expansion): `envFrom` first, then `env`, later ones win, a reference sees
//! what came before it, and one that cannot be resolved stays as it is written.

use super::resource_ref;
use crate::config::Settings;
use crate::model::desired::{DataObject, Desired};
use crate::model::name::{ObjectKey, ObjectName, PodUid};
use crate::model::pod::{Container, EnvFrom, EnvValue, FieldRef, Pod};
use crate::model::status::Blocked;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How far a value may be shown. Ordered: what is made of several takes the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Written in the manifest: it may stand in the unit.
    Manifest,
    /// From a config map: in a file, so that a change of it does not change the unit.
    ConfigMap,
    /// From a secret: in a file only root reads, never in a unit or on a command line.
    Secret,
}

/// Variables in force, by name.
pub type Environment = BTreeMap<String, (String, Origin)>;

/// What the look-ups of one container need.
pub struct Context<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// Its identity.
    pub uid: &'a PodUid,
    /// Config maps and secrets.
    pub desired: &'a Desired,
    /// Node name and address.
    pub settings: &'a Settings,
    /// The pod's addresses; none on the host's network.
    pub addresses: &'a [IpAddr],
}

/// The environment of a container, or why it cannot be made.
pub fn environment(context: &Context, container: &Container) -> Result<Environment, Blocked> {
    let mut env = Environment::new();
    let blocked = |message: String| Blocked {
        container: Some(container.name.clone()),
        reason: "CreateContainerConfigError",
        message,
    };
    for from in &container.env_from {
        import(context, from, &mut env).map_err(blocked)?;
    }
    for var in &container.env {
        let value = match &var.value {
            EnvValue::Text(text) => Some(expand(text, &env)),
            EnvValue::Field(field) => Some((
                field_value(context, field).map_err(blocked)?,
                Origin::Manifest,
            )),
            EnvValue::Resource(reference) => {
                let spec = &context.pod.spec;
                let own = Some(&container.name);
                let value = resource_ref::value(spec, own, reference, context.settings);
                Some((value.map_err(blocked)?, Origin::Manifest))
            }
            EnvValue::ConfigMapKey {
                name,
                key,
                optional,
            } => {
                let object = find(context, false, name);
                lookup(object, "configmap", name, key, *optional)
                    .map_err(blocked)?
                    .map(|value| (value, Origin::ConfigMap))
            }
            EnvValue::SecretKey {
                name,
                key,
                optional,
            } => {
                let object = find(context, true, name);
                lookup(object, "secret", name, key, *optional)
                    .map_err(blocked)?
                    .map(|value| (value, Origin::Secret))
            }
            // Known when the container starts, and in a file of its own then.
            EnvValue::FileKey { .. } => None,
        };
        if !is_variable(&var.name) {
            return Err(blocked(format!(
                "env {:?}: systemd takes only letters, digits and '_' in a variable's name, and no digit first",
                var.name
            )));
        }
        if let Some(value) = value {
            env.insert(var.name.clone(), value);
        }
    }
    Ok(env)
}

fn find<'a>(context: &Context<'a>, secret: bool, name: &ObjectName) -> Option<&'a DataObject> {
    let key = ObjectKey {
        namespace: context.pod.key.namespace.clone(),
        name: name.clone(),
    };
    if secret {
        context.desired.secrets.get(&key)
    } else {
        context.desired.config_maps.get(&key)
    }
}

/// All keys of an object; those that are no variable names are left out, as the kubelet does.
fn import(context: &Context, from: &EnvFrom, env: &mut Environment) -> Result<(), String> {
    let (kind, origin) = if from.secret {
        ("secret", Origin::Secret)
    } else {
        ("configmap", Origin::ConfigMap)
    };
    let Some(object) = find(context, from.secret, &from.name) else {
        return match from.optional {
            true => Ok(()),
            false => Err(format!("{kind} \"{}\" not found", from.name)),
        };
    };
    for (key, bytes) in &object.data {
        let name = format!("{}{key}", from.prefix);
        if is_variable(&name) {
            env.insert(name, (text(bytes, kind, &from.name, key)?, origin));
        }
    }
    Ok(())
}

fn lookup(
    object: Option<&DataObject>,
    kind: &str,
    name: &ObjectName,
    key: &str,
    optional: bool,
) -> Result<Option<String>, String> {
    let value = object.map(|object| object.data.get(key));
    match value {
        Some(Some(bytes)) => text(bytes, kind, name, key).map(Some),
        _ if optional => Ok(None),
        Some(None) => Err(format!("couldn't find key {key} in {kind} \"{name}\"")),
        None => Err(format!("{kind} \"{name}\" not found")),
    }
}

fn text(bytes: &[u8], kind: &str, name: &ObjectName, key: &str) -> Result<String, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!(
            "key {key} of {kind} \"{name}\" is not text: mount it as a volume instead"
        )),
    }
}

fn field_value(context: &Context, field: &FieldRef) -> Result<String, String> {
    let pod = context.pod;
    let entry =
        |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
    let address = || {
        let ip = context.settings.host_ip.clone();
        ip.ok_or_else(|| "the host has no address: set node.ip in vks.toml".to_owned())
    };
    Ok(match field {
        FieldRef::Name => pod.key.name.to_string(),
        FieldRef::Namespace => pod.key.namespace.to_string(),
        FieldRef::Uid => context.uid.to_string(),
        FieldRef::Label(key) => entry(&pod.labels, key),
        FieldRef::Annotation(key) => entry(&pod.annotations, key),
        FieldRef::NodeName => context.settings.node_name.clone(),
        FieldRef::ServiceAccount => pod.spec.service_account.clone(),
        FieldRef::HostIp | FieldRef::HostIps => address()?,
        FieldRef::PodIp => match context.addresses.first() {
            Some(first) => first.to_string(),
            None => address()?,
        },
        FieldRef::PodIps if context.addresses.is_empty() => address()?,
        FieldRef::PodIps => {
            let all: Vec<String> = context.addresses.iter().map(ToString::to_string).collect();
            all.join(",")
        }
    })
}

/// What systemd accepts as a variable's name (env_name_is_valid()).
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Expands `$(NAME)`; `$$` is a dollar sign.
pub fn expand(text: &str, env: &Environment) -> (String, Origin) {
    let mut out = String::with_capacity(text.len());
    let mut origin = Origin::Manifest;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match env.get(name) {
                Some((value, of)) => {
                    out.push_str(value);
                    origin = origin.max(*of);
                }
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    (out, origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_the_kubelets() {
        let env: Environment = [
            ("A".to_owned(), ("1".to_owned(), Origin::Manifest)),
            ("S".to_owned(), ("x".to_owned(), Origin::Secret)),
        ]
        .into();
        let cases = [
            ("$(A)", "1"),
            ("a$(A)b$(A)", "a1b1"),
            ("$$(A)", "$(A)"),
            ("$(NONE)", "$(NONE)"),
            ("$(A", "$(A"),
            ("$A", "$A"),
            ("$", "$"),
            ("$$", "$"),
            ("$$$(A)", "$1"),
        ];
        for (text, wanted) in cases {
            assert_eq!(expand(text, &env).0, wanted, "{text}");
        }
        assert_eq!(expand("$(A)$(S)", &env).1, Origin::Secret);
        assert_eq!(expand("$(A)", &env).1, Origin::Manifest);
    }
}
