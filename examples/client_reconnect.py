"""The connection breaks, and the program goes on: what it can see of that.

    python examples/client_reconnect.py [URL]

A relay between the client and the broker plays the network, and is cut.
"""

import sys

import stomp
from stomp.net.address import parse
from stomp.testing.relay import Relay

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
target = parse(url)
[broker] = target.addresses
DESTINATION = "/queue/reconnect"

with Relay(broker.host, broker.port) as network:
    client = stomp.Client(network.url, login=target.login, passcode=target.passcode, on_unknown="resend")
    with client:
        states = client.states(timeout=10)
        orders = client.subscribe(DESTINATION, ack="client-individual")
        client.send(DESTINATION, "shoes", confirm=True)
        order = orders.receive(timeout=10)
        assert order is not None

        network.cut()
        for change in states:
            print("*", change.state.value)
            if change.state is stomp.ClientState.CONNECTED:
                break
        try:
            order.ack()
        except stomp.StaleDelivery as err:
            print("the first one:", err)

        with orders.receive(timeout=10) as again:
            print("delivered again:", again.text)
