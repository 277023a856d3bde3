//! batch/v1 Job.

use super::Template;
use crate::model::name::ContainerName;
use std::collections::BTreeSet;
use std::time::Duration;

/// batch/v1 JobSpec.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// What the pods are.
    pub template: Template,
    /// Their pods are started again by systemd after a failure (`restartPolicy: OnFailure`), else not at all.
    pub restarts: bool,
    /// So many pods at a time (default 1).
    pub parallelism: u32,
    /// So many must end well. `None`: one good end is enough, and no pod starts after it.
    pub completions: Option<u32>,
    /// Each pod has a number of its own, and each number must end well once.
    pub indexed: bool,
    /// So many failures are borne (default 6; without a bound when they are counted by index).
    pub backoff_limit: u32,
    /// So many failures of each index are borne.
    pub backoff_limit_per_index: Option<u32>,
    /// So many indexes may fail before the rest is given up.
    pub max_failed_indexes: Option<u32>,
    /// The Job fails when it has been active for so long.
    pub active_deadline: Option<Duration>,
    /// The Job and its pods are removed so long after its end.
    pub ttl: Option<Duration>,
    /// No pods now.
    pub suspend: bool,
    /// Rules for failed pods, the first that fits counts.
    pub failure_rules: Vec<FailureRule>,
    /// Any of these is enough to have succeeded; empty: all completions.
    pub success_rules: Vec<SuccessRule>,
    /// A pod is replaced when it has ended; else as soon as it is on its way out.
    pub replace_only_failed: bool,
}

/// What a failed pod means (batch/v1 PodFailurePolicyRule).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRule {
    /// What to do.
    pub action: FailureAction,
    /// When.
    pub when: FailureCondition,
}

/// What a failed pod does to the Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// The Job fails.
    FailJob,
    /// The index fails and is not tried again.
    FailIndex,
    /// As if it had not happened: the pod is replaced.
    Ignore,
    /// As without a rule.
    Count,
}

/// When a rule fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCondition {
    /// By exit codes.
    ExitCodes {
        /// Only of this container.
        container: Option<ContainerName>,
        /// The codes, or all but these.
        codes: BTreeSet<i32>,
        /// One of `codes`, rather than none of them.
        among: bool,
    },
    /// By conditions of the pod: here only `DisruptionTarget`, which a pod has that the host has ended.
    Disrupted,
}

/// What is enough (batch/v1 SuccessPolicyRule).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRule {
    /// These indexes; `None` for any.
    pub indexes: Option<BTreeSet<u32>>,
    /// So many of them; `None` for all.
    pub count: Option<u32>,
}
