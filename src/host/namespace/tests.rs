use super::*;
use nix::mount::{MsFlags, mount};
use std::net::{TcpListener, TcpStream};

/// Runs a test on a thread with a mount namespace of its own, in a directory on tmpfs, so that it leaves nothing
/// on the host. Needs root.
pub(crate) fn in_private_mounts(test: impl FnOnce(&Path) + Send) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIP: needs root");
        return;
    }
    let name = format!("vks-namespace-{:?}", thread::current().id());
    let scratch = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    fs::create_dir(&scratch).unwrap();
    on_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&Path> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let tmpfs = Some("tmpfs");
        mount(tmpfs, &scratch, tmpfs, MsFlags::empty(), none).unwrap();
        test(&scratch);
    })
    .unwrap();
    fs::remove_dir(&scratch).unwrap();
}

#[test]
fn a_network_is_made_once_and_removed_whole() {
    in_private_mounts(|scratch| {
        let path = scratch.join("netns/vks-1");
        create_network(&path).unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let first = inode(&path);
        assert_ne!(first, inode(Path::new("/proc/thread-self/ns/net")));
        create_network(&path).unwrap();
        assert_eq!(inode(&path), first, "made again");

        // Loopback works there: no other interface, and a connection to itself.
        visit_network(&path, || {
            let own = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            assert_eq!(own.lines().count(), 3, "{own}");
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        })
        .unwrap();
        remove_network(&path).unwrap();
        assert!(!path.exists());
        remove_network(&path).unwrap();
    });
}

#[test]
fn what_is_left_of_a_network_is_used_and_other_files_are_not() {
    in_private_mounts(|scratch| {
        let left = scratch.join("left");
        File::create_new(&left).unwrap();
        create_network(&left).unwrap();
        remove_network(&left).unwrap();

        let other = scratch.join("other");
        std::os::unix::fs::symlink("/etc/hostname", &other).unwrap();
        assert!(matches!(
            create_network(&other),
            Err(NamespaceError::Occupied { .. })
        ));
    });
}

#[test]
fn a_socket_opened_on_a_visit_stays_there() {
    in_private_mounts(|scratch| {
        let path = scratch.join("ns");
        create_network(&path).unwrap();
        let listener = visit_network(&path, || TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(TcpStream::connect(address).is_err(), "seen from outside");
        let inside = visit_network(&path, || TcpStream::connect(address)).unwrap();
        assert!(inside.is_ok());
        remove_network(&path).unwrap();
    });
}

#[test]
fn own_namespaces_do_not_differ() {
    let own = Process::open(std::process::id()).unwrap().unwrap();
    assert!(different(&own).unwrap().is_empty());
    join(&own, CloneFlags::empty()).unwrap();
}
