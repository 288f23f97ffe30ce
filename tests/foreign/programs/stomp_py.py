"""stomp.py 4.1.22, 8.2.0 and 9.0.0; see README.md."""

import importlib.metadata
import json
import os
import queue
import sys
import time
import uuid
from typing import Any

import stomp

TIMEOUT = 20
TEXT = "C:\\new\nGrüße"


class Listener(stomp.ConnectionListener):
    def __init__(self):
        self.messages: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.receipts: queue.Queue[str] = queue.Queue()
        self.errors = []

    # Up to 6.0, the arguments are headers and body; since then, a frame.
    def on_message(self, *args):
        self.messages.put(args if len(args) == 2 else (args[0].headers, args[0].body))

    def on_receipt(self, *args):
        headers = args[0] if len(args) == 2 else args[0].headers
        self.receipts.put(headers["receipt-id"])

    def on_error(self, *args):
        self.errors.append(args[0] if len(args) == 2 else args[0].headers)


def main():
    env = {name: os.environ[f"FOREIGN_{name}"] for name in ["HOST", "PORT", "LOGIN", "PASSCODE", "VHOST"]}
    count, beat, idle = (int(os.environ[f"FOREIGN_{name}"]) for name in ("COUNT", "HEARTBEAT", "IDLE"))
    conn = stomp.Connection12(
        [(env["HOST"], int(env["PORT"]))], vhost=env["VHOST"], heartbeats=(beat, beat), auto_decode=False
    )
    listener = Listener()
    conn.set_listener("", listener)
    if hasattr(conn, "start"):  # before 5.0, it starts the receiving thread
        conn.start()
    conn.connect(env["LOGIN"], env["PASSCODE"], wait=True)
    seen: dict[str, Any] = {
        "library": importlib.metadata.version("stomp.py"),
        "version": conn.version,
        "lacks": [],
    }

    def confirmed(send):
        receipt = str(uuid.uuid4())
        send(receipt)
        assert listener.receipts.get(timeout=TIMEOUT) == receipt, listener.errors
        return 1

    def receive():
        headers, body = listener.messages.get(timeout=TIMEOUT)
        return headers, body

    receipts = 0
    for mode in ("auto", "client", "client-individual"):
        destination = f"/queue/{mode}"
        numbers = []
        for number in range(count):
            receipts += confirmed(
                lambda receipt, body=str(number), to=destination: conn.send(to, body, receipt=receipt)
            )
        conn.subscribe(destination, id=mode, ack=mode)
        for number in range(count):
            headers, body = receive()
            numbers.append(int(body))
            if mode == "client-individual" or (mode == "client" and number == count - 1):
                conn.ack(headers["ack"])
        conn.unsubscribe(id=mode)
        seen[mode] = numbers
    seen["receipts"] = receipts

    conn.subscribe("/queue/nack", id="nack", ack="client-individual")
    conn.send("/queue/nack", "0")
    seen["nack"] = []
    body = b""
    while body != b"1":
        headers, body = receive()
        seen["nack"].append([int(body), headers.get("redelivered") == "true"])
        if len(seen["nack"]) == 1:
            conn.nack(headers["ack"])
            conn.send("/queue/nack", "1")
        else:
            conn.ack(headers["ack"])
    conn.unsubscribe(id="nack")

    conn.subscribe("/queue/transaction", id="transaction")
    aborted = conn.begin()
    conn.send("/queue/transaction", "0", transaction=aborted)
    conn.abort(aborted)
    committed = conn.begin()
    conn.send("/queue/transaction", "1", transaction=committed)
    conn.send("/queue/transaction", "2", transaction=committed)
    conn.commit(committed)
    conn.send("/queue/transaction", "3")
    seen["transaction"] = []
    while seen["transaction"][-1:] != [3]:
        seen["transaction"].append(int(receive()[1]))

    conn.subscribe("/queue/header", id="header")
    conn.send("/queue/header", "0", headers={"text": TEXT})
    seen["header"] = receive()[0]["text"]

    conn.subscribe("/queue/binary", id="binary")
    conn.send("/queue/binary", bytes(range(256)))
    seen["binary"] = receive()[1].hex()

    conn.subscribe("/queue/idle", id="idle")
    time.sleep(idle / 1000)
    conn.send("/queue/idle", "0")
    seen["idle"] = [int(receive()[1])]

    seen["disconnect"] = confirmed(lambda receipt: conn.disconnect(receipt=receipt)) == 1
    if listener.errors:
        sys.exit(str(listener.errors))
    print(json.dumps(seen))


main()
