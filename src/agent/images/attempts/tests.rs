use super::*;
use crate::model::image::resolved::User;
use crate::model::name::ObjectKey;

fn who(pod: &str) -> For {
    For {
        pod: ObjectKey {
            namespace: "a".parse().unwrap(),
            name: pod.parse().unwrap(),
        },
        user: User::Container("c".parse().unwrap()),
        image: "x".to_owned(),
    }
}

fn request(access: Option<&str>) -> Request {
    Request {
        reference: "oci:x:1".parse().unwrap(),
        fresh: false,
        credentials: Vec::new(),
        access: access.map(str::to_owned),
    }
}

fn reason(state: &State) -> Reason {
    match state {
        State::Waiting { reason, .. } => *reason,
        State::Ready(_) => panic!("ready"),
    }
}

#[test]
fn ten_pods_make_one_request_and_other_rights_another() {
    let (mut attempts, now) = (Attempts::default(), Instant::now());
    for pod in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        let state = attempts.want(who(pod), request(None), now);
        assert_eq!(reason(&state), Reason::ContainerCreating);
    }
    attempts.want(who("l"), request(Some("me")), now);
    assert_eq!(attempts.take_begun().len(), 2);
    attempts.want(who("m"), request(None), now);
    assert!(attempts.take_begun().is_empty());
    let failed = attempts.failed(&request(None).id(), "no", None, now);
    assert_eq!(failed.len(), 11);
}

#[test]
fn a_failure_is_told_and_then_its_back_off() {
    let (mut attempts, begin) = (Attempts::default(), Instant::now());
    let id = request(None).id();
    let after = |seconds| begin + Duration::from_secs(seconds);
    let say = |attempts: &mut Attempts, now| {
        attempts.leave(&who("b").pod);
        let state = attempts.want(who("b"), request(None), now);
        (reason(&state), attempts.take_begun().len())
    };
    assert_eq!(say(&mut attempts, begin), (Reason::ContainerCreating, 1));
    let mut now = begin;
    for wait in [10, 20, 40, 80, 160, 300, 300] {
        attempts.failed(&id, "no", None, now);
        assert_eq!(say(&mut attempts, now), (Reason::ErrImagePull, 0));
        assert_eq!(attempts.next(), Some(now + SHOWN));
        assert_eq!(attempts.take_due(now + SHOWN).len(), 1);
        assert_eq!(
            say(&mut attempts, now + SHOWN),
            (Reason::ImagePullBackOff, 0)
        );
        now += Duration::from_secs(wait);
        assert_eq!(attempts.next(), Some(now));
        assert!(attempts.take_due(now - Duration::from_millis(1)).is_empty());
        assert_eq!(attempts.take_due(now).len(), 1);
        assert_eq!(say(&mut attempts, now), (Reason::ContainerCreating, 1));
    }
    attempts.leave(&who("b").pod);
    attempts.failed(&id, "no", None, after(5000));
    attempts.take_begun();
    assert!(attempts.is_empty() && attempts.next().is_none());
}

#[test]
fn who_asks_for_patience_is_given_it() {
    for (asked, wait) in [(7, 10), (11, 11), (400, 400), (1 << 40, 3600)] {
        let (mut attempts, begin) = (Attempts::default(), Instant::now());
        attempts.want(who("b"), request(None), begin);
        attempts.take_begun();
        let asked = Some(Duration::from_secs(asked));
        attempts.failed(&request(None).id(), "busy", asked, begin);
        attempts.take_due(begin + SHOWN);
        let due = begin + Duration::from_secs(wait);
        assert_eq!(attempts.next(), Some(due));
        // Not even for one who comes now.
        attempts.want(who("c"), request(None), due - Duration::from_millis(1));
        assert!(attempts.take_begun().is_empty());
        attempts.want(who("c"), request(None), due);
        assert_eq!(attempts.take_begun().len(), 1);
    }
}
