//! Deployments, StatefulSets and DaemonSets.

use super::{known, only, seconds, selector};
use crate::model::controller::{
    ClaimTemplate, DaemonSetSpec, DeploymentSpec, Share, StatefulSetSpec, Strategy, Template,
};
use crate::model::pod::{PodSpec, RestartPolicy};
use crate::source::decode::claim::claim_spec;
use crate::source::decode::field::{Field, Fields};
use crate::source::decode::meta;
use crate::source::tree::Value;

/// The most replicas of one controller.
const MAX_REPLICAS: i64 = 1_000;

/// `spec` of a Deployment.
pub fn deployment(field: &Field<'_>) -> Option<DeploymentSpec> {
    let mut f = field.fields(known::NONE)?;
    let replicas = replicas(&mut f);
    let labels = f.require("selector").and_then(|x| selector(&x));
    let template = f
        .require("template")
        .and_then(|x| endless(&x, "Deployment", &[]));
    let strategy = f.optional("strategy", |x| deployment_strategy(&x));
    let min_ready = seconds(&mut f, "minReadySeconds", 0);
    let paused = f.flag("paused");
    let deadline = seconds(&mut f, "progressDeadlineSeconds", 600);
    let history = f.optional("revisionHistoryLimit", |x| x.count(0));
    f.finish();
    let spec = DeploymentSpec {
        replicas: replicas?,
        template: fitting(field, labels?, template?)?,
        strategy: strategy?.unwrap_or(ROLLING),
        min_ready: min_ready?,
        paused: paused?,
        progress_deadline: deadline?,
        history: history?.unwrap_or(10),
    };
    if spec.progress_deadline <= spec.min_ready {
        field.problem("progressDeadlineSeconds must be more than minReadySeconds: raise it");
        return None;
    }
    Some(spec)
}

const ROLLING: Strategy = Strategy::Rolling {
    max_surge: Share::Percent(25),
    max_unavailable: Share::Percent(25),
};

fn replicas(f: &mut Fields<'_>) -> Option<u32> {
    let replicas = f.optional("replicas", |x| x.integer(0, MAX_REPLICAS))?;
    u32::try_from(replicas.unwrap_or(1)).ok()
}

/// The template of pods that run for ever.
fn endless(field: &Field<'_>, kind: &str, claims: &[String]) -> Option<Template> {
    let (template, spec): (Template, PodSpec) = super::template(field, claims)?;
    let at = |what: String| {
        let spec = field.node.get("spec").unwrap_or(field.node);
        let path = format!("{}.spec", field.path);
        field.report.add(spec.line, &path, what);
        None
    };
    if spec.restart_policy != RestartPolicy::Always {
        return at(format!(
            "the pods of a {kind} run for ever: restartPolicy must be Always or absent"
        ));
    }
    if spec.active_deadline.is_some() {
        return at(format!(
            "the pods of a {kind} run for ever: remove activeDeadlineSeconds"
        ));
    }
    Some(template)
}

fn fitting(
    field: &Field<'_>,
    labels: std::collections::BTreeMap<String, String>,
    template: Template,
) -> Option<Template> {
    let mut fits = true;
    let selector = field.node.get("selector");
    let line = selector.map_or(field.node.line, |selector| selector.line);
    for (label, value) in &labels {
        let problem = match template.labels.get(label) {
            Some(other) if other == value => continue,
            Some(other) => format!("{value:?} does not match {other:?}, the label of the template: make them equal"),
            None => "the template has no such label: write it in template.metadata.labels too, or remove it".to_owned(),
        };
        let path = format!("{}.selector.matchLabels[{label:?}]", field.path);
        field.report.add(line, &path, problem);
        fits = false;
    }
    fits.then_some(template)
}

/// A number, or a text such as `25%`.
fn share(field: &Field<'_>) -> Option<Share> {
    let Value::Text(text) = &field.node.value else {
        return field.count(0).map(Share::Count);
    };
    let percent = text.strip_suffix('%').and_then(|n| n.parse::<u32>().ok());
    match percent.filter(|percent| *percent <= 100) {
        Some(percent) => Some(Share::Percent(percent)),
        None => {
            field.problem("must be a number without quotes, or a share from 0% to 100%");
            None
        }
    }
}

fn bounds(field: &Field<'_>, surge: Share, unavailable: Share) -> Option<(Share, Share)> {
    let mut f = field.fields(known::NONE)?;
    let max_surge = f.optional("maxSurge", |x| share(&x));
    let max_unavailable = f.optional("maxUnavailable", |x| share(&x));
    f.finish();
    let bounds = (
        max_surge?.unwrap_or(surge),
        max_unavailable?.unwrap_or(unavailable),
    );
    if bounds.0.is_zero() && bounds.1.is_zero() {
        field.problem("maxSurge and maxUnavailable are both 0: nothing could change, raise one");
        return None;
    }
    Some(bounds)
}

fn deployment_strategy(field: &Field<'_>) -> Option<Strategy> {
    let mut f = field.fields(known::NONE)?;
    let recreate = f.optional("type", |x| {
        x.one_of(&[("Recreate", true), ("RollingUpdate", false)])
    });
    let rolling = f.optional("rollingUpdate", |x| {
        bounds(&x, Share::Percent(25), Share::Percent(25))
    });
    f.finish();
    match (recreate?.unwrap_or(false), rolling?) {
        (true, Some(_)) => {
            field.problem("has rollingUpdate although the type is Recreate: remove one");
            None
        }
        (true, None) => Some(Strategy::Recreate),
        (false, None) => Some(ROLLING),
        (false, Some((max_surge, max_unavailable))) => Some(Strategy::Rolling {
            max_surge,
            max_unavailable,
        }),
    }
}

