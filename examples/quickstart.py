"""Subscribe to a queue, send a message there, receive it.

    python examples/quickstart.py [HOST PORT [TEXT ...]]

It needs a broker: `stomp broker` starts one at localhost:61613.
"""

import sys
import threading

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)
text = " ".join(sys.argv[3:]) or "hello world"
arrived = threading.Event()


class MyListener(stomp.ConnectionListener):
    # (self, frame) would do as well: see the other examples.
    def on_error(self, headers, message):
        print(f'received an error "{message}"')

    def on_message(self, headers, message):
        print(f'received a message "{message}"')
        arrived.set()


conn = stomp.Connection([(host, port)])
conn.set_listener("", MyListener())
conn.start()
conn.connect("admin", "password", wait=True)

conn.subscribe(destination="/queue/test", id=1, ack="auto")
conn.send(body=text, destination="/queue/test")

# Messages arrive on another thread, when they arrive: wait, but not for ever.
came = arrived.wait(timeout=10)
conn.disconnect()
if not came:
    sys.exit("no message came within 10 seconds")
