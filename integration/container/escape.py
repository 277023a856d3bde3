"""Tries to get out of a container, and says of each way whether it led anywhere: `<way> out` or `<way> held`.

Arguments: the process, the directory of volumes and the socket of a pod to attack, the uid of that pod."""
import ctypes
import os
import socket
import subprocess
import sys

victim, volumes, victim_socket, victim_uid = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    """True if the kernel did it."""
    return libc.syscall(number, *arguments) >= 0


def opens(path, flags):
    os.close(os.open(path, flags))
    return True


def reads(path):
    with open(path, "rb") as file:
        return bool(file.read(1))


def lists(path):
    return bool(os.listdir(path))


def connects(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(path)
        return True


def below(top, name):
    """Every file of a name below a directory."""
    for folder, _, files in os.walk(top):
        if name in files:
            yield os.path.join(folder, name)


def any_of(attempts):
    """True if one of several functions returns true."""
    for attempt in attempts:
        try:
            if attempt():
                return True
        except OSError:
            pass
    return False


def any_opens(paths, flags=os.O_WRONLY):
    return any_of((lambda path=path: opens(path, flags)) for path in paths)


def runs(*command):
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0


def suid_program():
    """A program that belongs to root and is setuid: whether it makes us root."""
    out = subprocess.run(["/usr/local/bin/id-of-root", "-u"], capture_output=True, text=True, timeout=20)
    return out.stdout.strip() == "0"


def make_suid():
    path = "/srv/own/suid"
    open(path, "w").close()
    os.chmod(path, 0o4755)
    return bool(os.stat(path).st_mode & 0o4000)


def gain_capability():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(1 << 21, 1 << 21, 1 << 21, 0, 0, 0)
    return syscall(126, header, data)  # capset


def handle():
    """The root directory by its handle, as a privileged process could open any file of a file system."""
    buffer = ctypes.create_string_buffer(b"\x08\0\0\0\x01\0\0\0" + b"\x02\0\0\0\0\0\0\0", 64)
    mount = os.open("/usr", os.O_RDONLY)
    return syscall(304, mount, buffer, 0)  # open_by_handle_at


def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return True


def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return True


def read_memory():
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_uint64 * 2)(0x400000, 8)
    return syscall(310, int(victim), local, 1, remote, 1, 0)  # process_vm_readv


def sees_process():
    return os.path.exists(f"/proc/{victim}/comm") or os.path.exists("/proc/1/comm")


def joins(path):
    fd = os.open(path, os.O_RDONLY)
    return syscall(308, fd, 0)  # setns


