use super::*;
use crate::cli::tests::pod;

#[test]
fn the_layout_is_kubectls() {
    let scene = Scene {
        node: "node1".into(),
        zone: TimeZone::UTC,
        problems: &[],
        events: &[],
    };
    let text = describe(&pod(), &scene);
    let expected = include_str!("expected.txt");
    assert_eq!(text, expected, "\n{text}");
}
