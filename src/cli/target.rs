//! What a verb acts on: `pods`, `pod web`, `pod/web pod/db`.

use crate::model::controller::{ControllerKey, ControllerKind};
use crate::model::name::{NameError, ObjectKey, ObjectName};
use crate::source::What;

/// A kind of object that the command line knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// core/v1 Pod.
    Pod,
    /// What makes pods.
    Controller(ControllerKind),
    /// core/v1 ConfigMap: only for what acts on manifests.
    ConfigMap,
    /// core/v1 Secret: only for what acts on manifests.
    Secret,
    /// core/v1 PersistentVolumeClaim: only for what acts on manifests.
    VolumeClaim,
    /// core/v1 PersistentVolume: only for what acts on manifests.
    PersistentVolume,
    /// core/v1 Service: only for what acts on manifests; `get` has a table of its own for them.
    Service,
    /// discovery.k8s.io/v1 EndpointSlice: only for what acts on manifests.
    EndpointSlice,
}

impl Kind {
    /// Singular, lower case.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Controller(kind) => kind.word(),
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
            Self::VolumeClaim => "persistentvolumeclaim",
            Self::PersistentVolume => "persistentvolume",
            Self::Service => "service",
            Self::EndpointSlice => "endpointslice",
        }
    }

    /// An object of this kind.
    pub fn what(self, key: ObjectKey) -> What {
        match self {
            Self::Pod => What::Pod(key),
            Self::Controller(kind) => What::Controller(ControllerKey { kind, object: key }),
            Self::ConfigMap => What::ConfigMap(key),
            Self::Secret => What::Secret(key),
            Self::VolumeClaim => What::VolumeClaim(key),
            Self::PersistentVolume => What::persistent_volume(key.name),
            Self::Service => What::Service(key),
            Self::EndpointSlice => What::EndpointSlice(key),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The kind; the only one so far.
    pub kind: Kind,
    /// Names, each once, in the order given; empty for all objects of the kind.
    pub names: Vec<ObjectName>,
}

/// Why arguments were not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No kind at all.
    #[error("say what: a kind, such as pods, or a kind and a name, such as pod/web")]
    Nothing,
    /// A kind that vks does not have.
    #[error(
        "there is no resource type {0:?} here: vks has pods (po), deployments (deploy), statefulsets (sts), daemonsets (ds), \
         jobs, cronjobs (cj), services (svc), endpointslices, configmaps (cm), secrets, persistentvolumeclaims (pvc) and \
         persistentvolumes (pv)"
    )]
    Kind(String),
    /// `pod/web` beside a bare name.
    #[error(
        "write either a kind and then names (pod web db), or kind/name each time (pod/web pod/db): {0:?} does not fit"
    )]
    Mixed(String),
    /// A name that no object can have.
    #[error("name {name:?}")]
    Name {
        /// The refused name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A kind that only lives in manifests.
    #[error(
        "{0} objects are not shown or waited for: vks get pods shows what runs, vks delete removes them"
    )]
    NotShown(&'static str),
    /// `pod/web deployment/db`.
    #[error("name objects of one kind at a time: this asks for {0} and {1}")]
    Kinds(&'static str, &'static str),
    /// No name where nothing else will do.
    #[error("name what is meant, such as deployment/web")]
    Nameless,
    /// No name where one is needed.
    #[error("name the pods, choose them with -l, or take all of them with --all")]
    Unnamed,
}

impl Target {
    /// From the arguments of verbs for manifests, such as `delete`.
    pub fn parse(arguments: &[String]) -> Result<Self, TargetError> {
        let first = arguments.first().ok_or(TargetError::Nothing)?;
        let slashed = first.contains('/');
        let mut target = Self {
            kind: kinds(first.split_once('/').map_or(first, |(word, _)| word))?,
            names: Vec::new(),
        };
        for argument in &arguments[usize::from(!slashed)..] {
            let text = match (slashed, argument.split_once('/')) {
                (true, Some((word, rest))) => {
                    same(target.kind, kind(word)?)?;
                    rest
                }
                (false, None) => argument,
                _ => return Err(TargetError::Mixed(argument.clone())),
            };
            let name = name(text)?;
            if !target.names.contains(&name) {
                target.names.push(name);
            }
        }
        Ok(target)
    }

