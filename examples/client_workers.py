"""Handlers on several threads, and an end without loss: what a service does.

    python examples/client_workers.py [URL]

A service would end with `client.run_forever()`, which drains on SIGTERM or Ctrl-C.
"""

import sys
import threading

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
DESTINATION = "/queue/workers"
done = threading.Semaphore(0)


def handle(message: stomp.Message) -> None:
    """Called on one of four threads; returning acknowledges the message."""
    print(f"{message.json()['n']} was handled\n", end="")
    done.release()


with stomp.Client(url) as client:
    client.consume(DESTINATION, handle, concurrency=4, prefetch=8)
    client.send_many([(DESTINATION, f'{{"n": {n}}}') for n in range(8)], content_type="application/json")
    for _ in range(8):
        done.acquire(timeout=10)
    report = client.drain(timeout=10)
    print("drained, nothing is left" if report.clean else report)
