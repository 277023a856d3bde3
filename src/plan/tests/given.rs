//! Pods whose units are part of the host's configuration.

use super::*;
use crate::model::name::UnitName;
use crate::model::observed::Given;
use crate::plan::given::{renewals, uid};
use crate::plan::step::{PodPlan, Reason};
use crate::plan::units::render_given;

/// A host whose configuration brings a pod: nothing of it has run.
fn with_units(pod: &Pod) -> Host {
    let want = desired([pod.clone()]);
    let uid = uid(&pod.key);
    let made = render_given(pod, &uid, &[], &want, &Settings::default()).unwrap();
    let write = made.units.iter().map(|(unit, wanted)| Step::WriteUnit {
        unit: unit.clone(),
        text: wanted.file.to_string(),
        reload: false,
    });
    let plan = PodPlan {
        reason: Reason::Create,
        uid,
        addresses: Vec::new(),
        steps: write.collect(),
        differs: Vec::new(),
    };
    let mut host = Host::default();
    host.run(&pod.key, &plan);
    let there = host.observed.pods.get_mut(&pod.key).unwrap();
    there.given = Some(Given::default());
    there.enabled = true;
    host
}

#[test]
fn their_directories_are_filled_and_nothing_else_is_done() {
    let web = pod("web");
    let want = desired([web.clone()]);
    let mut host = with_units(&web);
    assert_eq!(
        steps(&want, &host),
        ["make     the pod's directory", "write    termination/main"]
    );
    settle(&want, &mut host, 1);
    // It does not run, and somebody wants that.
    let plan = plan_now(&want, &host);
    assert!(plan.is_empty() && plan.differing.is_empty(), "{plan:?}");
}

#[test]
fn a_manifest_they_were_not_made_from_is_said_and_changes_nothing() {
    let mut web = pod("web");
    let mut host = with_units(&web);
    settle(&desired([web.clone()]), &mut host, 1);
    web.spec.containers[0].args = vec!["1000".into()];
    let plan = plan_now(&desired([web.clone()]), &host);
    assert!(plan.is_empty());
    let names: Vec<&str> = plan.differing[&web.key]
        .iter()
        .map(UnitName::as_str)
        .collect();
    assert_eq!(names, ["vks.default.web.sleep.service"]);
}

#[test]
fn whoever_gives_them_takes_them_away() {
    let web = pod("web");
    let mut host = with_units(&web);
    assert!(plan_now(&desired([]), &host).is_empty());
    // They are gone, and nothing of the pod runs: now its directory goes, unless a manifest could not be read.
    let there = host.observed.pods.remove(&web.key).unwrap();
    host.observed
        .left
        .insert(web.key.clone(), (there.uid, there.source));
    let mut held = desired([]);
    held.held.insert("/etc/vks/pods.d/x.yaml".into());
    assert!(plan_now(&held, &host).is_empty());
    assert_eq!(steps(&desired([]), &host), ["remove   the pod's directory"]);
}

#[test]
fn units_that_vks_wrote_before_make_way() {
    let web = pod("web");
    let mut host = with_units(&web);
    let there = host.observed.pods.get_mut(&web.key).unwrap();
    let own = ["vks-default-web.target", "vks.default.web.sleep.service"];
    let own = own.iter().map(|name| name.parse().unwrap()).collect();
    there.given = Some(Given {
        earlier: Some(("earlier".parse().unwrap(), own)),
    });
    let want = desired([web.clone()]);
    let plan = plan_now(&want, &host);
    assert_eq!(plan.pods[&web.key].uid.as_str(), "earlier");
    let before = steps(&want, &host);
    assert_eq!(
        before,
        [
            "stop     vks-default-web.target",
            "stop     vks-default-web.slice",
            "disable  vks-default-web.target",
            "remove   vks-default-web.target",
            "remove   vks.default.web.sleep.service",
            "remove   the pod's directory",
            "reload   systemd",
        ]
    );
    let there = host.observed.pods.get_mut(&web.key).unwrap();
    for unit in there.units.values_mut() {
        unit.state.active = ActiveState::Active;
    }
    // It ran: it goes on as what the configuration says.
    assert_eq!(
        steps(&want, &host).last().unwrap(),
        "start    vks-default-web.target"
    );
}

#[test]
fn what_ended_for_good_under_another_spec_may_run_again() {
    let web = pod("web");
    let host = with_units(&web);
    let mut there = host.observed.pods[&web.key].clone();
    assert!(renewals(&there).is_empty());
    let unit: UnitName = "vks.default.web.sleep.service".parse().unwrap();
    let hash = there.units[&unit]
        .identity
        .as_ref()
        .unwrap()
        .spec_hash
        .clone();
    for (spec, renewed) in [(hash, 0), ("another".into(), 1)] {
        let run = RunRecord {
            invocation: "1".into(),
            started: None,
            finished: Timestamp::from_micros(1).unwrap(),
            exit_code: Some(0),
            signal: None,
            result: "success".into(),
            message: "".into(),
            spec,
            stopped: false,
        };
        let runs = Runs {
            count: 1,
            last: vec![run],
        };
        there.runs.insert("main".parse().unwrap(), runs);
        assert_eq!(renewals(&there).len(), renewed);
    }
}

#[test]
fn an_address_that_the_configuration_has_chosen_is_nobody_elses() {
    let mut given = pod("z");
    given.spec.host_network = false;
    let mut other = pod("a");
    other.spec.host_network = false;
    let want = desired([given.clone(), other.clone()]);
    let mut host = with_units(&given);
    let there = host.observed.pods.get_mut(&given.key).unwrap();
    let mut alone = Host::default();
    settle(&desired([other.clone()]), &mut alone, 1);
    let taken = alone.observed.pods[&other.key].addresses.clone();
    there.addresses.clone_from(&taken);
    host.observed.pods.extend(alone.observed.pods);
    let plan = plan_now(&want, &host);
    let moved = &plan.pods[&other.key].addresses;
    assert!(
        moved.iter().all(|address| !taken.contains(address)),
        "{moved:?}"
    );
}
