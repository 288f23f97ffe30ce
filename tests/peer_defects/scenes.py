"""What the scenarios have in common: a connection with ears, and what servers say."""

import time

import stomp
from stomp.testing.servers import greet_back, read_frame
from tests.listening import RecentFrames

#: The agreed interval of heart-beats in these tests, in milliseconds.
BEAT = 100
#: Intervals of silence that a connection tolerates whose test is not about silence: the machine may stop for seconds.
PATIENT = 1000


def connection(address, cls=stomp.Connection, *, listener=None, name="recorder", **options):
    """A connection that is not open yet, and its recorder."""
    options.setdefault("reconnect_attempts_max", 1)
    conn = cls([address], **options)
    recorder = listener or RecentFrames()
    conn.set_listener(name, recorder)
    return conn, recorder


def message(body, *headers):
    """A MESSAGE as a server sends it."""
    head = "".join(
        f"{line}\n" for line in ("subscription:1", "message-id:1", "destination:/queue/a", *headers)
    )
    return f"MESSAGE\n{head}\n".encode() + body + b"\0"


def welcome(sock, heartbeat="0,0", version="1.1"):
    """Answer CONNECT."""
    frame = read_frame(sock)
    greet_back(sock, version=version, heartbeat=heartbeat)
    return frame


def answer_receipts(sock):
    """Answer every receipt that is asked for, until the client goes. It is the client who closes."""
    buffer = b""
    while data := sock.recv(65536):
        *frames, buffer = (buffer + data).split(b"\0")
        for frame in frames:
            for line in frame.split(b"\n"):
                if line.startswith(b"receipt:"):
                    sock.sendall(b"RECEIPT\nreceipt-id:" + line[8:] + b"\n\n\0")


class Beating:
    """A script that beats until the client goes: `pattern` every so many seconds."""

    def __init__(self, pattern, seconds, version="1.1"):
        self.pattern = pattern
        self.seconds = seconds
        self.version = version
        self.sent = 0

    def __call__(self, sock):
        milliseconds = int(self.seconds * 1000)
        welcome(sock, heartbeat=f"{milliseconds},0", version=self.version)
        sock.settimeout(self.seconds)
        while True:
            sock.sendall(self.pattern)
            self.sent += 1
            try:
                if not sock.recv(65536):
                    return
            except TimeoutError:
                pass


def timed(do):
    """How many seconds something takes."""
    began = time.monotonic()
    do()
    return time.monotonic() - began
