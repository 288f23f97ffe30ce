"""See everything that goes to and fro: two listeners under two names, one that prints and one that counts.

python examples/printing.py [HOST PORT]
"""

import sys
import threading

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)
arrived = threading.Event()


class Arrival(stomp.ConnectionListener):
    def on_message(self, frame):
        arrived.set()


stats = stomp.StatsListener()

conn = stomp.Connection([(host, port)])
conn.set_listener("print", stomp.PrintingListener())
conn.set_listener("stats", stats)
conn.set_listener("the last one", Arrival())  # listeners are called in the order of their names
conn.connect("admin", "password", wait=True)

conn.subscribe("/queue/printing", id="1")
conn.send("/queue/printing", "a test message")
came = arrived.wait(timeout=10)

conn.unsubscribe(id="1")
conn.disconnect()

print(stats)
if not came:
    sys.exit("no message came within 10 seconds")
