//! `vks record`: writes down how a run of a container ended, so that its last state, its restart count and its
//! logs are known however long nobody was looking.
//!
//! It is the `ExecStopPost=` of every container, and the `ExecStartPost=` of init containers, which stay
//! active after a good end so that nothing would be called then.

mod after;
mod end;
mod log_tail;
pub mod unhealthy;

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use super::own_unit::{OwnUnit, OwnUnitError};
use crate::chain;
use crate::host::clock::timestamp as now;
use crate::host::files::{Dir, FileError};
use crate::host::journald;
use crate::host::last_run::{self, LastRun};
use crate::model::identity::UnitRole;
use crate::model::layout::Layout;
use crate::model::name::{ContainerName, UnitName};
use crate::model::observed::{RunRecord, Runs};
use crate::model::pod::{ContainerRole, RestartPolicy};
use crate::model::restart::{RestartAction, RestartRule, Restarts};
use crate::model::time::Timestamp;
use end::End;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// journald has long heard of a container that ran for this long, and knows which limits its output has.
const LOG_KNOWN: Duration = Duration::from_secs(60);
/// The longest wait for journald, which reads some 20,000 lines in a second on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The shortest `TimeoutStopSec=` there is.
const LEAST_STOP: Duration = Duration::from_secs(2);
/// Exit code for [`After::Fail`].
const AGAIN: u8 = 75;
/// The key of `[X-kubernetes]` with the restart policy in force: `Always`, `OnFailure` or `Never`.
const POLICY_KEY: &str = "Policy";
/// The key with the rules that go before it, as JSON.
const RULES_KEY: &str = "Rules";
/// The key that is there when the log may stand in for an empty termination message.
const MESSAGE_KEY: &str = "Message";
/// Bytes of a termination message that count: the last ones (kubelet: MaxContainerTerminationMessageLength).
const MESSAGE: usize = 4096;
/// The largest file of records that is read. Five records with the longest messages are a tenth of it.
const LIMIT: usize = 1 << 20;
/// Where systemd links each unit to its invocation. Made at the first start of a unit, not at automatic restarts.
const INVOCATIONS: &str = "/run/systemd/units";

/// Why the end of a run was not written down.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("cannot understand the arguments of vks record")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    OwnUnit(#[from] OwnUnitError),
    #[error("{0} is not the unit of a container")]
    NotAContainer(UnitName),
    #[error("INVOCATION_ID is not set: vks record is for units to call")]
    NoInvocation,
    #[error("the end of a run of {0} was not written down")]
    File(ContainerName, #[source] FileError),
    #[error("the termination message of {container} could not be read from {path}", path = path.display())]
    Message {
        container: ContainerName,
        path: PathBuf,
        source: io::Error,
    },
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match run(&super::layout(), args) {
        Ok(After::Nothing) => ExitCode::SUCCESS,
        Ok(After::Fail) => ExitCode::from(AGAIN),
        Err(error) => super::fail(&error, matches!(error, RecordError::Arguments(_))),
    }
}

/// What the verb has still to do when all is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// End in failure: the reset of the back-off has taken back the result of the run, by which systemd decides
    /// whether to start an `on-failure` unit again. A failure of its ExecStopPost= is one too.
    Fail,
}

fn run(layout: &Layout, args: &[OsString]) -> Result<After, RecordError> {
    let mut args = Arguments::parse(args, &[Allowed::Flag("--exited-ok")])?;
    let unit: UnitName = args.next("UNIT")?;
    args.end()?;
    let own = OwnUnit::read(layout, &unit)?;
    let UnitRole::Container { name, role, .. } = own.identity.role.clone() else {
        return Err(RecordError::NotAContainer(unit));
    };
    let variable = |name| std::env::var(name).unwrap_or_default();
    let invocation = variable("INVOCATION_ID");
    if invocation.is_empty() {
        return Err(RecordError::NoInvocation);
    }
    let end = match args.flag("--exited-ok") {
        true => End::good(),
        false => End::from_systemd(
            &variable("SERVICE_RESULT"),
            &variable("EXIT_CODE"),
            &variable("EXIT_STATUS"),
        ),
    };
    if !end.ran() {
        return Ok(After::Nothing);
    }
    let book = Book {
        layout,
        own: &own,
        name,
        role,
    };
    book.add(&unit, invocation, end)
}

