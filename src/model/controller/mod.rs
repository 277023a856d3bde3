//! What makes pods: Deployments, StatefulSets, DaemonSets, Jobs and CronJobs, as they ought to be.
//!
//! [`job`] and [`cron`] hold what is special to those; [`record`] is what a host remembers of a controller, [`fact`]
//! what it sees of a controller's pods.

pub mod cron;
pub mod fact;
pub mod job;
pub mod record;
pub mod status;

use super::claim::VolumeClaim;
use super::name::ObjectKey;
use super::pod::SourcePath;
use cron::CronJobSpec;
use job::JobSpec;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Annotation of a pod or Job that a controller has made: kind and name of it, such as `Deployment/web`.
pub const OWNER: &str = "vks.io/owner";
/// Annotation: which life of the controller made it.
pub const OWNER_UID: &str = "vks.io/owner-uid";
/// Annotation: the number in the pod's name; of a pod of an indexed Job, that of the attempt.
pub const INSTANCE: &str = "vks.io/instance";
/// Annotation: the hash of the template it was made from.
pub const REVISION: &str = "vks.io/revision";
/// Annotation and label of pods of indexed Jobs (batch/v1 `JobCompletionIndexAnnotation`).
pub const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The kinds of controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ControllerKind {
    /// apps/v1 Deployment.
    Deployment,
    /// apps/v1 StatefulSet.
    StatefulSet,
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// batch/v1 Job.
    Job,
    /// batch/v1 CronJob.
    CronJob,
}

impl ControllerKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
    ];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The same in lower case, as files and commands have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
        }
    }

    /// The API group and version.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::Job | Self::CronJob => "batch/v1",
        }
    }
}

impl fmt::Display for ControllerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which controller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerKey {
    /// Its kind.
    pub kind: ControllerKind,
    /// Namespace and name.
    pub object: ObjectKey,
}

impl fmt::Display for ControllerKey {
    /// `Deployment default/web`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.object)
    }
}

impl ControllerKey {
    /// The value of [`OWNER`] on what it makes.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.kind, self.object.name)
    }

    /// From the value of [`OWNER`] on something of a namespace.
    pub fn from_owner(owner: &str, namespace: &super::name::Namespace) -> Option<Self> {
        let (kind, name) = owner.split_once('/')?;
        let kind = ControllerKind::ALL.into_iter().find(|k| k.name() == kind)?;
        Some(Self {
            kind,
            object: ObjectKey {
                namespace: namespace.clone(),
                name: name.parse().ok()?,
            },
        })
    }
}

/// Something that makes pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    /// Kind, namespace and name.
    pub key: ControllerKey,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where it comes from.
    pub source: SourcePath,
    /// The object as one line of JSON.
    pub manifest: Box<str>,
    /// What it does.
    pub spec: ControllerSpec,
}

/// What a controller does.
#[derive(Debug, Clone, PartialEq)]
pub enum ControllerSpec {
    /// Equal pods, replaced a few at a time.
    Deployment(DeploymentSpec),
    /// Pods with a place and volumes of their own.
    StatefulSet(StatefulSetSpec),
    /// One pod on the host.
    DaemonSet(DaemonSetSpec),
    /// Pods that run to their end.
    Job(JobSpec),
    /// Jobs by the clock.
    CronJob(CronJobSpec),
}

/// What pods are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `metadata` (labels and annotations) and `spec` as one line of JSON, keys sorted.
    pub json: Box<str>,
    /// Ten letters and digits that another template has others of.
    pub hash: Box<str>,
    /// The labels in it.
    pub labels: BTreeMap<String, String>,
}

/// A number, or a share of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Share {
    /// So many of `all`; a share is rounded up or down.
    pub fn of(self, all: u32, up: bool) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let parts = u64::from(all) * u64::from(percent);
                let whole = if up { parts.div_ceil(100) } else { parts / 100 };
                u32::try_from(whole).unwrap_or(u32::MAX)
            }
        }
    }

    /// Nothing at all.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }
}

/// How pods of an old template are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All old ones end before the first new one starts.
    Recreate,
    /// A few at a time.
    Rolling {
        /// So many more than `replicas` may be there (default 25 %, rounded up).
        max_surge: Share,
        /// So many of `replicas` may be away (default 25 %, rounded down).
        max_unavailable: Share,
    },
    /// Old ones stay until they are removed by hand.
    OnDelete,
}

/// apps/v1 DeploymentSpec.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentSpec {
    /// How many pods (default 1).
    pub replicas: u32,
    /// What they are.
    pub template: Template,
    /// How a changed template comes into force (default RollingUpdate).
    pub strategy: Strategy,
    /// A pod counts as available when it has been ready for so long (default 0).
    pub min_ready: Duration,
    /// Changes of the template wait (default false).
    pub paused: bool,
    /// A rollout without progress for so long is said to have failed (default 600 s).
    pub progress_deadline: Duration,
    /// Old templates kept for `vks rollout undo` (default 10).
    pub history: u32,
}

/// apps/v1 DaemonSetSpec: on one host, a Deployment of one pod.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonSetSpec {
    /// What the pod is.
    pub template: Template,
    /// RollingUpdate (default, `maxUnavailable` 1) or OnDelete.
    pub strategy: Strategy,
    /// See [`DeploymentSpec`].
    pub min_ready: Duration,
    /// Old templates kept (default 10).
    pub history: u32,
}

/// apps/v1 StatefulSetSpec.
#[derive(Debug, Clone, PartialEq)]
pub struct StatefulSetSpec {
    /// How many pods (default 1).
    pub replicas: u32,
    /// The number of the first (default 0).
    pub first: u32,
    /// What they are.
    pub template: Template,
    /// Start and stop without waiting for each other (default: one after the other).
    pub parallel: bool,
    /// Pods with lower numbers keep the old template (default 0); `None` is OnDelete.
    pub partition: Option<u32>,
    /// So many may be away during an update (default 1).
    pub max_unavailable: Share,
    /// See [`DeploymentSpec`].
    pub min_ready: Duration,
    /// Old templates kept (default 10).
    pub history: u32,
    /// The volumes each pod has a claim of its own for.
    pub claims: Vec<ClaimTemplate>,
}

/// A claim that each pod of a StatefulSet has one of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimTemplate {
    /// The name of the volume, with which those of the claims begin.
    pub name: String,
    /// What each claim asks for.
    pub claim: VolumeClaim,
}
