//! The query of a URL.

use super::*;

#[test]
fn queries_are_read() {
    let read = |query: &str| options(query).map_err(|refusal| refusal.status.as_u16());
    let all = "follow=true&previous=1&timestamps=t&tailLines=5&limitBytes=7&sinceSeconds=60&x=y";
    let expected = Options {
        follow: true,
        previous: true,
        timestamps: true,
        since: Some(Since::Ago(Duration::from_secs(60))),
        tail: Some(5),
        limit: Some(7),
    };
    assert_eq!(read(all), Ok(expected));
    assert_eq!(read("tail=all&follow=false"), Ok(Options::default()));
    let time = read("sinceTime=2026-01-31T12%3A00%3A00Z").unwrap().since;
    assert!(matches!(time, Some(Since::At(_))));
    for wrong in [
        "tailLines=-1",
        "limitBytes=0",
        "sinceSeconds=0",
        "sinceSeconds=x",
        "sinceTime=now",
        "follow=maybe",
        "sinceSeconds=1&sinceTime=2026-01-31T12%3A00%3A00Z",
    ] {
        assert_eq!(read(wrong), Err(422), "{wrong}");
    }
}
