use super::*;

/// The machine that runs the tests is a Debian: it has dpkg itself.
#[test]
fn packages_of_this_host_are_known() {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        eprintln!("SKIP: no dpkg here");
        return;
    }
    assert!(installed("dpkg").unwrap().is_some());
    assert_eq!(installed("no-such-package-anywhere").unwrap(), None);
    assert!(stamp("dpkg").is_some() && stamp("no-such-package-anywhere").is_none());
    assert_eq!(program("dpkg").as_deref(), Some("/usr/bin/dpkg"));
}
