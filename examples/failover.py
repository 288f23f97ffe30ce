"""Several addresses, and a listener that connects again when the connection breaks.

    python examples/failover.py [HOST PORT]

Nothing listens at the first address of the list, so that the second one has to do. Then the program cuts its
own connection, as a failing network would.
"""

import sys
import threading

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)
DESTINATION = "/queue/failover"
leaving = threading.Event()
connected_again, arrived = threading.Event(), threading.Event()


def connect_and_subscribe(conn):
    conn.connect("admin", "password", wait=True)
    conn.subscribe(DESTINATION, id="1")


class Persistent(stomp.ConnectionListener):
    def __init__(self, conn):
        self.conn = conn

    def on_connecting(self, host_and_port):
        print(f"reached {host_and_port[0]}")

    def on_message(self, frame):
        print(f"received {frame.body}")
        arrived.set()

    def on_disconnected(self):
        # Called once for each connection that ends, also for one that we ended ourselves.
        if leaving.is_set():
            return
        print("the connection broke")
        connect_and_subscribe(self.conn)
        connected_again.set()


conn = stomp.Connection(
    [("127.0.0.1", 1), (host, port)],
    reconnect_sleep_initial=0.1,  # seconds before the second round through the list, growing from round to round
    reconnect_attempts_max=5,  # rounds before it gives up
)
conn.set_listener("", Persistent(conn))
connect_and_subscribe(conn)

conn.transport.disconnect_socket()
again = connected_again.wait(timeout=10)

if again:
    conn.send(DESTINATION, "hello again")
    arrived.wait(timeout=10)
leaving.set()
conn.disconnect()
if not arrived.is_set():
    sys.exit("no message came within 10 seconds")