def notifies():
    """What systemd takes for a message of a service."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"STOPPING=1", "/run/systemd/notify")
    return True


def block_devices():
    import stat

    for name in os.listdir("/dev"):
        path = f"/dev/{name}"
        if stat.S_ISBLK(os.stat(path).st_mode):
            return True
    return False


WRITE = os.O_WRONLY
WAYS = {
    # other processes
    # PTRACE_SEIZE: would not stop it
    "ptrace-another-pod": lambda: syscall(101, 0x4206, int(victim), 0, 0),
    "ptrace-init": lambda: syscall(101, 0x4206, 1, 0, 0),
    "read-memory-of-another": read_memory,
    "see-other-processes": sees_process,
    "environment-of-another": lambda: reads(f"/proc/{victim}/environ"),
    "root-of-another": lambda: lists(f"/proc/{victim}/root/"),
    "signal-another": lambda: os.kill(int(victim), 0) is None,
    "signal-init": lambda: os.kill(1, 0) is None,
    # mounts
    "mount": lambda: syscall(165, b"none", b"/mnt", b"tmpfs", 0, 0),
    "remount-writable": lambda: syscall(165, 0, b"/", 0, 0x20 | 0x1000, 0),
    "unmount-what-hides": lambda: any_of(
        (lambda path=path: syscall(166, path, 2)) for path in (b"/run", b"/var/lib/vks", b"/etc/vks", b"/proc/sys")
    ),
    "new-mount-api": lambda: syscall(428, -100, b"/", 1),
    "pivot-root": lambda: syscall(155, b"/srv/own", b"/srv/own"),
    "chroot": lambda: os.chroot("/srv/own") is None,
    # devices
    "make-a-device": lambda: os.mknod("/srv/own/disk", 0o060666, os.makedev(8, 0)) is None,
    "see-disks": block_devices,
    "memory-device": lambda: any_opens(["/dev/mem", "/dev/kmem", "/dev/port"], os.O_RDONLY),
    "kernel-log-device": lambda: opens("/dev/kmsg", os.O_RDONLY),
    "kernel-log-call": lambda: syscall(103, 3, ctypes.create_string_buffer(64), 64),
    "memory-of-the-kernel": lambda: reads("/proc/kcore"),
    "ports": lambda: syscall(173, 0x80, 1, 1) or syscall(172, 3),
    # /proc/sys and its like
    "sysctl": lambda: any_opens(below("/proc/sys/kernel", "core_pattern")),
    "any-sysctl": lambda: any_opens(
        os.path.join(folder, name) for folder, _, names in os.walk("/proc/sys") for name in names
    ),
    "sysrq": lambda: opens("/proc/sysrq-trigger", WRITE),
    "uevent-helper": lambda: opens("/sys/kernel/uevent_helper", WRITE),
    "any-of-sys": lambda: any_opens(
        os.path.join(folder, name)
        for folder, _, names in os.walk("/sys")
        if not folder.startswith("/sys/fs/cgroup")
        for name in names
    ),
    # other pods, the agent, systemd
    "volume-of-another": lambda: lists(volumes),
    "pods-of-the-host": lambda: lists("/var/lib/vks"),
    "secrets-of-another": lambda: lists(f"/run/vks/pods/{victim_uid}"),
    "socket-of-another": lambda: connects(victim_socket),
    "manifests": lambda: lists("/etc/vks"),
    "lock-of-the-agent": lambda: opens("/run/vks/lock", os.O_RDWR),
    "systemd-private": lambda: connects("/run/systemd/private"),
    "system-bus": lambda: connects("/run/dbus/system_bus_socket"),
    "systemd-varlink": lambda: any_of(
        (lambda path=path: connects(path))
        for path in ("/run/systemd/io.systemd.sysext", "/run/systemd/userdb/io.systemd.DynamicUser",
                     "/run/systemd/journal/io.systemd.journal", "/run/systemd/io.systemd.ManagedOOM")
    ),
    "systemd-notify": notifies,
    "journal-socket": lambda: connects("/run/systemd/journal/socket", socket.SOCK_DGRAM),
    "write-a-unit": lambda: any_of(
        (lambda folder=folder: opens(f"{folder}/x.service", WRITE | os.O_CREAT))
        for folder in ("/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system")
    ),
    "restart-by-systemctl": lambda: runs("systemctl", "restart", "vks.service"),
    # control groups
    "other-cgroup": lambda: any_opens(below("/sys/fs/cgroup", "cgroup.procs")),
    "release-agent": lambda: any_opens(below("/sys/fs/cgroup", "release_agent")),
    "new-cgroup": lambda: any_of(
        (lambda folder=folder: os.mkdir(f"{folder}/escape") is None)
        for folder, _, _ in os.walk("/sys/fs/cgroup")
    ),
    "own-limits": lambda: any_of(
        (lambda name=name: any_opens(below("/sys/fs/cgroup", name)))
        for name in ("memory.max", "pids.max", "cpu.max", "memory.limit_in_bytes")
    ),
    # keyring
    "add-a-key": lambda: syscall(248, b"user", b"x", b"y", 1, -4),
    "join-a-keyring": lambda: syscall(250, 1, b"_uid.0"),
    "read-keys": lambda: syscall(250, 0, -4, 0),
    # namespaces
    "user-namespace": lambda: syscall(272, 0x10000000),
    "mount-namespace": lambda: syscall(272, 0x00020000),
    "clone-into-namespaces": lambda: runs("unshare", "-Ur", "true"),
    "mounts-of-init": lambda: joins("/proc/1/ns/mnt"),
    "network-of-another": lambda: joins(f"/run/netns/vks-{victim_uid}") or joins(f"/proc/{victim}/ns/net"),
    # becoming more
    "become-root": lambda: os.setuid(0) is None,
    "become-another-user": lambda: os.setresuid(65534, 65534, 65534) is None,
    "take-groups": lambda: os.setgroups([0]) is None,
    "setuid-program": suid_program,
    "make-setuid": make_suid,
    "capabilities": gain_capability,
    "open-by-handle": handle,
    # the kernel and the machine
    "load-a-module": lambda: syscall(175, b"", 0, b"") or syscall(313, 0, b"", 0),
    "bpf": lambda: syscall(321, 0, ctypes.create_string_buffer(b"\x02\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\0\0", 64), 64),
    "perf": lambda: syscall(298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "reboot": lambda: syscall(169, 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0),
    "kexec": lambda: syscall(246, 0, 0, 0, 0),
    "swap": lambda: syscall(167, b"/srv/own/swap", 0),
    "clock": lambda: syscall(227, 0, (ctypes.c_int64 * 2)(*divmod(__import__("time").time_ns(), 10**9))),
    "hostname": lambda: syscall(170, b"odd", 3),
    "raw-socket": raw_socket,
    "packet-socket": packet_socket,
    # files of the host
    "write-to-etc": lambda: opens("/etc/escaped", WRITE | os.O_CREAT),
    "write-to-usr": lambda: opens("/usr/bin/escaped", WRITE | os.O_CREAT),
    "write-to-var": lambda: opens("/var/escaped", WRITE | os.O_CREAT),
    "passwords": lambda: reads("/etc/shadow"),
    "homes": lambda: lists("/root") or lists("/home"),
    "tmp-of-the-host": lambda: reads("/tmp/of-the-host"),
}

for way, attempt in WAYS.items():
    # In a process of its own: what one changes or dies of is not the others'.
    child = os.fork()
    if child == 0:
        try:
            os._exit(1 if attempt() else 0)
        except BaseException:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    out = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1
    print(way, "out" if out else "held", flush=True)
print("tried", flush=True)
