"""See what a client does: numbers, state changes, hooks, and the last frames.

python examples/client_hooks.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"


class Observer(stomp.Hooks):
    """Counts, and says what becomes of what is sent."""

    def sending(self, frame):
        print("sending to", frame.headers["destination"])
        return lambda error: print("failed" if error else "the broker has it")

    def settled(self, message, how):
        print(how, message.text)


with stomp.Client(url, hooks=[Observer()]) as client:
    client.send("/queue/hooks", "shoes", confirm=True)
    with client.subscribe("/queue/hooks", ack="client-individual") as messages, messages.receive(timeout=10):
        pass

# Hooks run on a thread, and `client` waits for them when it closes.
stats = client.stats()
print(stats.confirmed, "confirmed,", stats.messages, "received")
print("passcode" in "".join(client.recent_frames()), "swordfish" in "".join(client.recent_frames()))
