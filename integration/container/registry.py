"""A registry of images for tests: read-only, with faults to order.

usage: registry.py DIRECTORY PORT [--tls CERT KEY] [--token PORT_OF_TOKENS | --basic]

Who asks must be `user` with the password `secret`, where it asks at all. Each request is a line of DIRECTORY/log-PORT. Faults
are by the name of the repository: cut (the connection ends in the middle of a layer, each time), wrong (a layer is
another one), short (a layer ends too early, cleanly), busy (429 with Retry-After), and `once-` before it: only once.
"""
import base64
import http.server
import json
import os
import re
import ssl
import sys
import urllib.parse

DIRECTORY, PORT = sys.argv[1], int(sys.argv[2])
OPTIONS = sys.argv[3:]
REFS = json.load(open(DIRECTORY + "/refs.json"))
BASIC = "Basic " + base64.b64encode(b"user:secret").decode()
TLS = "--tls" in OPTIONS
done = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, text):
        with open(f"{DIRECTORY}/log-{PORT}", "a") as file:
            file.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} {text}\n")

    def answer(self, status, body=b"", **headers):
        self.note(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        given = self.headers.get("Authorization")
        scheme = "https" if TLS else "http"
        if "--basic" in OPTIONS and given != BASIC:
            self.answer(401, WWW_Authenticate='Basic realm="test"')
        elif "--token" in OPTIONS and not (given or "").startswith("Bearer for-"):
            realm = f'{scheme}://localhost:{PORT}/token'
            self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="test",scope="repository:x:pull"')
        else:
            return True
        return False

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/token":
            if self.headers.get("Authorization") != BASIC:
                return self.answer(401)
            return self.answer(200, json.dumps({"token": "for-user"}).encode())
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", url.path)
        if not self.allowed():
            return
        if not found:
            return self.answer(404)
        name, kind, what = found.groups()
        fault = self.fault(name, kind)
        if fault == "busy":
            return self.answer(429, b"{}", Retry_After="7")
        if kind == "manifests":
            return self.manifest(name.removeprefix("once-"), what)
        self.blob(what, fault)

    def fault(self, name, kind):
        fault = name.removeprefix("once-")
        if fault not in ("cut", "wrong", "short", "busy") or (fault != "busy" and kind == "manifests"):
            return None
        if name.startswith("once-"):
            if name in done:
                return None
            if kind == "blobs" or fault == "busy":
                return name
        return fault

    def manifest(self, name, what):
        descriptor = REFS.get(name, {}).get(what)
        digest = descriptor["digest"] if descriptor else what
        path = f"{DIRECTORY}/blobs/sha256/{digest.removeprefix('sha256:')}"
        if name not in REFS or not os.path.isfile(path):
            return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        body = open(path, "rb").read()
        kind = json.loads(body)["mediaType"]
        self.answer(200, body, Content_Type=kind, Docker_Content_Digest=digest)

    def blob(self, what, fault):
        path = f"{DIRECTORY}/blobs/sha256/{what.removeprefix('sha256:')}"
        if not os.path.isfile(path):
            return self.answer(404)
        body = open(path, "rb").read()
        if len(body) < 100000:
            fault = None
        kind = (fault or "").removeprefix("once-")
        if fault and fault.startswith("once-"):
            done.add(fault)
        if kind == "busy":
            return self.answer(429, b"{}", Retry_After="7")
        if kind == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked.group(1)) if asked else 0
        if start >= len(body):
            return self.answer(416)
        part = body[start:]
        if kind == "short":
            return self.answer(206 if asked else 200, part[: len(part) // 2])
        if kind == "cut":
            self.note("cut")
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part[: len(part) // 3])
            self.wfile.flush()
            self.close_connection = True
            return self.connection.shutdown(2)
        more = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if asked else {}
        self.answer(206 if asked else 200, part, **more)


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
if TLS:
    at = OPTIONS.index("--tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(OPTIONS[at + 1], OPTIONS[at + 2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
