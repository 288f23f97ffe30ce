"""Bodies: bytes, text, JSON, compressed ones, and such as are not what they say.

python examples/client_bodies.py [URL]
"""

import json
import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
DESTINATION = "/queue/bodies"

with stomp.Client(url) as client, client.subscribe(DESTINATION) as messages:
    client.send(DESTINATION, bytes(range(256)))
    client.send(DESTINATION, "häh?", content_type="text/plain")
    client.send(DESTINATION, json.dumps({"n": list(range(1000))}), compress="gzip")
    client.send(DESTINATION, b"{", content_type="application/json")

    for _, message in zip(range(2), messages, strict=False):
        print(len(message.body), "bytes", message.headers.get("content-type", "of any kind"))
    message = next(messages)
    print(len(message.body), "bytes for", len(message.json()["n"]), "numbers")
    try:
        next(messages).json()
    except stomp.ContentError as err:
        print("no connection dies of it:", err)
