"""Makes images from Debian packages of this machine: blobs, an OCI layout and a docker archive below a directory.

usage: images.py DIRECTORY
"""
import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile

OUT = sys.argv[1]
BLOBS = OUT + "/blobs/sha256"
os.makedirs(BLOBS, exist_ok=True)
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."


def files_of(packages):
    """The files of packages, and the libraries their programs need."""
    names = subprocess.run(["dpkg", "-L", *packages], text=True, capture_output=True, check=True).stdout.split("\n")
    found = {name for name in names if name and os.path.lexists(name) and not name.startswith("/usr/share/")}
    programs = [n for n in found if os.path.isfile(n) and not os.path.islink(n) and (os.access(n, os.X_OK) or n.endswith(".so"))]
    out = subprocess.run(["ldd", *programs], text=True, capture_output=True).stdout
    for word in out.split():
        if word.startswith("/") and os.path.exists(word):
            while os.path.islink(word):
                found.add(os.path.dirname(os.path.realpath(os.path.dirname(word))) and word)
                word = os.path.join(os.path.dirname(word), os.readlink(word))
            found.add(word)
    return found


def real(name):
    """With /lib and its like as the directories that they are links to."""
    return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))


class Layer:
    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w")
        self.seen = set()

    def add(self, name):
        name = real(name)
        for parent in reversed(parents(name)):
            self.one(parent)
        self.one(name)

    def one(self, name):
        if name not in self.seen and name != "/":
            self.seen.add(name)
            info = self.tar.gettarinfo(name, arcname=name[1:])
            if info.islnk():
                info = self.tar.gettarinfo(os.path.realpath(name), arcname=name[1:])
                info.type, info.linkname = tarfile.REGTYPE, ""
                info.size = os.path.getsize(name)
            if info.isreg():
                with open(name, "rb") as file:
                    self.tar.addfile(info, file)
            elif info.isdir() or info.issym():
                self.tar.addfile(info)

    def put(self, name, content=b"", mode=0o644, kind=tarfile.REGTYPE, link="", owner=(0, 0)):
        info = tarfile.TarInfo(name)
        info.mode, info.type, info.linkname = mode, kind, link
        info.uid, info.gid = owner
        if kind == tarfile.REGTYPE:
            info.size = len(content)
        self.tar.addfile(info, io.BytesIO(content))

    def end(self):
        self.tar.close()
        return self.bytes.getvalue()


def parents(name):
    found = []
    while (name := os.path.dirname(name)) not in ("/", ""):
        found.append(name)
    return found


def blob(content):
    digest = hashlib.sha256(content).hexdigest()
    with open(f"{BLOBS}/{digest}", "wb") as file:
        file.write(content)
    return f"sha256:{digest}"


def descriptor(content, kind, **more):
    return {"mediaType": kind, "digest": blob(content), "size": len(content), **more}


def zstd(content):
    """One frame of Zstandard (RFC 8878) whose blocks are stored as they are: this machine has no program that makes others."""
    most = 128 << 10
    parts = [content[at : at + most] for at in range(0, len(content), most)] or [b""]
    frame = struct.pack("<IBBQ", 0xFD2FB528, 0xC0, 0x38, len(content))
    for index, part in enumerate(parts):
        frame += struct.pack("<I", len(part) << 3 | (index == len(parts) - 1))[:3] + part
    return frame


