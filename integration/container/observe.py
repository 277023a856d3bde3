"""What a process sees of itself and its surroundings: one JSON object on the last line, a name for each fact."""
import json
import os
import resource
import socket

facts = {}
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask"):
        facts[name] = " ".join(value.split())

for name in sorted(dir(resource)):
    if name.startswith("RLIMIT_") and name not in ("RLIMIT_OFILE",):
        soft, hard = resource.getrlimit(getattr(resource, name))
        facts["limit " + name[7:].lower()] = f"{soft} {hard}"

for name, value in os.environ.items():
    if name not in ("LC_CTYPE", "PWD", "SHLVL", "_", "OLDPWD"):
        facts["env " + name] = value
facts["directory"] = os.getcwd()
facts["oom_score_adj"] = open("/proc/self/oom_score_adj").read().strip()
facts["sees init of the host"] = any(
    open(f"/proc/{pid}/comm").read() == "systemd\n" for pid in os.listdir("/proc") if pid == "1"
)
facts["network"] = " ".join(name for _, name in socket.if_nameindex())
facts["devices"] = " ".join(sorted(os.listdir("/dev")))

mounts = {}
for line in open("/proc/self/mountinfo"):
    before, _, after = line.partition(" - ")
    mounts[before.split()[4]] = after.split()[0]
for path in ("/", "/proc", "/proc/sys", "/proc/kcore", "/proc/sysrq-trigger", "/proc/irq", "/sys", "/sys/fs/cgroup", "/dev",
             "/dev/shm", "/dev/pts", "/dev/mqueue", "/tmp", "/run", "/srv/data", "/etc", "/usr", "/home"):
    kind = mounts.get(path)
    if path in ("/", "/srv/data"):
        kind = kind and "disk"
    facts["mount " + path] = kind or "none"
for path in ("/", "/etc", "/usr", "/var", "/var/tmp", "/tmp", "/run", "/dev", "/dev/shm", "/sys/fs/cgroup", "/root", "/home", "/srv/data",
             "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/mm/transparent_hugepage/enabled"):
    facts["writes " + path] = os.access(path, os.W_OK)
print(json.dumps(facts), flush=True)
