//! Another grace period for a pod that is about to be stopped, as drop-ins for its units.

use crate::unit::UnitFile;
use std::time::Duration;

/// What the kubelet grants at least (minimumGracePeriodInSeconds).
const LEAST: Duration = Duration::from_secs(2);
/// What systemd grants `ExecStop=` beyond the budget that the hook keeps itself.
const HOOK_SLACK: Duration = Duration::from_secs(10);
/// The words of a pre-stop hook's command line before its budget in seconds.
const BUDGET: &str = " --grace ";

/// The drop-in that gives a container's unit this grace period; `None` for a unit without one.
pub fn drop_in(unit: &UnitFile, grace: Duration) -> Option<UnitFile> {
    unit.value("Service", "TimeoutStopSec")?;
    let mut file = UnitFile {
        header: vec!["Made by vks delete --grace-period; goes with the unit".to_owned()],
        ..UnitFile::default()
    };
    let hook = unit.value("Service", "ExecStop");
    let slack = hook.map_or(Duration::ZERO, |_| HOOK_SLACK);
    let time = grace.max(LEAST) + slack;
    if let Some(hook) = hook {
        file.push("Service", "ExecStop", "");
        file.push("Service", "ExecStop", with_budget(hook, grace));
    }
    file.push("Service", "TimeoutStopSec", format!("{}s", time.as_secs()));
    Some(file)
}

/// The command line with another budget. The first number counts: what follows is the hook's own.
fn with_budget(line: &str, grace: Duration) -> String {
    let Some((before, after)) = line.split_once(BUDGET) else {
        return line.to_owned();
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{BUDGET}{}{rest}", grace.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(entries: &[(&str, &str)]) -> UnitFile {
        let mut file = UnitFile::default();
        for (key, value) in entries {
            file.push("Service", key, *value);
        }
        file
    }

    fn text(file: &UnitFile, seconds: u64) -> Option<String> {
        let file = drop_in(file, Duration::from_secs(seconds))?;
        Some(
            file.to_string()
                .lines()
                .skip(3)
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }

    #[test]
    fn the_time_of_the_unit_and_the_budget_of_its_hook() {
        assert_eq!(text(&unit(&[("Type", "oneshot")]), 5), None);
        let plain = unit(&[("TimeoutStopSec", "30s")]);
        assert_eq!(text(&plain, 5).unwrap(), "TimeoutStopSec=5s");
        assert_eq!(text(&plain, 0).unwrap(), "TimeoutStopSec=2s");
        let line = r#"+:/usr/bin/vks hook pre-stop --grace 30 "{\"exec\":{\"command\":[\"x --grace 30\"]}}""#;
        let hook = unit(&[("TimeoutStopSec", "40s"), ("ExecStop", line)]);
        let expected = format!(
            "ExecStop=\nExecStop={}\nTimeoutStopSec=17s",
            line.replacen("30", "7", 1)
        );
        assert_eq!(text(&hook, 7).unwrap(), expected);
    }
}