/// `spec` of a DaemonSet.
pub fn daemon_set(field: &Field<'_>) -> Option<DaemonSetSpec> {
    let mut f = field.fields(known::NONE)?;
    let labels = f.require("selector").and_then(|x| selector(&x));
    let template = f
        .require("template")
        .and_then(|x| endless(&x, "DaemonSet", &[]));
    let strategy = f.optional("updateStrategy", |x| {
        let mut f = x.fields(known::NONE)?;
        let on_delete = f.optional("type", |x| {
            x.one_of(&[("OnDelete", true), ("RollingUpdate", false)])
        });
        let rolling = f.optional("rollingUpdate", |x| {
            bounds(&x, Share::Count(0), Share::Count(1))
        });
        f.finish();
        let (max_surge, max_unavailable) = rolling?.unwrap_or((Share::Count(0), Share::Count(1)));
        Some(match on_delete? {
            Some(true) => Strategy::OnDelete,
            _ => Strategy::Rolling {
                max_surge,
                max_unavailable,
            },
        })
    });
    let min_ready = seconds(&mut f, "minReadySeconds", 0);
    let history = f.optional("revisionHistoryLimit", |x| x.count(0));
    f.finish();
    Some(DaemonSetSpec {
        template: fitting(field, labels?, template?)?,
        strategy: strategy?.unwrap_or(Strategy::Rolling {
            max_surge: Share::Count(0),
            max_unavailable: Share::Count(1),
        }),
        min_ready: min_ready?,
        history: history?.unwrap_or(10),
    })
}

/// `spec` of a StatefulSet.
pub fn stateful_set(field: &Field<'_>) -> Option<StatefulSetSpec> {
    let mut f = field.fields(known::STATEFUL_SET)?;
    let replicas = replicas(&mut f);
    let labels = f.require("selector").and_then(|x| selector(&x));
    let claims = f.list("volumeClaimTemplates", |x| claim(&x));
    let names = claims.iter().flatten().map(|claim| claim.name.clone());
    let names: Vec<String> = names.collect();
    let template = f
        .require("template")
        .and_then(|x| endless(&x, "StatefulSet", &names));
    let first = f.optional("ordinals", |x| {
        let mut f = x.fields(known::NONE)?;
        let start = f.optional("start", |x| x.count(0));
        f.finish();
        start
    });
    let parallel = f.optional("podManagementPolicy", |x| {
        x.one_of(&[("OrderedReady", false), ("Parallel", true)])
    });
    let update = f.optional("updateStrategy", |x| update(&x));
    let min_ready = seconds(&mut f, "minReadySeconds", 0);
    let history = f.optional("revisionHistoryLimit", |x| x.count(0));
    let retention = f.optional("persistentVolumeClaimRetentionPolicy", |x| {
        let mut f = x.fields(known::NONE)?;
        let kept = [("whenDeleted"), ("whenScaled")].map(|key| only(&mut f, key, &["Retain"]));
        f.finish();
        kept.iter().all(Option::is_some).then_some(())
    });
    f.finish();
    retention?;
    let (partition, max_unavailable) = update?.unwrap_or((Some(0), Share::Count(1)));
    Some(StatefulSetSpec {
        replicas: replicas?,
        first: first?.flatten().unwrap_or(0),
        template: fitting(field, labels?, template?)?,
        parallel: parallel?.unwrap_or(false),
        partition,
        max_unavailable,
        min_ready: min_ready?,
        history: history?.unwrap_or(10),
        claims: claims?,
    })
}

fn update(field: &Field<'_>) -> Option<(Option<u32>, Share)> {
    let mut f = field.fields(known::NONE)?;
    let on_delete = f.optional("type", |x| {
        x.one_of(&[("OnDelete", true), ("RollingUpdate", false)])
    });
    let rolling = f.optional("rollingUpdate", |x| {
        let mut f = x.fields(known::NONE)?;
        let partition = f.optional("partition", |x| x.count(0));
        let unavailable = f.optional("maxUnavailable", |x| share(&x));
        f.finish();
        Some((
            partition?.unwrap_or(0),
            unavailable?.unwrap_or(Share::Count(1)),
        ))
    });
    f.finish();
    let (partition, max) = rolling?.unwrap_or((0, Share::Count(1)));
    let partition = (on_delete? != Some(true)).then_some(partition);
    Some((partition, max))
}

/// A claim template.
fn claim(field: &Field<'_>) -> Option<ClaimTemplate> {
    let mut f = field.fields(known::CLAIM_TEMPLATE)?;
    let name = meta::object(&mut f).and_then(|meta| meta.key);
    let claim = f.require("spec").and_then(|x| {
        let claim = claim_spec(&x)?;
        if claim.volume_name.is_some() {
            x.problem(
                "volumeName would give all pods the same volume: remove it, and name each claim in the claimRef of a \
                 PersistentVolume",
            );
            return None;
        }
        Some(claim)
    });
    f.finish();
    Some(ClaimTemplate {
        name: String::from(name?.name),
        claim: claim?,
    })
}
