"""Know that the broker has a message: ask for a receipt, and wait for it.

python examples/receipts.py [HOST PORT]
"""

import sys
import uuid

import stomp

host, port = sys.argv[1:3] or ("localhost", 61613)

receipt = str(uuid.uuid4())
waiting = stomp.WaitingListener(receipt)

conn = stomp.Connection([(host, port)])
conn.set_listener("waiting", waiting)
conn.connect("admin", "password", wait=True)

conn.send("/topic/receipts", "important", receipt=receipt)
# Raises stomp.exception.StompException when time is up or the connection ends: then it is unknown whether the
# broker has the message.
waiting.wait_on_receipt(timeout=10)
print("the broker has the message")

# disconnect asks for a receipt by itself. Once it has come, the broker has read all that was sent before.
conn.disconnect()
print("the broker has read everything")
