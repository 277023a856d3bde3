//! `/etc/hosts` and `/etc/resolv.conf` of containers, read by the resolver of the C library and as files.

use super::host::{Host, own, shared};
use super::space::{Pod, Space, sleeper, with};
use serde_json::json;

/// A file as a container sees it.
fn file(host: &Host, pod: &Pod, path: &str) -> String {
    host.ok(&format!("cat /proc/{}/root{path}", pod.pid("c")))
}

/// What names stand for, in a container.
fn lookup(host: &Host, pod: &Pod, name: &str) -> String {
    let pid = pod.pid("c");
    let out = host.ok(&format!("nsenter -t {pid} -m -u -n getent hosts {name}"));
    out.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn hosts_has_the_pod_and_its_aliases() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "hosts");
    let aliases = json!([{ "ip": "192.0.2.7", "hostnames": ["a.example", "b"] }, { "ip": "2001:db8::7", "hostnames": ["six"] }]);
    let of_host = host.ok("cat /etc/hosts");
    let pod = space.ready(
        "own",
        &json!({ "hostNetwork": false, "hostname": "h", "subdomain": "s", "hostAliases": aliases,
        "containers": [sleeper("c")] }),
    );
    let text = file(&host, &pod, "/etc/hosts");
    assert!(
        text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"),
        "{text}"
    );
    let end = "\n# Entries added by HostAliases.\n192.0.2.7\ta.example\tb\n2001:db8::7\tsix\n";
    assert!(text.ends_with(end), "{text}");
    for (name, address) in [
        ("a.example", "192.0.2.7"),
        ("b", "192.0.2.7"),
        ("six", "2001:db8::7"),
        ("localhost", "::1"),
    ] {
        assert_eq!(lookup(&host, &pod, name), address, "{name}");
    }
    for name in ["h", "h.s.hosts.svc.cluster.local"] {
        let found = lookup(&host, &pod, name);
        let mut lines = text
            .lines()
            .filter(|line| line.split_whitespace().skip(1).any(|word| word == name));
        // One for each family.
        assert!(
            lines.any(|line| line.starts_with(&found)),
            "{name} is not {found} in {text}"
        );
    }
    let shared_network = space.ready(
        "host",
        &json!({ "hostAliases": aliases, "containers": [sleeper("c")] }),
    );
    let text = file(&host, &shared_network, "/etc/hosts");
    assert_eq!(
        text,
        format!("# Kubernetes-managed hosts file (host network).\n{of_host}{end}")
    );
    let plain = space.ready("plain", &json!({ "containers": [sleeper("c")] }));
    assert_eq!(file(&host, &plain, "/etc/hosts"), of_host);
    assert_eq!(
        host.ok("cat /etc/hosts"),
        of_host,
        "the host's file is as it was"
    );
}

#[test]
fn the_resolver_follows_the_policy() {
    let Some(host) = own("dns") else { return };
    let host = &host;
    // A file of its own: what is bound into the machine cannot be replaced.
    host.ok("umount /etc/resolv.conf 2>/dev/null; rm -f /etc/resolv.conf; \
             printf 'nameserver 192.0.2.53\nsearch corp.example\noptions edns0\n' >/etc/resolv.conf");
    host.machine.write(
        "/etc/vks/vks.toml",
        "[dns]\nservers = ['10.43.0.10']\ndomain = 'c.example'\n",
        "0644",
    );
    host.ok("systemctl reload vks");
    let of_host = host.ok("cat /etc/resolv.conf");
    let space = Space::new(host, "dns");
    let own = |more: serde_json::Value| {
        with(
            json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
            &more,
        )
    };
    let cluster = "search dns.svc.c.example svc.c.example c.example corp.example\nnameserver 10.43.0.10\noptions ndots:5\n";
    let host_text = "search corp.example\nnameserver 192.0.2.53\noptions edns0\n";
    let config = json!({ "nameservers": ["192.0.2.99"], "searches": ["more.example"],
        "options": [{ "name": "ndots", "value": "2" }, { "name": "single-request" }] });
    let look = |name: &'static str, spec: serde_json::Value| {
        let pod = space.ready(name, &spec);
        let text = file(host, &pod, "/etc/resolv.conf");
        pod.delete();
        text
    };
    assert_eq!(look("first", own(json!({}))), cluster);
    assert_eq!(
        look("default", own(json!({ "dnsPolicy": "Default" }))),
        host_text
    );
    assert_eq!(
        look(
            "none",
            own(json!({ "dnsPolicy": "None", "dnsConfig": config }))
        ),
        "search more.example\nnameserver 192.0.2.99\noptions ndots:2 single-request\n"
    );
    assert_eq!(
        look("merged", own(json!({ "dnsConfig": config }))),
        "search dns.svc.c.example svc.c.example c.example corp.example more.example\nnameserver 10.43.0.10\n\
         nameserver 192.0.2.99\noptions ndots:2 single-request\n"
    );
    let shared_network =
        |policy: &str| json!({ "dnsPolicy": policy, "containers": [sleeper("c")] });
    assert_eq!(look("host", shared_network("ClusterFirst")), of_host);
    assert_eq!(
        look("withhost", shared_network("ClusterFirstWithHostNet")),
        cluster
    );
    assert_eq!(
        host.ok("cat /etc/resolv.conf"),
        of_host,
        "the host's file is as it was"
    );
}

/// With a managed file, no daemon of the host answers in its place.
#[test]
fn the_hosts_resolvers_are_out_of_reach() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "resolvers");
    host.ok("mkdir -p /run/systemd/resolve /run/nscd && python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); \
             s.bind(\"/run/systemd/resolve/io.systemd.Resolve\"); t = socket.socket(socket.AF_UNIX); t.bind(\"/run/nscd/socket\")' ");
    let pod = space.ready(
        "own",
        &json!({ "hostNetwork": false, "containers": [sleeper("c")] }),
    );
    let open = |pid: &str| {
        let script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/systemd/resolve/io.systemd.Resolve')";
        host.machine
            .sh(&format!("nsenter -t {pid} -m python3 -c \"{script}\""))
            .stderr
    };
    let mode = host.ok(&format!(
        "stat -c %a /proc/{}/root/run/systemd/resolve/io.systemd.Resolve",
        pod.pid("c")
    ));
    assert_eq!(mode.trim(), "0");
    let mode = host.ok(&format!(
        "stat -c %a /proc/{}/root/run/nscd/socket",
        pod.pid("c")
    ));
    assert_eq!(mode.trim(), "0");
    assert!(open(&pod.pid("c")).contains("refused"));
    pod.delete();
    host.ok("rm -r /run/systemd/resolve /run/nscd");
}

/// A volume on one of the files goes before vks' own.
#[test]
fn a_volume_on_a_managed_file_wins() {
    let Some(host) = shared() else { return };
    let space = Space::new(&host, "ownhosts");
    let path = space.path("hosts");
    host.ok(&format!("echo '192.0.2.1 mine' >{path}"));
    let pod = space.ready("own", &json!({
        "hostNetwork": false,
        "volumes": [{ "name": "h", "hostPath": { "path": path, "type": "File" } }],
        "containers": [with(sleeper("c"), &json!({ "volumeMounts": [{ "name": "h", "mountPath": "/etc/hosts" }] }))],
    }));
    assert_eq!(file(&host, &pod, "/etc/hosts"), "192.0.2.1 mine\n");
}
