"""A transaction: a message is taken and two are sent, or nothing of it happens.

python examples/client_transactions.py [URL]
"""

import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"

with stomp.Client(url) as client:
    client.send("/queue/tx-orders", "shoes", confirm=True)
    with client.subscribe("/queue/tx-orders", ack="client-individual") as orders:
        order = orders.receive(timeout=10)
        assert order is not None

        try:
            with client.transaction() as transaction:
                transaction.send("/queue/tx-parcels", order.text)
                raise RuntimeError("the printer is out of paper")
        except RuntimeError as err:
            print("nothing was sent:", err)

        with client.transaction() as transaction:
            transaction.send("/queue/tx-parcels", order.text)
            transaction.send("/queue/tx-invoices", order.text)
            transaction.ack(order)
        print("all of it was done:", transaction.state)

    for queue in ("/queue/tx-parcels", "/queue/tx-invoices"):
        with client.subscribe(queue) as results:
            message = results.receive(timeout=10)
            assert message is not None
            print(queue, "has", message.text)
