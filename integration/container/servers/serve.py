"""A server for probes: serve.py KIND PORT DIR [bind address].

What it answers is in the file DIR/answer, read at each request; what it was asked goes to DIR/asked, a line each,
after the time since boot. KIND is http, https, tcp or grpc.
  http, https  answer: a status, or "slow" for no answer in time; a redirection leads to another host, unless
               a second status follows it, which is then that of where it leads
  tcp          listens only while the answer is "open"
  grpc         answer: a number of grpc.health.v1.HealthCheckResponse.ServingStatus (1 is SERVING), or "error"
"""
import http.server, json, os, signal, socket, socketserver, ssl, struct, sys, threading, time

kind, port, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
address = sys.argv[4] if len(sys.argv) > 4 else ""


def answer():
    with open(directory + "/answer") as file:
        return file.read().strip()


def tell(text):
    with open(directory + "/asked", "a") as file:
        file.write("%.3f %s\n" % (time.clock_gettime(time.CLOCK_BOOTTIME), text))


class Http(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        tell(json.dumps([self.path, self.headers.items()]))
        what = answer()
        if what == "slow":
            time.sleep(5)
            what = "200"
        status, *after = what.split()
        if self.path == "/there":
            status = after[0]
        self.send_response(int(status))
        if status.startswith("3"):
            self.send_header("Location", "/there" if after else "http://elsewhere.invalid/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def read(conn, count):
    data = b""
    while len(data) < count:
        more = conn.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def grpc(conn):
    """HTTP/2 with prior knowledge, as little of it as a unary call needs (RFC 9113, RFC 7541)."""
    assert read(conn, 24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    conn.sendall(frame(4, 0, 0, b""))
    while True:
        head = read(conn, 9)
        length, kind, flags = struct.unpack(">I", b"\0" + head[:3])[0], head[3], head[4]
        stream = struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        payload = read(conn, length)
        if kind == 4 and not flags & 1:
            conn.sendall(frame(4, 1, 0, b""))
        if kind == 0 and payload:
            # The message after its five bytes of prefix: HealthCheckRequest, field 1 is the service.
            tell("service " + payload[7:].decode())
            what = answer()
            status = b"\x88" + field(b"content-type", b"application/grpc")
            conn.sendall(frame(1, 4, stream, status))
            if what == "error":
                conn.sendall(frame(1, 5, stream, field(b"grpc-status", b"5")))
                continue
            message = b"\x08" + bytes([int(what)])
            conn.sendall(frame(0, 0, stream, b"\0" + struct.pack(">I", len(message)) + message))
            conn.sendall(frame(1, 5, stream, field(b"grpc-status", b"0")))


class Grpc(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            grpc(self.request)
        except (EOFError, ConnectionError):
            pass


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def tcp():
    listener = None
    while True:
        if answer() == "open" and not listener:
            listener = socket.create_server((address, port))
            listener.settimeout(0.05)
        elif answer() != "open" and listener:
            listener.close()
            listener = None
        try:
            conn, _ = listener.accept() if listener else (None, None)
            if conn:
                tell("connected")
                conn.close()
            else:
                time.sleep(0.05)
        except TimeoutError:
            pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if kind == "tcp":
    tcp()
server = Threads((address, port), Grpc if kind == "grpc" else Http)
if kind == "https":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.dirname(__file__) + "/server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
