//! Secrets stay in their files.

use super::*;

#[test]
fn a_secret_never_reaches_a_unit() {
    let mut web = pod("web");
    let key = |name: &str| EnvValue::SecretKey {
        name: "s".parse().unwrap(),
        key: name.into(),
        optional: false,
    };
    web.spec.containers[0].env = vec![
        EnvVar {
            name: "PASSWORD".into(),
            value: key("p"),
        },
        EnvVar {
            name: "URL".into(),
            value: EnvValue::Text("db://$(PASSWORD)@host".into()),
        },
    ];
    let mut want = desired([web]);
    let object = ObjectKey {
        namespace: "default".parse().unwrap(),
        name: "s".parse().unwrap(),
    };
    let data = [("p".to_owned(), b"hunter2".to_vec())].into();
    want.secrets.insert(
        object,
        DataObject {
            data,
            ..DataObject::default()
        },
    );
    let plan = plan_now(&want, &Host::default());
    for step in plan.pods.values().flat_map(|pod| &pod.steps) {
        if let Step::WriteUnit { unit, text, .. } = step {
            assert!(!text.contains("hunter2"), "{unit}");
        }
    }
    want.pods.values_mut().next().unwrap().spec.containers[0].args = vec!["$(URL)".into()];
    let plan = plan_now(&want, &Host::default());
    assert!(
        plan.blocked.values().next().unwrap()[0]
            .message
            .contains("command line")
    );
}
