//! Ephemeral containers: started beside the others, and left as they are from then on.

use super::*;

fn with(names: &[&str]) -> Pod {
    let mut web = pod("web");
    web.spec.ephemeral_containers = names.iter().map(|name| container(name)).collect();
    web
}

fn blocked(want: &Desired, host: &Host) -> Vec<String> {
    let plan = plan_now(want, host);
    let all = plan.blocked.into_values().flatten();
    all.map(|blocked| blocked.message).collect()
}

#[test]
fn one_is_put_into_a_running_pod_without_touching_the_others() {
    let mut host = running(&desired([pod("web")]));
    let want = desired([with(&["look"])]);
    assert_eq!(
        steps(&want, &host),
        [
            "write    termination/look",
            "write    vks-default-web.target",
            "write    vks.default.web.sleep:look.service",
            "start    vks.default.web.sleep:look.service",
        ]
    );
    settle(&want, &mut host, 1);
    assert!(host.stopped.is_empty());
    assert_eq!(host.reloads, 0);
    // Another one beside it.
    settle(&desired([with(&["look", "again"])]), &mut host, 1);
    assert!(host.stopped.is_empty());
}

#[test]
fn one_that_has_run_does_not_run_again() {
    let want = desired([with(&["look"])]);
    let mut host = running(&want);
    let unit: crate::model::name::UnitName = "vks.default.web.sleep:look.service".parse().unwrap();
    let key = pod("web").key;
    let observed = host.observed.pods.get_mut(&key).unwrap();
    observed
        .runs
        .insert("look".parse().unwrap(), Runs::default());
    observed.units.get_mut(&unit).unwrap().state.active = ActiveState::Inactive;
    assert!(plan_now(&want, &host).is_empty());
    // Not even when the pod starts anew.
    for unit in host.observed.pods.get_mut(&key).unwrap().units.values_mut() {
        unit.state.active = ActiveState::Inactive;
    }
    assert_eq!(steps(&want, &host), ["start    vks-default-web.target"]);
}

#[test]
fn one_cannot_be_changed_or_taken_out() {
    let mut host = running(&desired([with(&["look"])]));
    let mut other = with(&["look"]);
    other.spec.ephemeral_containers[0].args = vec!["1".into()];
    other.spec.containers[0].args = vec!["2".into()];
    for (pod, word) in [(other, "changed"), (pod("web"), "removed")] {
        let want = desired([pod]);
        let said = blocked(&want, &host);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("look cannot be") && said[0].contains(word),
            "{said:?}"
        );
        settle(&want, &mut host, 1);
    }
    // The rest of the change was made.
    assert!(
        host.container_stops()
            .iter()
            .all(|unit| unit == "vks.default.web.sleep.service")
    );
    assert!(!host.container_stops().is_empty());
    settle(&desired([]), &mut host, 1);
    assert!(host.observed.pods.is_empty());
}

#[test]
fn its_input_is_there_before_it_starts() {
    let host = running(&desired([pod("web")]));
    let mut web = with(&["look"]);
    web.spec.ephemeral_containers[0].stdio.stdin = true;
    let lines = steps(&desired([web]), &host);
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text));
    assert!(at("make     the input") < at("start"), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.starts_with("stop")));
}
