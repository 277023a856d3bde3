"""What a switch of a NixOS configuration does to units, told again in few lines: switch.py NEW, a directory that becomes
/etc/static. What systemd runs is compared with what the new one has; changed units are stopped by their old files, then
the configuration is exchanged, systemd reloads, and what changed starts again with all targets that are up."""
import json, os, subprocess, sys

STATIC, UNITS = "/etc/static", "systemd/system"
IGNORED = {"X-Reload-Triggers", "Description", "Documentation", "OnFailure", "OnSuccess", "OnFailureJobMode", "IgnoreOnIsolate",
           "StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop", "AllowIsolate", "CollectMode", "SourcePath"}


def systemctl(*args):
    return subprocess.run(["systemctl", *args], capture_output=True, text=True)


def read(base, unit):
    """Sections and keys, the unit's own and those of its drop-ins."""
    path, found = os.path.join(base, UNITS, unit), {}
    if not os.path.exists(path):
        return None
    drop_ins = path + ".d"
    files = [path] + [os.path.join(drop_ins, name) for name in sorted(os.listdir(drop_ins))] if os.path.isdir(drop_ins) else [path]
    for file in files:
        section = None
        for line in open(file).read().replace("\\\n", " ").splitlines():
            line = line.strip()
            if line.startswith("[") and line.endswith("]"):
                section = line[1:-1]
            elif "=" in line and line[0] not in "#;" and section not in (None, "Install"):
                key, value = line.split("=", 1)
                found.setdefault(section, {}).setdefault(key.strip(), []).append(value.strip())
    return found


def says(info, section, key, default):
    value = info.get(section, {}).get(key, [])
    return value[-1] in ("1", "yes", "true", "on") if value else default


def compared(info):
    unit = {key: value for key, value in info.get("Unit", {}).items() if key not in IGNORED}
    return {**info, "Unit": unit}


def reloads(old, new):
    return any(info.get("Unit", {}).get("X-Reload-Triggers") for info in (old, new)) and \
        old.get("Unit", {}).get("X-Reload-Triggers") != new.get("Unit", {}).get("X-Reload-Triggers")


def main(new):
    todo = {"stop": set(), "start": set(), "restart": set(), "reload": set(), "skip": set()}
    listed = json.loads(systemctl("list-units", "--all", "--output=json").stdout)
    for unit in listed:
        name = unit["unit"]
        if unit["active"] not in ("active", "activating"):
            continue
        if not systemctl("show", "-P", "FragmentPath", "--", name).stdout.startswith("/etc/systemd/system"):
            continue
        was, will = read(STATIC, name), read(new, name)
        if was is None:
            continue
        if will is None:
            if says(was, "Unit", "X-StopOnRemoval", True):
                todo["stop"].add(name)
        elif name.endswith(".target"):
            if not says(will, "Unit", "RefuseManualStart", False) and not says(will, "Unit", "X-OnlyManualStart", False):
                todo["start"].add(name)
        elif compared(was) != compared(will):
            if name.endswith((".slice", ".path", ".socket")):
                pass
            elif says(will, "Service", "X-ReloadIfChanged", False):
                todo["reload"].add(name)
            elif not says(will, "Service", "X-RestartIfChanged", True) or says(will, "Unit", "X-OnlyManualStart", False):
                todo["skip"].add(name)
            elif name.endswith(".service") and says(will, "Service", "X-StopIfChanged", True):
                todo["stop"].add(name)
                todo["start"].add(name)
            else:
                todo["restart"].add(name)
        elif reloads(was, will):
            todo["reload"].add(name)
    for name in todo["stop"]:
        systemctl("stop", "--", name)
    # The configuration: one link, then the links into it that are new or gone.
    os.symlink(new, "/etc/.static")
    os.rename("/etc/.static", STATIC)
    manifests = os.path.join(new, "vks/pods.d")
    for name in os.listdir(manifests):
        if not os.path.lexists("/etc/vks/pods.d/" + name):
            os.symlink(f"{STATIC}/vks/pods.d/{name}", "/etc/vks/pods.d/" + name)
    for name in os.listdir("/etc/vks/pods.d"):
        if not os.path.exists("/etc/vks/pods.d/" + name):
            os.unlink("/etc/vks/pods.d/" + name)
    systemctl("reset-failed")
    systemctl("daemon-reload")
    failed = []
    for verb in ("reload", "restart", "start"):
        names = sorted(todo[verb])
        if names:
            # As there: all are asked for, then all are waited for.
            done = systemctl(verb, "--", *names)
            failed += [done.stderr] if done.returncode else []
    print(json.dumps({"done": {verb: sorted(names) for verb, names in todo.items()}, "failed": failed}))


main(sys.argv[1])
