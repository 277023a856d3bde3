# A WebSocket client, and enough of SPDY to go through one. The standard library has neither.
import base64, os, select, socket, ssl, struct, zlib
from urllib.parse import quote


class Refused(Exception):
    pass


def dial():
    context = ssl.create_default_context(cafile=HOME + "/pki/ca.crt")
    context.load_cert_chain(HOME + "/pki/admin.crt", HOME + "/pki/admin.key")
    return context.wrap_socket(socket.create_connection(ADDRESS), server_hostname=ADDRESS[0])


class Socket:
    def __init__(self, path, protocol):
        self.text = bool(protocol) and "base64" in protocol
        self.tunnel = bool(protocol) and protocol.startswith("SPDY")
        self.s = dial()
        head = "GET %s HTTP/1.1\r\nHost: n1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" % path
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode() + "\r\n"
        if protocol:
            head += "Sec-WebSocket-Protocol: %s\r\n" % protocol
        self.s.sendall((head + "\r\n").encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        answer, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        if b" 101 " not in answer:
            raise Refused(answer.split(b"\r\n")[0].decode())

    def more(self):
        part = self.s.recv(65536)
        if not part:
            raise EOFError
        self.bytes += part

    def send(self, channel, data):
        if self.text:
            self.frame(1, str(channel).encode() + base64.b64encode(data))
        else:
            self.frame(2, bytes([channel]) + data)

    def frame(self, kind, data):
        mask = os.urandom(4)
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | len(data))
        else:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, len(data))
        self.s.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        while True:
            if len(self.bytes) >= 2:
                kind, size, at = self.bytes[0] & 15, self.bytes[1] & 127, 2
                if size == 126 and len(self.bytes) >= 4:
                    size, at = struct.unpack("!H", self.bytes[2:4])[0], 4
                elif size == 127 and len(self.bytes) >= 10:
                    size, at = struct.unpack("!Q", self.bytes[2:10])[0], 10
                if len(self.bytes) >= at + size and not (size in (126, 127) and at == 2):
                    data = self.bytes[at : at + size]
                    self.bytes = self.bytes[at + size :]
                    return kind, data
            self.more()

    def all(self, until=lambda got: False):
        got = {}
        while not until(got):
            try:
                kind, data = self.receive()
            except (EOFError, OSError):
                break
            if kind == 8:
                # 1000, all is well: kubectl takes an end without a word for an error.
                assert data[:2] == b"\x03\xe8", data
                break
            if kind == 1:
                channel, data = int(chr(data[0])), base64.b64decode(data[1:])
            elif kind == 2:
                channel, data = data[0], data[1:]
            else:
                continue
            got[channel] = got.get(channel, b"") + data
        return got


class Spdy:
    def __init__(self, carrier):
        self.carrier, self.next, self.bytes = carrier, 1, b""
        # Without a dictionary: what is sent names none, which every inflater takes.
        self.zlib = zlib.compressobj()

    def write(self, data):
        self.carrier.frame(2, data)

    def open(self, headers):
        block = struct.pack("!I", len(headers))
        for name, value in headers.items():
            block += struct.pack("!I", len(name)) + name.encode() + struct.pack("!I", len(value)) + value.encode()
        block = self.zlib.compress(block) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
        number, self.next = self.next, self.next + 2
        body = struct.pack("!IIBB", number, 0, 0, 0) + block
        self.write(struct.pack("!HHI", 0x8003, 1, len(body)) + body)
        return number

    def data(self, number, data, fin=False):
        self.write(struct.pack("!II", number, (1 << 24 if fin else 0) | len(data)) + data)

    def until(self, number):
        """All data of a stream."""
        got = b""
        while True:
            while len(self.bytes) >= 8:
                first, second = struct.unpack("!II", self.bytes[:8])
                size = second & 0xFFFFFF
                if len(self.bytes) < 8 + size:
                    break
                body, self.bytes = self.bytes[8 : 8 + size], self.bytes[8 + size :]
                if first == number:
                    got += body
                    if second >> 24 & 1:
                        return got
            kind, data = self.carrier.receive()
            if kind == 8:
                return got
            self.bytes += data
