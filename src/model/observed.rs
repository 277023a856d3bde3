//! What is: the host as systemd, the unit files and the run records tell it. No opinion.

use super::identity::Identity;
use super::name::{ContainerName, ObjectKey, PodKey, PodUid, UnitName};
use super::pod::SourcePath;
use super::status::SetConditions;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// The first 16 bytes of a SHA-256, to compare contents without keeping them.
pub type Digest = [u8; 16];

/// All that vks has on this host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Pods, by the identity in their units.
    pub pods: BTreeMap<PodKey, ObservedPod>,
    /// Unit files of vks' name without a readable identity: reported, never touched.
    pub strays: BTreeSet<String>,
    /// Unit files of CronJobs, with whose they are.
    pub timers: BTreeMap<UnitName, ObservedUnit>,
    /// Directories of pods whose units were given, and are not any more, with where the pods came from.
    pub left: BTreeMap<PodKey, (PodUid, SourcePath)>,
    /// Units with vks' names that systemd has loaded though they have no file: what a removed pod leaves
    /// behind until the next daemon-reload when something wanted it at boot.
    pub orphans: BTreeSet<UnitName>,
}

/// A claim whose directory goes with it, as it is remembered beside the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptClaim {
    /// The claim.
    pub claim: ObjectKey,
    /// The file that defined it.
    pub source: SourcePath,
}

/// What there is of a pod whose units are part of the host's configuration, beside them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// The life of a pod of that name that vks had written units for, and these: they are still there.
    pub earlier: Option<(PodUid, BTreeSet<UnitName>)>,
}

/// One pod as the host has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPod {
    /// The identity of this life of the pod.
    pub uid: PodUid,
    /// When its directory was made: when this host first acted on it.
    pub created: Option<Timestamp>,
    /// Where it came from.
    pub source: SourcePath,
    /// The manifest carried by the pod's target unit; `None` when that unit is missing (creation or removal was cut short).
    pub manifest: Option<Box<str>>,
    /// Its addresses, one for each family, as its units say; none on the host's network.
    pub addresses: Vec<IpAddr>,
    /// Whether `vks-pods.target` wants it at boot.
    pub enabled: bool,
    /// Its units: those with a file, and those systemd still has loaded.
    pub units: BTreeMap<UnitName, ObservedUnit>,
    /// What its directory holds: path below the pod's directory to content digest.
    pub payloads: BTreeMap<String, Digest>,
    /// Finished runs of its containers.
    pub runs: BTreeMap<ContainerName, Runs>,
    /// Its active deadline has passed.
    pub deadline_exceeded: bool,
    /// Somebody deleted it, though a controller wants it: the controller is to make another.
    pub deleted: bool,
    /// Conditions that were set from outside.
    pub conditions: SetConditions,
    /// Unit files were changed under systemd, which has not reloaded since (a change was cut short).
    pub reload_needed: bool,
    /// Its units are part of the host's configuration: vks never writes, removes, starts or stops them.
    pub given: Option<Given>,
}

/// One unit.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedUnit {
    /// Digest of the file's text; `None` without a file.
    pub digest: Option<Digest>,
    /// Digest of the text without what systemd does not read (comments, `X-` sections).
    pub loaded_digest: Option<Digest>,
    /// The same without what can be changed while the unit runs.
    pub fixed_digest: Option<Digest>,
    /// The `[X-kubernetes]` section of the file.
    pub identity: Option<Identity>,
    /// What systemd says of it.
    pub state: UnitState,
}

/// What systemd says of a unit. The default is what it says of one it has not loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnitState {
    /// Known to systemd.
    pub loaded: bool,
    /// ActiveState.
    pub active: ActiveState,
    /// SubState, such as `running`, `start-post`, `auto-restart`.
    pub sub: Box<str>,
    /// A job waits or runs for it.
    pub job: bool,
    /// Of services: the current or last run.
    pub run: Option<CurrentRun>,
}

/// ActiveState of a unit (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveState {
    /// Not running.
    #[default]
    Inactive,
    /// Running.
    Active,
    /// Running, and reading its configuration again.
    Reloading,
    /// Starting, or waiting for its next automatic restart.
    Activating,
    /// Stopping.
    Deactivating,
    /// Ended in failure.
    Failed,
    /// In maintenance (systemd 254).
    Maintenance,
    /// Refreshing its mounts (systemd 258).
    Refreshing,
}

/// The current or last run of a service, from its D-Bus properties.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CurrentRun {
    /// InvocationID in hex; empty when systemd has none.
    pub invocation: Box<str>,
    /// MainPID, 0 when nothing runs.
    pub main_pid: u32,
    /// ExecMainStartTimestamp.
    pub started: Option<Timestamp>,
    /// ExecMainExitTimestamp.
    pub finished: Option<Timestamp>,
    /// ExecMainCode: 1 exited, 2 killed, 3 dumped (siginfo's CLD_ codes), 0 none.
    pub exit_code_kind: i32,
    /// ExecMainStatus: exit code or signal.
    pub exit_status: i32,
    /// Result, such as `success`, `exit-code`, `signal`, `oom-kill`, `timeout`.
    pub result: Box<str>,
    /// StatusText: of the prober, what it found.
    pub status_text: Box<str>,
    /// RestartUSecNext: of a service that waits for its automatic restart, how long from end to start.
    pub back_off: Option<Duration>,
}

/// The finished runs of a container, as its ExecStopPost= wrote them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// How many runs have finished in this life of the pod.
    pub count: u32,
    /// The last of them, oldest first, at most [`Runs::KEPT`].
    pub last: Vec<RunRecord>,
}

impl Runs {
    /// Records kept for each container.
    pub const KEPT: usize = 5;
}

/// How one run of a container ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// InvocationID in hex.
    pub invocation: Box<str>,
    /// Start of the unit's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Its end.
    pub finished: Timestamp,
    /// Exit code, when it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal number, when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// systemd's result: `success`, `exit-code`, `signal`, `oom-kill`, `timeout`, ...
    pub result: Box<str>,
    /// Termination message, at most 4096 bytes.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Box<str>,
    /// The hash of the container's spec that ran.
    pub spec: Box<str>,
    /// Ended because a stop was asked for, not by itself.
    #[serde(default)]
    pub stopped: bool,
}

impl RunRecord {
    /// The exit code as the API has it: of a run that a signal ended, 128 and its number; 128 when there is neither.
    pub fn code(&self) -> i32 {
        let killed = self.signal.map(|signal| 128 + signal);
        self.exit_code.or(killed).unwrap_or(128)
    }
}
