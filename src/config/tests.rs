use super::scratch::Scratch;
use super::*;

fn load(scratch: &Scratch) -> Settings {
    Settings::load(scratch.root()).unwrap()
}

fn fails(text: &str) -> String {
    let scratch = Scratch::new("config");
    scratch.put("etc/vks/vks.toml", text);
    let error = Settings::load(scratch.root()).unwrap_err().to_string();
    let root = scratch.root().display().to_string();
    error.replace(&root, "")
}

#[test]
fn without_files_the_defaults_hold() {
    let settings = load(&Scratch::new("config"));
    let default = Settings::default();
    assert_eq!(settings.program, default.program);
    assert_eq!(settings.pod_dirs, default.pod_dirs);
    assert_eq!(settings.layout, default.layout);
    assert!(settings.node_name.parse::<ObjectName>().is_ok());
    assert_eq!(
        settings.manifest_dirs(),
        [
            Path::new("/etc/vks/pods.d"),
            Path::new("/var/lib/vks/manifests")
        ]
    );
}

#[test]
fn every_setting_arrives() {
    let scratch = Scratch::new("config");
    scratch.put(
        "etc/vks/vks.toml",
        "[node]\nname = 'n1'\nip = '192.0.2.7'\nprogram = '/opt/vks'\npids_limit = 99\n\
         swap = 'LimitedSwap'\n[dns]\nservers = ['10.43.0.10']\ndomain = 'c.example'\n\
         [pods]\ndirectories = ['/a', '/b']\nprofile = 'trusted'\n\
         [paths]\nstate = '/s'\nrun = '/r'\nunits = '/u'\nnetns = '/n'\n",
    );
    let wanted = Settings {
        node_name: "n1".to_owned(),
        host_ip: Some("192.0.2.7".to_owned()),
        program: "/opt/vks".to_owned(),
        pod_dirs: vec!["/a".into(), "/b".into()],
        layout: Layout {
            state: "/s".into(),
            run: "/r".into(),
            units: "/u".into(),
            given: Layout::default().given,
            netns: "/n".into(),
        },
        network: load(&scratch).network,
        dns_servers: vec!["10.43.0.10".parse().unwrap()],
        dns_domain: "c.example".to_owned(),
        pids_limit: Some(99),
        swap: Swap::LimitedSwap,
        cpus: load(&scratch).cpus,
        memory: load(&scratch).memory,
        profile: Profile::Trusted,
        ..Settings::default()
    };
    assert_eq!(load(&scratch), wanted);
}

#[test]
fn drop_ins_follow_the_rules_of_systemd() {
    let scratch = Scratch::new("config");
    let name = |name: &str| format!("[node]\nname = '{name}'\n");
    // A main file masks the less important ones whole.
    scratch.put(
        "usr/lib/vks/vks.toml",
        "[node]\nname = 'vendor'\nprogram = '/vendor'\n",
    );
    scratch.put("etc/vks/vks.toml", &name("main"));
    assert_eq!(load(&scratch).node_name, "main");
    assert_eq!(load(&scratch).program, "/usr/bin/vks");
    // Drop-ins are sorted by name, not by directory.
    scratch.put("usr/lib/vks/vks.toml.d/50-b.toml", &name("vendor50"));
    scratch.put("etc/vks/vks.toml.d/10-a.toml", &name("etc10"));
    assert_eq!(load(&scratch).node_name, "vendor50");
    // The same name in a more important directory masks.
    scratch.put("run/vks/vks.toml.d/50-b.toml", "");
    assert_eq!(load(&scratch).node_name, "etc10");
    std::fs::create_dir_all(scratch.path("etc/vks/vks.toml.d")).unwrap();
    std::fs::remove_file(scratch.path("etc/vks/vks.toml.d/10-a.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/null", scratch.path("etc/vks/vks.toml.d/50-b.toml")).unwrap();
    scratch.put("etc/vks/vks.toml.d/ignored.conf", "broken [");
    scratch.put("etc/vks/vks.toml.d/.hidden.toml", "broken [");
    assert_eq!(load(&scratch).node_name, "main");
}

#[test]
fn mistakes_name_the_file_and_the_line() {
    let cases = [
        (
            "[node]\nnme = 'x'\n",
            "/etc/vks/vks.toml:2: unknown field `nme`, expected one of `name`, `ip`, `program`",
        ),
        ("\n[nodes]\n", "/etc/vks/vks.toml:2: unknown field `nodes`"),
        ("[node]\nip = 5\n", "/etc/vks/vks.toml:2: invalid type"),
        (
            "[node]\nip = 'x'\n",
            "/etc/vks/vks.toml:2: node.ip: \"x\" is not an IP address",
        ),
        (
            "[node]\nname = 'A'\n",
            "/etc/vks/vks.toml:2: node.name: \"A\" is not a valid name",
        ),
        (
            "[paths]\nrun = 'r'\n",
            "/etc/vks/vks.toml:2: paths.run: \"r\" must be an absolute path",
        ),
        (
            "[pods]\ndirectories = ['/a/../b']\n",
            "/etc/vks/vks.toml:2: pods.directories: \"/a/../b\" must be",
        ),
        (
            "[pods]\ndirectories = ['/a', '/a']\n",
            "/etc/vks/vks.toml:2: pods.directories: /a is there twice",
        ),
        ("a = [\n", "/etc/vks/vks.toml:"),
    ];
    for (text, wanted) in cases {
        let found = fails(text);
        assert!(found.starts_with(wanted), "{text}: {found}");
    }
}

/// What can be set, as the reader of settings itself says it of a wrong key.
fn keys(text: &str) -> Vec<String> {
    let error = toml::from_str::<Fragment>(text).unwrap_err().to_string();
    let (_, names) = error.split_once("expected ").unwrap();
    let names = names.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn every_setting_is_in_the_manual() {
    let manual = include_str!("../../docs/man/vks.toml.5");
    let sections = keys("zzz = 1");
    assert!(sections.len() > 8, "{sections:?}");
    for section in sections {
        assert!(manual.contains(&format!(".SS [{section}]")), "{section}");
        for key in keys(&format!("[{section}]\nzzz = 1")) {
            assert!(manual.contains(&key), "{section}.{key}");
        }
    }
}
