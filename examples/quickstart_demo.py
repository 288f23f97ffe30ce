"""The quick start with a temporary broker: `make demo`, or `python examples/quickstart_demo.py [TEXT]`.

It starts the embedded broker on a free port, and does what quickstart.py does with any broker.
"""

import sys
import threading
import time

import stomp
from stomp.broker import Broker

text = " ".join(sys.argv[1:]) or "hello world"
connected, arrived = threading.Event(), threading.Event()


class MyListener(stomp.ConnectionListener):
    def on_connected(self, headers, message):
        show(f"the broker says CONNECTED, STOMP {headers['version']}")
        connected.set()

    def on_message(self, headers, message):
        show(f'received a message "{message}"')
        arrived.set()

    def on_error(self, headers, message):
        show(f'received an error "{message}"')

    def on_disconnected(self):
        show("the connection is closed")


def say(line: str) -> None:
    # One write for the line and its end: the listener talks from another thread.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show(line: str) -> None:
    say(f"        -> {line}")


started = time.monotonic()
say(f"stompkit {stomp.__version__}: connect, subscribe, send, receive, disconnect")
say("")
say("broker  Broker().start()")
with Broker() as broker:
    show(f"the embedded broker listens on {broker.host} port {broker.port}")

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", MyListener())
    conn.start()

    say("client  conn.connect('admin', 'password', wait=True)")
    conn.connect("admin", "password", wait=True)
    connected.wait(timeout=10)

    say("client  conn.subscribe(destination='/queue/test', id=1, ack='auto')")
    conn.subscribe(destination="/queue/test", id=1, ack="auto")

    say(f"client  conn.send(body={text!r}, destination='/queue/test')")
    conn.send(body=text, destination="/queue/test")
    arrived.wait(timeout=10)

    say("client  conn.disconnect()")
    conn.disconnect()

if not arrived.is_set():
    sys.exit("the message did not come back within 10 seconds")

say("")
say(f"All done in {time.monotonic() - started:.2f} seconds. Try next, with a broker in one terminal:")
say("    .venv/bin/stomp broker")
say("and a program in another:")
say("    .venv/bin/python examples/quickstart.py")
