use super::*;

#[test]
fn host_images_by_path_and_by_command() {
    let path: ImageRef = "host:/usr/bin/sleep".parse().unwrap();
    assert_eq!(
        (path.host_program(), path.short_name()),
        (Some("/usr/bin/sleep"), "sleep")
    );
    let command: ImageRef = "host:python3.11".parse().unwrap();
    assert_eq!(command.short_name(), "python3.11");
    assert_eq!(command.to_string(), "host:python3.11");
}

#[test]
fn each_kind_is_read_and_written_as_it_was() {
    let hash = "0123456789abcdfghijklmnpqrsvwxyz";
    let digest = "a".repeat(64);
    let store = format!("nix:/nix/store/{hash}-hello-2.12/bin/hello");
    let whole = format!("nix:/nix/store/{hash}-hello-2.12");
    let by_digest = format!("oci:example.org:5000/a/b@sha256:{digest}");
    let cases = [
        ("dir:/srv/root", Some(Kind::Dir), "root"),
        (&store, Some(Kind::Nix), "hello"),
        (&whole, Some(Kind::Nix), "hello-2.12"),
        (
            "nix:nixpkgs#python3Packages.flask",
            Some(Kind::Nix),
            "flask",
        ),
        ("nix:hello", Some(Kind::Nix), "hello"),
        ("nix:github:a/b", Some(Kind::Nix), "b"),
        ("deb:uptimed", Some(Kind::Deb), "uptimed"),
        ("deb:libc6=2.36-9+deb12u10", Some(Kind::Deb), "libc6"),
        ("deb:uptimed=1:0.4.6-3+b1", Some(Kind::Deb), "uptimed"),
        ("oci:nginx", Some(Kind::Oci), "nginx"),
        ("oci:ghcr.io/a/b_c:1.2", Some(Kind::Oci), "b_c"),
        (&by_digest, Some(Kind::Oci), "b"),
        ("nginx", None, "nginx"),
        ("docker.io/library/nginx:1.27", None, "nginx"),
        ("localhost:5000/x", None, "x"),
    ];
    for (text, kind, short) in cases {
        let image: ImageRef = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(image.to_string(), text);
        assert_eq!((image.kind(), image.short_name()), (kind, short), "{text}");
    }
}

#[test]
fn others_are_refused() {
    for bad in [
        "",
        " ",
        "a b",
        "a\nb",
        "-x",
        "/bin/sh",
        "nginx:",
        "nginx@",
        "a//b",
        "x/",
        "host:",
        "host:-x",
        "host:a/b",
        "host:/a/../b",
        "host:/",
        "host:+x",
        "host:/a\nb",
        "dir:",
        "dir:/",
        "dir:srv",
        "dir:/a/./b",
        "nix:",
        "nix:--help",
        "nix:./x#y",
        "nix:a b",
        "nix:/nix/store/short-x",
        "nix:/nix/store/../x",
        "deb:",
        "deb:X",
        "deb:a",
        "deb:uptimed=",
        "deb:uptimed=x y",
        "deb:-y",
        "deb:uptimed=-1",
        "deb:a/b",
        "oci:",
        "oci:Nginx",
        "oci:a//b",
        "oci:a:",
        "oci:a@sha256:12",
        "oci:a:b c",
        "oci:/a",
        "oci:a/-b",
    ] {
        assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
    }
}

#[test]
fn only_what_may_change_is_asked_for_each_time() {
    let policy = |text: &str| text.parse::<ImageRef>().unwrap().default_policy();
    let digest = format!("oci:a@sha256:{}", "0".repeat(64));
    for always in ["oci:a", "oci:a:latest"] {
        assert_eq!(policy(always), PullPolicy::Always);
    }
    for once in ["oci:a:1", &digest, "deb:uptimed", "nix:hello", "host:sh"] {
        assert_eq!(policy(once), PullPolicy::IfNotPresent);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(text in "(oci:|deb:|nix:|dir:|host:|)[a-zA-Z0-9/:@#=._+-]{0,24}") {
        if let Ok(image) = text.parse::<ImageRef>() {
            proptest::prop_assert_eq!(image.to_string(), text);
            proptest::prop_assert!(!image.short_name().is_empty());
        }
    }
}