/// The records of one container.
struct Book<'a> {
    layout: &'a Layout,
    own: &'a OwnUnit,
    name: ContainerName,
    role: ContainerRole,
}

impl Book<'_> {
    fn add(&self, unit: &UnitName, invocation: String, end: End) -> Result<After, RecordError> {
        let failed = |source| RecordError::File(self.name.clone(), source);
        let uid = &self.own.identity.uid;
        let (dir, file) = place(&self.layout.runs(uid, &self.name)).map_err(failed)?;
        let mut runs = read(&dir, &file).map_err(failed)?;
        if runs
            .last
            .last()
            .is_some_and(|last| *last.invocation == *invocation)
        {
            return Ok(After::Nothing);
        }
        let finished = now();
        let mut last = last_run(unit, &invocation, &end);
        last.asked |= unhealthy::take(self.layout, uid, &self.name, &invocation).map_err(failed)?;
        runs.last.push(RunRecord {
            started: last.started,
            finished,
            exit_code: end.exit_code,
            signal: end.signal,
            result: end.result.as_str().into(),
            message: self.message(unit, &last, &end),
            spec: self.own.identity.spec_hash.clone(),
            stopped: last.asked,
            invocation: invocation.into(),
        });
        runs.count = runs.count.saturating_add(1);
        let surplus = runs.last.len().saturating_sub(Runs::KEPT);
        runs.last.drain(..surplus);
        // Plain data with text keys: cannot fail.
        let bytes = serde_json::to_vec(&runs).unwrap_or_default();
        dir.write(&file, &bytes, 0o644).map_err(failed)?;
        let after = self.follow_up(unit, &end, &last, finished)?;
        // Last of all: nothing of the above may be lost because journald is slow.
        self.catch_up(&last, finished);
        Ok(after)
    }

    /// What follows the end: a mark, acts on other containers, a back-off that begins anew.
    fn follow_up(
        &self,
        unit: &UnitName,
        end: &End,
        last: &LastRun,
        finished: Timestamp,
    ) -> Result<After, RecordError> {
        let restarts = self.restarts()?;
        let others = if end.is_final(self.role, &restarts, last.asked) {
            after::mark_done(self.layout, self.own, unit, &self.name)
                .and_then(|()| after::end_sidecars(self.layout, self.own))
        } else if !last.asked
            && restarts.rule(end.code()) == Some(RestartAction::RestartAllContainers)
        {
            after::restart_all(self.layout, self.own)
        } else {
            Ok(())
        };
        if let Err(error) = others {
            log::error!("{}", chain::line(&error));
        }
        let policy = restarts.policy;
        let again = !last.asked && end.runs_again(&restarts);
        if !again || !end::was_well(last.started, finished) {
            return Ok(After::Nothing);
        }
        match last_run::reset_back_off(unit) {
            Ok(()) if policy == RestartPolicy::OnFailure => return Ok(After::Fail),
            Ok(()) => {}
            Err(error) => log::warn!("{}", chain::line(&error)),
        }
        Ok(After::Nothing)
    }

    /// Of a run that was short, journald may not know yet how many lines it may take.
    fn catch_up(&self, last: &LastRun, finished: Timestamp) {
        let short = last
            .started
            .is_none_or(|started| finished.since(started) < LOG_KNOWN);
        if short && let Err(error) = journald::catch_up(self.patience()) {
            log::warn!(
                "lines of container {} may be lost: {}",
                self.name,
                chain::line(&error)
            );
        }
    }

    /// How long journald is waited for: systemd kills this program, and takes the run for a failed one, when it takes
    /// longer than the grace period.
    fn patience(&self) -> Duration {
        let limit = self.own.stop_timeout().unwrap_or(LEAST_STOP);
        (limit / 2).min(PATIENCE)
    }

    fn policy(&self) -> Result<RestartPolicy, RecordError> {
        match self.own.text(POLICY_KEY)?.as_str() {
            "Always" => Ok(RestartPolicy::Always),
            "OnFailure" => Ok(RestartPolicy::OnFailure),
            "Never" => Ok(RestartPolicy::Never),
            _ => Err(self.own.wrong(POLICY_KEY, None).into()),
        }
    }

    fn restarts(&self) -> Result<Restarts, RecordError> {
        let rules: Vec<RestartRule> = match self.own.optional(RULES_KEY) {
            Some(_) => self.own.json(RULES_KEY)?,
            None => Vec::new(),
        };
        Ok(Restarts {
            policy: self.policy()?,
            rules,
        })
    }

    /// The termination message: its file, or of a container that failed, if it wishes so, the end of its log.
    fn message(&self, unit: &UnitName, last: &LastRun, end: &End) -> Box<str> {
        let message = self.take_message().unwrap_or_else(|error| {
            log::warn!("{}", chain::line(&error));
            Box::default()
        });
        let from_log = self.own.optional(MESSAGE_KEY).is_some() && !end.is_well();
        match message.is_empty() && from_log {
            true => log_tail::of(unit, last.started, self.patience() / 2).into(),
            false => message,
        }
    }

    /// Reads the termination message and empties its file for the next run.
    fn take_message(&self) -> Result<Box<str>, RecordError> {
        let path = self.layout.termination(&self.own.identity.uid, &self.name);
        match take(&path) {
            Ok(message) => Ok(message),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::default()),
            Err(source) => Err(RecordError::Message {
                container: self.name.clone(),
                path,
                source,
            }),
        }
    }
}

