use super::*;
use crate::config::scratch::Scratch;

const UNIT: &str = "vks.default.job.main.service";

fn unit_text(policy: &str) -> String {
    format!(
        "[Service]\nExecStart=/bin/true\n\n[X-kubernetes]\nFormat=1\nNamespace=default\nPod=job\nUID=u-1\n\
         Role=main\nContainer=main\nImage=host:true\nSource=/x\nSpecHash=abc\nPolicy={policy}\n"
    )
}

fn layout(scratch: &Scratch) -> Layout {
    Layout {
        state: scratch.path("state"),
        run: scratch.path("run"),
        units: scratch.path("units"),
        given: scratch.path("given"),
        netns: scratch.path("netns"),
    }
}

fn add(layout: &Layout, invocation: &str, end: End) -> Runs {
    let unit: UnitName = UNIT.parse().unwrap();
    let own = OwnUnit::read(layout, &unit).unwrap();
    let name: ContainerName = "main".parse().unwrap();
    let file = layout.runs(&own.identity.uid, &name);
    let role = ContainerRole::Main;
    let book = Book {
        layout,
        own: &own,
        name,
        role,
    };
    book.add(&unit, invocation.to_owned(), end).unwrap();
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn bad() -> End {
    End {
        by_itself_for_sure: true,
        ..End::from_systemd("exit-code", "exited", "7")
    }
}

#[test]
fn the_last_runs_are_kept_and_all_are_counted() {
    let scratch = Scratch::new("record-count");
    scratch.put(&format!("units/{UNIT}"), &unit_text("OnFailure"));
    let layout = layout(&scratch);
    let mut runs = Runs::default();
    for number in 0..7 {
        runs = add(&layout, &format!("{number:032x}"), bad());
    }
    assert_eq!((runs.count, runs.last.len()), (7, Runs::KEPT));
    let last = runs.last.last().unwrap();
    assert_eq!((last.exit_code, &*last.spec), (Some(7), "abc"));
    // The same run again is no second one.
    assert_eq!(add(&layout, &format!("{:032x}", 6), bad()), runs);
    assert!(!scratch.path("state/pods/u-1/done/main").exists());
}

#[test]
fn a_message_is_taken_and_a_final_end_is_marked() {
    let scratch = Scratch::new("record-done");
    scratch.put(&format!("units/{UNIT}"), &unit_text("Never"));
    let long = format!("{}end", "x".repeat(5000));
    scratch.put("state/pods/u-1/termination/main", &long);
    let layout = layout(&scratch);
    let runs = add(&layout, "aa", bad());
    assert_eq!(*runs.last[0].message, long[long.len() - MESSAGE..]);
    assert_eq!(
        std::fs::read(scratch.path("state/pods/u-1/termination/main")).unwrap(),
        b""
    );
    assert!(scratch.path("state/pods/u-1/done/main").exists());
}

#[test]
fn an_end_for_the_liveness_probe_is_not_final() {
    let scratch = Scratch::new("record-unhealthy");
    scratch.put(&format!("units/{UNIT}"), &unit_text("OnFailure"));
    let layout = layout(&scratch);
    let good = || End {
        by_itself_for_sure: true,
        ..End::from_systemd("success", "exited", "0")
    };
    let (uid, name) = ("u-1".parse().unwrap(), "main".parse().unwrap());
    unhealthy::mark(&layout, &uid, &name, "aa").unwrap();
    assert!(add(&layout, "aa", good()).last[0].stopped);
    assert!(!layout.done(&uid, &name).exists());
    // The mark is of that run only.
    unhealthy::mark(&layout, &uid, &name, "aa").unwrap();
    assert!(!add(&layout, "bb", good()).last[1].stopped);
    assert!(layout.done(&uid, &name).exists());
}

#[test]
fn records_that_cannot_be_read_are_begun_anew() {
    let scratch = Scratch::new("record-anew");
    scratch.put(&format!("units/{UNIT}"), &unit_text("Always"));
    scratch.put("state/pods/u-1/runs/main.json", "{broken");
    assert_eq!(add(&layout(&scratch), "aa", bad()).count, 1);
}

#[test]
fn the_start_is_that_of_the_same_invocation() {
    let scratch = Scratch::new("record-start");
    let unit: UnitName = UNIT.parse().unwrap();
    scratch.put("x", "");
    let link = scratch.path(&format!("invocation:{UNIT}"));
    std::os::unix::fs::symlink("aa", link).unwrap();
    assert!(started(scratch.root(), &unit, "aa").unwrap() <= now());
    assert_eq!(started(scratch.root(), &unit, "bb"), None);
}
