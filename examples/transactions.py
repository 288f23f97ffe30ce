"""Send messages in a transaction: all of them arrive, or none.

python examples/transactions.py [HOST PORT]
"""

import sys
import threading

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)
DESTINATION = "/queue/transactions"
last = threading.Event()


class Printer(stomp.ConnectionListener):
    def on_message(self, frame):
        print(f"received {frame.body}")
        if frame.body == "the last one":
            last.set()


conn = stomp.Connection([(host, port)])
conn.set_listener("", Printer())
conn.connect("admin", "password", wait=True)
conn.subscribe(DESTINATION, id="1")

transaction = conn.begin()
conn.send(DESTINATION, "debit 10", transaction=transaction)
conn.send(DESTINATION, "credit 10", transaction=transaction)
print("two messages are in the queue")
conn.commit(transaction)

transaction = conn.begin()
conn.send(DESTINATION, "debit 1000000", transaction=transaction)
conn.abort(transaction)

conn.send(DESTINATION, "the last one")
came = last.wait(timeout=10)
conn.disconnect()
if not came:
    sys.exit("the last message did not come within 10 seconds")
