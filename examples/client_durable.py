"""A durable subscription: the broker keeps what is published while the subscriber is away.

    python examples/client_durable.py [URL]

RabbitMQ, ActiveMQ and the embedded broker have different headers for it; the client knows them.
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
TOPIC, NAME = "/topic/evening-news", "evening-reader"


def reader() -> stomp.Client:
    """The same subscriber, each time: ActiveMQ wants an id of the client, too."""
    return stomp.Client(url, client_id=NAME)


with reader() as client:
    client.subscribe(TOPIC, durable=NAME)
with stomp.Client(url) as publisher:
    publisher.send(TOPIC, "rain tomorrow", confirm=True, persistent=True)
    print("published without a reader, on", publisher.broker.title)
with reader() as client:
    news = client.subscribe(TOPIC, durable=NAME)
    message = news.receive(timeout=10)
    assert message is not None
    print("read later:", message.text)
    news.close(delete=True)
