//! Fields of controllers that vks knows by name although they have no effect here.

use super::known::{Kind, Rule, Rules};

use Kind::{Bool, Int, Table, Text};
use Rule::{Noted, Unset};

/// `DaemonSetSpec`, `DeploymentSpec`: everything is taken.
pub const WORKLOAD: &Rules = &[];

/// `StatefulSetSpec`.
pub const STATEFUL_SET: &Rules = &[("serviceName", Noted(Text))];

/// `PersistentVolumeClaim` in a StatefulSet: its name is taken, the rest is for the volume.
pub const CLAIM: &Rules = &[
    ("apiVersion", Noted(Text)),
    ("kind", Noted(Text)),
    ("spec", Noted(Table)),
    ("status", Noted(Table)),
];

/// `JobSpec`.
pub const JOB: &Rules = &[
    ("manualSelector", Noted(Bool)),
    ("selector", Noted(Table)),
    ("gang", Unset("a host has one place to run a pod")),
];

/// `CronJobSpec`: everything is taken.
pub const CRON_JOB: &Rules = &[];

/// `JobTemplateSpec` and other tables of which everything is taken.
pub const NONE: &Rules = &[];

/// `PodFailurePolicyOnPodConditionsPattern`.
pub const CONDITION: &Rules = &[];

/// `RollingUpdate…`.
pub const ROLLING: &Rules = &[("podUpdatePolicy", Noted(Int))];