/// The directory, made if need be, and the name of a file below a pod's directory.
fn place(path: &Path) -> Result<(Dir, String), FileError> {
    let name = path.file_name().unwrap_or_default();
    let dir = Dir::create(path.parent().unwrap_or(Path::new("/")))?;
    Ok((dir, name.to_string_lossy().into_owned()))
}

/// Records that cannot be understood are begun anew: what is lost is the past, not the present.
fn read(dir: &Dir, file: &str) -> Result<Runs, FileError> {
    let Some(bytes) = dir.read(file, LIMIT)? else {
        return Ok(Runs::default());
    };
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        log::warn!(
            "{}/{file} is begun anew, it cannot be understood: {error}",
            dir.path().display()
        );
        Runs::default()
    }))
}

/// What only systemd knows: the start of the run, and whether its end was asked for. When it cannot be
/// asked, the end counts as asked for: a container that runs once more is better than one that never does.
fn last_run(unit: &UnitName, invocation: &str, end: &End) -> LastRun {
    let linked = started(Path::new(INVOCATIONS), unit, invocation);
    if end.by_itself_for_sure && linked.is_some() {
        return LastRun {
            asked: false,
            started: linked,
        };
    }
    last_run::ask(unit).unwrap_or_else(|error| {
        log::warn!("{}", chain::line(&error));
        LastRun {
            asked: !end.by_itself_for_sure,
            started: linked,
        }
    })
}

/// The start of the run by the link that systemd made for this invocation of the unit, if it did.
fn started(directory: &Path, unit: &UnitName, invocation: &str) -> Option<Timestamp> {
    let link = directory.join(format!("invocation:{unit}"));
    if std::fs::read_link(&link).ok()?.to_str() != Some(invocation) {
        return None;
    }
    let made = std::fs::symlink_metadata(&link).ok()?.modified().ok()?;
    timestamp(made.duration_since(SystemTime::UNIX_EPOCH).ok()?)
}

fn timestamp(since_epoch: Duration) -> Option<Timestamp> {
    u64::try_from(since_epoch.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
}

/// The end of a file, which is then empty. Not through a link, and a fifo does not hold us up.
fn take(path: &Path) -> io::Result<Box<str>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let length = u64::try_from(MESSAGE).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(meta.len().saturating_sub(length)))?;
    let mut bytes = Vec::new();
    file.by_ref().take(length).read_to_end(&mut bytes)?;
    if meta.len() > 0 {
        file.set_len(0)?;
    }
    Ok(end::message(&bytes, MESSAGE).into())
}

#[cfg(test)]
mod tests;
