"""Acknowledge messages one by one, and refuse one of them.

    python examples/acks.py [HOST PORT]

What becomes of a refused message is the broker's affair. The embedded broker and RabbitMQ deliver it again,
with the header redelivered:true. ActiveMQ does not: there, the program waits five seconds for the first order,
and ends.
"""

import sys
import threading

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)
DESTINATION = "/queue/acks"
done = threading.Event()


class Orders(stomp.ConnectionListener):
    def __init__(self, conn):
        self.conn = conn
        self.open = {"order 1", "order 2"}

    def on_message(self, frame):
        message_id, subscription = frame.headers["message-id"], frame.headers["subscription"]
        again = frame.headers.get("redelivered") == "true"
        if frame.body == "order 1" and not again:
            print(f"{frame.body}: rejected, another consumer may take it")
            self.conn.nack(message_id, subscription)
            return
        print(f"{frame.body}: done" + (", at the second attempt" if again else ""))
        self.conn.ack(message_id, subscription)
        self.open.discard(frame.body)
        if not self.open:
            done.set()


conn = stomp.Connection([(host, port)])
conn.set_listener("", Orders(conn))
conn.connect("admin", "password", wait=True)

# With "client" instead, an ACK would cover all messages before it, too.
conn.subscribe(DESTINATION, id="orders", ack="client-individual")
for number in (1, 2):
    conn.send(DESTINATION, f"order {number}")

done.wait(timeout=5)
conn.disconnect()