def image(layers, config, docker=False, compress="gzip"):
    """A manifest: its descriptor and what it names."""
    diffs = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    text = json.dumps({"architecture": ARCH, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": diffs}}).encode()
    base = DOCKER + "image.rootfs.diff.tar.gzip" if docker else OCI + "layer.v1.tar" + (f"+{compress}" if compress else "")
    squeeze = {"gzip": lambda layer: gzip.compress(layer, 1, mtime=0), "zstd": zstd, "": bytes}[compress]
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER + "distribution.manifest.v2+json" if docker else OCI + "manifest.v1+json",
        "config": descriptor(text, DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json"),
        "layers": [descriptor(squeeze(layer), base) for layer in layers],
    }
    return descriptor(json.dumps(manifest).encode(), manifest["mediaType"]), text, diffs


def base_layer():
    layer = Layer()
    for link, target in (("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
        layer.put(link, kind=tarfile.SYMTYPE, link=target)
    version = "%d.%d" % sys.version_info[:2]
    packages = ["dash", "coreutils", "grep", f"python{version}-minimal", f"libpython{version}-minimal", f"libpython{version}-stdlib"]
    for name in sorted(files_of(packages)):
        layer.add(name)
    layer.add(f"/usr/bin/python{version}")
    layer.put("usr/bin/python3", kind=tarfile.SYMTYPE, link=f"python{version}")
    for name, mode in (("tmp", 0o1777), ("root", 0o700), ("etc", 0o755), ("home", 0o755), ("run", 0o755), ("var", 0o755), ("var/tmp", 0o1777), ("srv", 0o755)):
        layer.put(name, mode=mode, kind=tarfile.DIRTYPE)
    layer.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    layer.put("etc/group", b"root:x:0:\n")
    layer.put("etc/gone", b"hidden by the layer above")
    layer.put("srv/old/file", b"hidden by the layer above")
    return layer.end()


def app_layer():
    layer = Layer()
    layer.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n")
    layer.put("etc/group", b"root:x:0:\napp:x:1235:\nextra:x:77:app\n")
    layer.put("etc/.wh.gone")
    layer.put("srv/old/.wh..wh..opq")
    layer.put("srv/app", mode=0o755, kind=tarfile.DIRTYPE, owner=(1234, 1235))
    layer.put("srv/app/main.py", APP)
    layer.put("usr/bin/setuid", b"#!/bin/sh\n", mode=0o4755)
    return layer.end()


APP = b"""import os, signal, sys, time
def ended(number, frame):
    print("signal", number, flush=True)
    sys.exit(7)
signal.signal(signal.SIGQUIT, ended)
print("args", *sys.argv[1:], flush=True)
print("who", os.getuid(), os.getgid(), *sorted(os.getgroups()), os.environ.get("HOME"), os.getcwd(), os.getpid(), flush=True)
print("env", os.environ.get("FROM_IMAGE"), os.environ.get("BOTH"), os.environ.get("LD_LIBRARY_PATH"), flush=True)
while True:
    time.sleep(1000)
"""

base, app = base_layer(), app_layer()
plain = {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
config = {
    "User": "app", "WorkingDir": "/srv/app", "StopSignal": "SIGQUIT", "Volumes": {"/srv/data": {}},
    "Entrypoint": ["python3", "main.py"], "Cmd": ["$(HOME)", "b c"],
    "Env": plain["Env"] + ["FROM_IMAGE=1", "BOTH=image", "LD_LIBRARY_PATH=/nowhere"],
}
base_image, base_config, base_diffs = image([base], plain)
app_image, _, _ = image([base, app], config, docker=True)
index = {
    "schemaVersion": 2, "mediaType": OCI + "index.v1+json",
    "manifests": [
        {**base_image, "platform": {"os": "linux", "architecture": "s390x"}},
        {**app_image, "platform": {"os": "linux", "architecture": ARCH}},
    ],
}
app_index = descriptor(json.dumps(index).encode(), index["mediaType"])
refs = {"base": {"1": base_image}, "app": {"latest": app_index, "1": app_image}}
for compress in ("zstd", ""):
    layer = Layer()
    layer.put("kind", (compress or "plain").encode())
    refs[compress or "plain"] = {"1": image([base, layer.end()], plain, compress=compress)[0]}
# What a volume shows: a file of each layer, one hidden and one changed by the layer above.
volume = []
for number, files in enumerate((("first", "hidden", "changed"), ("second", ".wh.hidden", "changed"), ("third",))):
    layer = Layer()
    for name in files:
        layer.put(name, b"" if name.startswith(".wh.") else f"{name} of {number}\n".encode())
    volume.append(layer.end())
refs["volume"] = {"1": image(volume, {})[0], "one": image(volume[:1], {})[0]}
for name in ("cut", "wrong", "short", "busy", "many"):
    layer = Layer()
    layer.put("noise", os.urandom(3 << 20))
    layer.put("name", name.encode())
    refs[name] = {"1": image([base, layer.end()], plain)[0]}
# Programs from Debian packages that this machine does not have itself, unpacked below /srv/programs.
PROGRAMS = "/srv/programs"


def put_tree(layer, names):
    for name in names:
        for parent in reversed(parents(name)):
            if parent not in layer.seen:
                layer.seen.add(parent)
                layer.put(parent[1:], mode=0o755, kind=tarfile.DIRTYPE)


NGINX = b"""user www-data;
worker_processes 1;
error_log stderr notice;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
    access_log /var/log/nginx/access.log;
    server {
        listen 80;
        root /srv/www;
        location = / { return 200 "hello\\n"; }
    }
}
"""


def nginx_layer():
    layer = Layer()
    program = PROGRAMS + "/usr/sbin/nginx"
    for word in subprocess.run(["ldd", program], text=True, capture_output=True, check=True).stdout.split():
        if word.startswith("/"):
            layer.add(os.path.realpath(word))
            if os.path.islink(word):
                layer.add(word)
    with open(program, "rb") as file:
        layer.put("usr/sbin/nginx", file.read(), mode=0o755)
    for name, owner in (("etc/nginx", 0), ("var/log/nginx", 0), ("var/lib/nginx", 33), ("srv/www", 0)):
        layer.put(name, mode=0o755, kind=tarfile.DIRTYPE, owner=(owner, owner))
    layer.put("etc/nginx/nginx.conf", NGINX)
    layer.put("srv/www/big", b"x" * 400000)
    layer.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n")
    layer.put("etc/group", b"root:x:0:\nwww-data:x:33:\n")
    return layer.end()


def busybox_layer():
    layer = Layer()
    for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
        layer.put(name, mode=0o1777 if name == "tmp" else 0o755, kind=tarfile.DIRTYPE)
    with open(PROGRAMS + "/bin/busybox", "rb") as file:
        layer.put("bin/busybox", file.read(), mode=0o755)
    for name in ("sh", "id", "env", "sort", "grep", "ls", "touch", "hostname", "wc", "ps", "pwd"):
        layer.put("bin/" + name, kind=tarfile.SYMTYPE, link="busybox")
    layer.put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    layer.put("etc/group", b"root:x:0:\n")
    return layer.end()


if os.path.isdir(PROGRAMS):
    nginx = {**plain, "Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT", "ExposedPorts": {"80/tcp": {}}}
    refs["nginx"] = {"1": image([base, nginx_layer()], nginx, docker=True)[0]}
    refs["busybox"] = {"1": image([busybox_layer()], {"Cmd": ["sh"]})[0]}

with open(OUT + "/refs.json", "w") as file:
    json.dump(refs, file)

# The same as an OCI layout and as docker save writes it.
layout = {"schemaVersion": 2, "manifests": [{**app_image, "annotations": {"org.opencontainers.image.ref.name": "local/app:1"}}]}
with open(OUT + "/index.json", "w") as file:
    json.dump(layout, file)
with open(OUT + "/oci-layout", "w") as file:
    json.dump({"imageLayoutVersion": "1.0.0"}, file)
with tarfile.open(OUT + "/saved.tar.gz", "w:gz", compresslevel=1) as saved:
    def save(name, content):
        info = tarfile.TarInfo(name)
        info.size = len(content)
        saved.addfile(info, io.BytesIO(content))
    save("layer/layer.tar", base)
    save("config.json", base_config)
    save("manifest.json", json.dumps([{"Config": "config.json", "RepoTags": ["saved:1"], "Layers": ["layer/layer.tar"]}]).encode())
