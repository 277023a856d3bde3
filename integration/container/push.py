"""Makes an image of this machine's shell and pushes it: URL NAME TAG WORD [USER:PASSWORD].

The image prints WORD and sleeps. Another WORD makes another layer."""
import base64, glob, gzip, hashlib, io, json, os, sys, tarfile, urllib.error, urllib.request

url, name, tag, word = sys.argv[1:5]
login = sys.argv[5] if len(sys.argv) > 5 else None


def call(method, path, data=None, kind="application/octet-stream"):
    where = path if path.startswith("http") else url + path
    request = urllib.request.Request(where, data=data, method=method)
    request.add_header("Content-Type", kind)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    return urllib.request.urlopen(request)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data):
    place = call("POST", f"/v2/{name}/blobs/uploads/", b"").headers["Location"]
    place += ("&" if "?" in place else "?") + "digest=" + digest(data)
    call("PUT", place, data).close()
    return {"digest": digest(data), "size": len(data)}


def layer():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(path, data=None, mode=0o755, link=None):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode = mode
            if link:
                info.type, info.linkname = tarfile.SYMTYPE, link
            elif data is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)

        for directory in ["usr", "usr/bin", "usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "etc", "tmp", "proc", "sys", "dev", "run"]:
            add(directory)
        for link in ["bin", "lib", "lib64"]:
            add(link, link="usr/" + link)
        files = ["/usr/bin/sleep", "/usr/bin/cat"] + glob.glob("/usr/lib/x86_64-linux-gnu/lib[cm].so.6") + ["/usr/lib64/ld-linux-x86-64.so.2"]
        files += ["/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/x86_64-linux-gnu/libzstd.so.1"]
        for file in files:
            if os.path.exists(file):
                add(file, open(os.path.realpath(file), "rb").read())
        add("usr/bin/sh", open("/usr/bin/dash", "rb").read())
        add("word", word.encode() + b"\n", 0o644)
        add("etc/passwd", b"root:x:0:0::/root:/bin/sh\n", 0o644)
    return out.getvalue()


plain = layer()
packed = gzip.compress(plain, 1, mtime=0)
config = json.dumps({
    "architecture": "amd64", "os": "linux",
    "config": {"Entrypoint": ["/bin/sh", "-c", "cat /word; exec sleep infinity"], "Env": ["PATH=/bin"]},
    "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
}).encode()
kind = "application/vnd.oci.image."
manifest = json.dumps({
    "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
    "config": {"mediaType": kind + "config.v1+json", **blob(config)},
    "layers": [{"mediaType": kind + "layer.v1.tar+gzip", **blob(packed)}],
}).encode()
call("PUT", f"/v2/{name}/manifests/{tag}", manifest, kind + "manifest.v1+json").close()
print(digest(manifest))
