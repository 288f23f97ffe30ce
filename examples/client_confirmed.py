"""Send so that nothing is lost without your knowing: one, many, and at least once.

python examples/client_confirmed.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
DESTINATION = "/queue/confirmed"

with stomp.Client(url, on_unknown="resend") as client:
    client.send(DESTINATION, "one", confirm=True, timeout=10)
    print("the broker has the first one")

    # On the way to the broker, all at once; at most `window` of them.
    confirmations = [client.send_async(DESTINATION, f"number {n}") for n in range(100)]
    for confirmation in confirmations:
        confirmation.result(timeout=10)
    print("and a hundred more:", client.stats().confirmed)

    with client.confirmations() as batch:
        batch.send(DESTINATION, "in a batch")
        batch.send(DESTINATION, "in the same")
    print("and the batch")

    with client.subscribe(DESTINATION) as messages:
        for count, _ in enumerate(messages, 1):
            if count == 103:
                break
    print("all taken again")
