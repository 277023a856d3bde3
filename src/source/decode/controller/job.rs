//! Jobs.

use super::{known, only, template};
use crate::model::controller::job::{
    FailureAction, FailureCondition, FailureRule, JobSpec, SuccessRule,
};
use crate::model::pod::RestartPolicy;
use crate::source::decode::field::Field;
use std::collections::BTreeSet;
use std::time::Duration;

/// The most pods of a Job at a time.
const MAX_PARALLEL: i64 = 1_000;
/// The most indexes of a Job.
const MAX_INDEXES: u32 = 100_000;

/// Who looks after Jobs that do not say who does (batch/v1 JobSpec.managedBy).
const CONTROLLER: &str = "kubernetes.io/job-controller";

/// In a cluster the job controller leaves alone what another looks after; here there is nobody else.
fn manager(field: &Field<'_>) -> Option<()> {
    let other = field.line()?;
    if other == CONTROLLER {
        return Some(());
    }
    field.problem(format!(
        "{other:?} does not run on this host, and vks leaves its Jobs alone: remove the field, or write {CONTROLLER}"
    ));
    None
}

/// `spec` of a Job.
pub fn job(field: &Field<'_>) -> Option<JobSpec> {
    let mut f = field.fields(known::JOB)?;
    let template = f.require("template").and_then(|x| template(&x, &[]));
    let parallelism = f.optional("parallelism", |x| x.integer(0, MAX_PARALLEL));
    let completions = f.optional("completions", |x| x.count(0));
    let indexed = f.optional("completionMode", |x| {
        x.one_of(&[("NonIndexed", false), ("Indexed", true)])
    });
    let backoff = f.optional("backoffLimit", |x| x.count(0));
    let per_index = f.optional("backoffLimitPerIndex", |x| x.count(0));
    let max_failed = f.optional("maxFailedIndexes", |x| x.count(0));
    let deadline = f.optional("activeDeadlineSeconds", |x| x.count(1));
    let ttl = f.optional("ttlSecondsAfterFinished", |x| x.count(0));
    let suspend = f.flag("suspend");
    let failure = f.optional("podFailurePolicy", |x| {
        let mut f = x.fields(known::NONE)?;
        let rules = f.list("rules", |x| failure_rule(&x));
        f.finish();
        rules
    });
    let success = f.optional("successPolicy", |x| {
        let mut f = x.fields(known::NONE)?;
        let rules = f.list("rules", |x| success_rule(&x));
        f.finish();
        rules
    });
    let replacement = f.optional("podReplacementPolicy", |x| {
        x.one_of(&[("TerminatingOrFailed", false), ("Failed", true)])
    });
    let manager = f.optional("managedBy", |x| manager(&x));
    f.finish();
    manager?;
    let (template, pod) = template?;
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let (given, parallelism) = (parallelism?, parallelism?.unwrap_or(1));
    let failure = failure?.unwrap_or_default();
    let per_index = per_index?;
    let spec = JobSpec {
        template,
        restarts: pod.restart_policy == RestartPolicy::OnFailure,
        parallelism: u32::try_from(parallelism).ok()?,
        completions: completions?.or(given.is_none().then_some(1)),
        indexed: indexed?.unwrap_or(false),
        backoff_limit: backoff?.unwrap_or(if per_index.is_some() { u32::MAX } else { 6 }),
        backoff_limit_per_index: per_index,
        max_failed_indexes: max_failed?,
        active_deadline: deadline?.map(seconds),
        ttl: ttl?.map(seconds),
        suspend: suspend?,
        replace_only_failed: replacement?.unwrap_or(!failure.is_empty()),
        failure_rules: failure,
        success_rules: success?.unwrap_or_default(),
    };
    check(field, &spec, pod.restart_policy).then_some(spec)
}