    /// From the arguments of verbs for what runs: only pods do.
    pub fn parse_pods(arguments: &[String]) -> Result<Self, TargetError> {
        let target = Self::parse(arguments)?;
        match target.kind {
            Kind::Pod => Ok(target),
            other => Err(TargetError::NotShown(other.singular())),
        }
    }

    /// One pod, as `logs` and `exec` take it: `web` or `pod/web`.
    pub fn parse_pod(argument: &str) -> Result<ObjectName, TargetError> {
        match argument.split_once('/') {
            None => name(argument),
            Some((word, rest)) => match kind(word)? {
                Kind::Pod => name(rest),
                _ => Err(TargetError::Kind(word.to_owned())),
            },
        }
    }
}

/// `pods`, or several words for it with commas between them.
fn kinds(words: &str) -> Result<Kind, TargetError> {
    let mut words = words.split(',').map(kind);
    let first = words.next().unwrap_or(Err(TargetError::Nothing))?;
    for other in words {
        same(first, other?)?;
    }
    Ok(first)
}

fn same(one: Kind, other: Kind) -> Result<(), TargetError> {
    match one == other {
        true => Ok(()),
        false => Err(TargetError::Kinds(one.singular(), other.singular())),
    }
}

fn kind(word: &str) -> Result<Kind, TargetError> {
    match word.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" => Ok(Kind::Pod),
        "deployment" | "deployments" | "deploy" => Ok(Kind::Controller(ControllerKind::Deployment)),
        "statefulset" | "statefulsets" | "sts" => Ok(Kind::Controller(ControllerKind::StatefulSet)),
        "daemonset" | "daemonsets" | "ds" => Ok(Kind::Controller(ControllerKind::DaemonSet)),
        "job" | "jobs" => Ok(Kind::Controller(ControllerKind::Job)),
        "cronjob" | "cronjobs" | "cj" => Ok(Kind::Controller(ControllerKind::CronJob)),
        "configmap" | "configmaps" | "cm" => Ok(Kind::ConfigMap),
        "secret" | "secrets" => Ok(Kind::Secret),
        "persistentvolumeclaim" | "persistentvolumeclaims" | "pvc" => Ok(Kind::VolumeClaim),
        "persistentvolume" | "persistentvolumes" | "pv" => Ok(Kind::PersistentVolume),
        "service" | "services" | "svc" => Ok(Kind::Service),
        "endpointslice" | "endpointslices" => Ok(Kind::EndpointSlice),
        _ => Err(TargetError::Kind(word.to_owned())),
    }
}

fn name(text: &str) -> Result<ObjectName, TargetError> {
    text.parse().map_err(|source| TargetError::Name {
        name: text.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Vec<String>, TargetError> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let target = Target::parse(&words)?;
        Ok(target.names.into_iter().map(String::from).collect())
    }

    #[test]
    fn both_ways_to_name_pods() {
        assert_eq!(parse(&["pods"]).unwrap(), [""; 0]);
        assert_eq!(parse(&["Po", "a", "b", "a"]).unwrap(), ["a", "b"]);
        assert_eq!(parse(&["pod/a", "pods/b"]).unwrap(), ["a", "b"]);
        assert_eq!(parse(&["pods,po"]).unwrap(), [""; 0]);
        assert_eq!(Target::parse_pod("pod/a").unwrap().as_str(), "a");
        assert_eq!(Target::parse_pod("a").unwrap().as_str(), "a");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(parse(&[]), Err(TargetError::Nothing));
        assert_eq!(parse(&["foo"]), Err(TargetError::Kind("foo".into())));
        let two = Err(TargetError::Kinds("pod", "deployment"));
        assert_eq!(parse(&["pod/a", "deploy/b"]), two);
        assert_eq!(parse(&["pods,deploy"]), two);
        let secret = ["secret/x".to_owned()];
        let refused = Err(TargetError::NotShown("secret"));
        assert_eq!(Target::parse_pods(&secret), refused);
        assert_eq!(parse(&["svcs/a"]), Err(TargetError::Kind("svcs".into())));
        assert_eq!(parse(&["pod/a", "b"]), Err(TargetError::Mixed("b".into())));
        assert_eq!(
            parse(&["pod", "pod/b"]),
            Err(TargetError::Mixed("pod/b".into()))
        );
        assert!(matches!(
            parse(&["pod", "A"]),
            Err(TargetError::Name { .. })
        ));
        assert!(matches!(parse(&["pod/"]), Err(TargetError::Name { .. })));
    }
}
