//! What follows the end of a container: its restart policy, and the rules that go before it.

use super::pod::RestartPolicy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A rule of `restartPolicyRules` (core/v1 ContainerRestartRule). The first that fits an end decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    /// What is done.
    pub action: RestartAction,
    /// It fits the exit codes that are *not* in the list (`NotIn`).
    #[serde(default)]
    pub not: bool,
    /// Exit codes; of a container that was killed, 128 and the signal's number.
    pub codes: BTreeSet<u8>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartAction {
    /// The container starts again, whatever its policy says.
    Restart,
    /// All containers of the pod end and start again, init containers first.
    RestartAllContainers,
}

/// What decides whether a container starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// The policy in force.
    pub policy: RestartPolicy,
    /// The rules, in order; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RestartRule>,
}

impl RestartRule {
    /// Whether it is for this exit code.
    pub fn fits(&self, code: i32) -> bool {
        let listed = u8::try_from(code).is_ok_and(|code| self.codes.contains(&code));
        listed != self.not
    }
}

impl Restarts {
    /// What the rules say of an end with this code; `None` leaves it to the policy.
    pub fn rule(&self, code: i32) -> Option<RestartAction> {
        let fits = self.rules.iter().find(|rule| rule.fits(code));
        fits.map(|rule| rule.action)
    }

    /// Whether another run follows one that ended by itself with this code. `well` is an end with code 0 in which
    /// no hook and no probe failed.
    pub fn again(&self, code: i32, well: bool) -> bool {
        self.rule(code).is_some()
            || match self.policy {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => !well,
                RestartPolicy::Never => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartPolicy::{Always, Never, OnFailure};

    fn rule(action: RestartAction, not: bool, codes: &[u8]) -> RestartRule {
        RestartRule {
            action,
            not,
            codes: codes.iter().copied().collect(),
        }
    }

    #[test]
    fn the_first_rule_that_fits_goes_before_the_policy() {
        let rules = vec![
            rule(RestartAction::RestartAllContainers, false, &[42]),
            rule(RestartAction::Restart, false, &[42, 137]),
        ];
        let of = |policy| Restarts {
            policy,
            rules: rules.clone(),
        };
        assert_eq!(
            of(Never).rule(42),
            Some(RestartAction::RestartAllContainers)
        );
        assert_eq!(of(Never).rule(137), Some(RestartAction::Restart));
        let cases = [
            (Never, 1, false, false),
            (Never, 137, false, true),
            (OnFailure, 0, true, false),
            (OnFailure, 0, false, true),
            (OnFailure, 1, false, true),
            (Always, 0, true, true),
        ];
        for (policy, code, well, again) in cases {
            assert_eq!(of(policy).again(code, well), again, "{policy:?} {code}");
        }
    }

    #[test]
    fn not_in_fits_all_others() {
        let rule = rule(RestartAction::Restart, true, &[0, 1]);
        assert!(!rule.fits(0) && !rule.fits(1) && rule.fits(2) && rule.fits(137));
    }
}