/// What does not go together (batch validation of the API server).
fn check(field: &Field<'_>, spec: &JobSpec, policy: RestartPolicy) -> bool {
    let by_index = spec.backoff_limit_per_index.is_some();
    let never = policy == RestartPolicy::Never;
    let fails_index = |rule: &FailureRule| rule.action == FailureAction::FailIndex;
    let problems = [
        (
            policy == RestartPolicy::Always,
            "the pods of a Job end: template.spec.restartPolicy must be Never or OnFailure",
        ),
        (
            spec.indexed && spec.completions.is_none(),
            "is Indexed: add completions, the number of indexes",
        ),
        (
            spec.indexed && spec.completions.is_some_and(|all| all > MAX_INDEXES),
            "has more than 100000 indexes: lower completions",
        ),
        (
            by_index && !(spec.indexed && never),
            "backoffLimitPerIndex is for completionMode Indexed and restartPolicy Never: remove it",
        ),
        (
            spec.max_failed_indexes.is_some() && !by_index,
            "maxFailedIndexes is for backoffLimitPerIndex: remove it",
        ),
        (
            !spec.failure_rules.is_empty() && !never,
            "podFailurePolicy is for restartPolicy Never: remove it",
        ),
        (
            spec.failure_rules.iter().any(fails_index) && !by_index,
            "the action FailIndex is for backoffLimitPerIndex: use another",
        ),
        (
            !spec.success_rules.is_empty() && !spec.indexed,
            "successPolicy is for completionMode Indexed: remove it",
        ),
        (
            !spec.failure_rules.is_empty() && !spec.replace_only_failed,
            "podReplacementPolicy must be Failed, or absent, with podFailurePolicy",
        ),
    ];
    let wrong: Vec<&str> = problems
        .iter()
        .filter_map(|(wrong, text)| wrong.then_some(*text))
        .collect();
    for text in &wrong {
        field.problem(*text);
    }
    wrong.is_empty()
}

fn failure_rule(field: &Field<'_>) -> Option<FailureRule> {
    let mut f = field.fields(known::NONE)?;
    let action = f.require("action").and_then(|x| {
        x.one_of(&[
            ("FailJob", FailureAction::FailJob),
            ("FailIndex", FailureAction::FailIndex),
            ("Ignore", FailureAction::Ignore),
            ("Count", FailureAction::Count),
        ])
    });
    let codes = f.optional("onExitCodes", |x| exit_codes(&x));
    let conditions = f.list("onPodConditions", |x| condition(&x));
    f.finish();
    let (action, codes, conditions) = (action?, codes?, conditions?);
    let when = match (codes, conditions.as_slice()) {
        (Some(codes), []) => codes,
        (None, [_, ..]) => FailureCondition::Disrupted,
        _ => {
            field.problem("needs one of onExitCodes and onPodConditions: give one");
            return None;
        }
    };
    Some(FailureRule { action, when })
}

fn exit_codes(field: &Field<'_>) -> Option<FailureCondition> {
    let mut f = field.fields(known::NONE)?;
    let container = f.optional("containerName", |x| x.parse());
    let among = f
        .require("operator")
        .and_then(|x| x.one_of(&[("In", true), ("NotIn", false)]));
    let codes = f.list("values", |x| x.integer(0, 255));
    f.finish();
    let (among, codes) = (among?, codes?);
    if among && codes.contains(&0) {
        field.problem("0 is no failure: remove it from the values");
        return None;
    }
    if codes.is_empty() {
        field.problem("has no values: add at least one");
        return None;
    }
    let code = |code: i64| i32::try_from(code).unwrap_or_default();
    Some(FailureCondition::ExitCodes {
        container: container?,
        codes: codes.into_iter().map(code).collect(),
        among,
    })
}

fn condition(field: &Field<'_>) -> Option<()> {
    let mut f = field.fields(known::NONE)?;
    let kind = f
        .require("type")
        .and_then(|x| x.one_of(&[("DisruptionTarget", ())]));
    let status = only(&mut f, "status", &["True"]);
    f.finish();
    kind.and(status)
}

fn success_rule(field: &Field<'_>) -> Option<SuccessRule> {
    let mut f = field.fields(known::NONE)?;
    let indexes = f.optional("succeededIndexes", |x| indexes(&x));
    let count = f.optional("succeededCount", |x| x.count(1));
    f.finish();
    let rule = SuccessRule {
        indexes: indexes?,
        count: count?,
    };
    if rule.indexes.is_none() && rule.count.is_none() {
        field.problem("says nothing: add succeededIndexes or succeededCount");
        return None;
    }
    Some(rule)
}

/// `0-2,5`
fn indexes(field: &Field<'_>) -> Option<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for part in field.text()?.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) if first <= last && last < MAX_INDEXES => {
                found.extend(first..=last);
            }
            _ => {
                field.problem(
                    "must be numbers and ranges from the lower to the higher, such as 0-2,5",
                );
                return None;
            }
        }
    }
    Some(found)
}
