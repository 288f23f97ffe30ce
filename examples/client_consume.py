"""Take messages one by one: acknowledged when they were dealt with, refused when that failed.

python examples/client_consume.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
DESTINATION = "/queue/consume"

with stomp.Client(url) as client:
    for order in ("shoes", "socks", "nonsense"):
        client.send(DESTINATION, order, confirm=True)

    with client.subscribe(DESTINATION, ack="client-individual", prefetch=10) as orders:
        for message in orders.messages(timeout=2):
            try:
                with message:
                    if message.text == "nonsense" and not message.redelivered:
                        raise ValueError("no such article")
                    print("done:", message.text)
            except ValueError as err:
                print("refused:", message.text, "-", err)
