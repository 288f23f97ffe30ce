"""Several queues as one stream, in the order in which messages come.

python examples/client_merge.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"

with stomp.Client(url) as client:
    queues = [f"/queue/merge-{name}" for name in ("shoes", "socks", "sandals")]
    both = client.merge(*[client.subscribe(queue) for queue in queues])
    for queue in queues:
        client.send(queue, f"the first of {queue}", confirm=True)
    for message in both.messages(timeout=1):
        print(message.text)
