//! Containers that cannot be rendered: the others go on without them.

use super::*;

fn needs_config(container: &mut Container) {
    let value = EnvValue::ConfigMapKey {
        name: "conf".parse().unwrap(),
        key: "a".into(),
        optional: false,
    };
    let name = "A".to_owned();
    container.env = vec![EnvVar { name, value }];
}

fn with_config(want: &Desired) -> Desired {
    let mut want = want.clone();
    let key = ObjectKey {
        namespace: "default".parse().unwrap(),
        name: "conf".parse().unwrap(),
    };
    let data = [("a".to_owned(), b"1".to_vec())].into();
    want.config_maps.insert(
        key,
        DataObject {
            data,
            ..DataObject::default()
        },
    );
    want
}

#[test]
fn a_main_that_lacks_its_config_map_waits_alone() {
    let mut web = pod("web");
    web.spec.containers.push(container("other"));
    needs_config(&mut web.spec.containers[1]);
    let without = desired([web]);
    let mut host = running(&without);
    let blocked = &plan_now(&without, &host).blocked;
    let blocked: Vec<_> = blocked.values().flatten().collect();
    assert_eq!(blocked.len(), 1);
    assert_eq!(blocked[0].container.as_ref().unwrap().as_str(), "other");
    assert_eq!(blocked[0].reason, "CreateContainerConfigError");
    let other = "vks.default.web.sleep:other.service";
    assert!(
        host.observed
            .pods
            .values()
            .all(|pod| !pod.units.contains_key(&other.parse().unwrap()))
    );
    // It comes by itself, and what runs does not change for it.
    let with = with_config(&without);
    assert_eq!(
        steps(&with, &host),
        [
            "write    termination/other".to_owned(),
            "write    env/other".to_owned(),
            format!("write    {other}"),
            format!("start    {other}"),
        ]
    );
    settle(&with, &mut host, 1);
    assert_eq!(host.container_stops(), Vec::<String>::new());
    // What runs goes on when the config map goes.
    assert_eq!(steps(&without, &host), Vec::<String>::new());
}

#[test]
fn what_comes_after_a_blocked_init_container_waits_too() {
    let mut web = pod("web");
    web.spec.init_containers = vec![container("first"), container("second")];
    needs_config(&mut web.spec.init_containers[1]);
    let without = desired([web]);
    let mut host = running(&without);
    let units = &host.observed.pods.values().next().unwrap().units;
    let containers = units
        .keys()
        .filter(|name| name.as_str().starts_with("vks."));
    let containers: Vec<_> = containers.map(ToString::to_string).collect();
    assert_eq!(containers, ["vks.default.web.sleep:first.service"]);
    assert_eq!(host.reloads, 0);
    settle(&with_config(&without), &mut host, 2);
    assert_eq!(host.container_stops(), Vec::<String>::new());
}

/// Code that a container chose would run as root where systemd runs commands of vks for it.
#[test]
fn variables_that_run_code_are_for_containers_that_are_trusted() {
    let mut web = pod("web");
    web.spec.containers.push(container("other"));
    let (name, value) = ("LD_PRELOAD".to_owned(), EnvValue::Text("/x.so".into()));
    web.spec.containers[1].env = vec![EnvVar { name, value }];
    let want = desired([web.clone()]);
    let blocked = |profile| {
        let settings = Settings {
            profile,
            ..Settings::default()
        };
        let uid = new_uid(&web.key, RENDER_SEED);
        let rendered = units::render(&web, &uid, &want, &settings);
        rendered.unwrap().blocked
    };
    let strict = blocked(crate::model::security::Profile::Strict);
    assert_eq!(strict.len(), 1);
    assert!(strict[0].message.starts_with("variable LD_PRELOAD"));
    assert_eq!(blocked(crate::model::security::Profile::Trusted), []);
}
