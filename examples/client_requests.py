"""A question and its answer, over a temporary queue.

python examples/client_requests.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"


def answer(message: stomp.Message) -> None:
    """The other side: a service that turns words round."""
    message.reply(message.text[::-1])


with stomp.Client(url) as server, stomp.Client(url) as client:
    server.consume("/queue/turn-round", answer, ack="auto")
    print(client.request("/queue/turn-round", "stomp", timeout=10).text)
    try:
        client.request("/queue/no-service", "?", timeout=0.2, ttl=1)
    except stomp.ReplyMissing as err:
        print("no answer:", err)
