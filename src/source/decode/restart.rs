//! `restartPolicyRules` of a container.

use super::field::{Field, Fields};
use super::known;
use crate::model::pod::RestartPolicy;
use crate::model::restart::{RestartAction, RestartRule};
use std::collections::BTreeSet;

/// Rules of a container (Kubernetes validation: validateContainerRestartPolicyRules).
const RULES: usize = 20;

/// The rules; `policy` is the container's own.
pub fn rules(
    container: &mut Fields<'_>,
    policy: Option<RestartPolicy>,
) -> Option<Vec<RestartRule>> {
    let rules = container.optional("restartPolicyRules", |field| {
        let rules: Vec<_> = field.items()?.iter().map(rule).collect();
        let rules: Vec<RestartRule> = rules.into_iter().collect::<Option<_>>()?;
        if !rules.is_empty() && policy.is_none() {
            field.problem(
                "needs a restartPolicy of the container's own, for when no rule fits: add it",
            );
            return None;
        }
        if rules.len() > RULES {
            field.problem(format!("has more than {RULES} rules: join some"));
            return None;
        }
        Some(rules)
    });
    rules.map(Option::unwrap_or_default)
}

fn rule(field: &Field<'_>) -> Option<RestartRule> {
    let mut f = field.fields(known::NONE)?;
    let action = f.require("action").and_then(|x| {
        x.one_of(&[
            ("Restart", RestartAction::Restart),
            ("RestartAllContainers", RestartAction::RestartAllContainers),
        ])
    });
    let codes = f.require("exitCodes").and_then(|x| exit_codes(&x));
    f.finish();
    let (not, codes) = codes?;
    Some(RestartRule {
        action: action?,
        not,
        codes,
    })
}

fn exit_codes(field: &Field<'_>) -> Option<(bool, BTreeSet<u8>)> {
    let mut f = field.fields(known::NONE)?;
    let not = f
        .require("operator")
        .and_then(|x| x.one_of(&[("In", false), ("NotIn", true)]));
    let values = f.list("values", |x| u8::try_from(x.integer(0, 255)?).ok());
    f.finish();
    let (not, values) = (not?, values?);
    if values.is_empty() {
        field.problem("has no values: write the exit codes");
        return None;
    }
    Some((not, values.into_iter().collect()))
}
