"""The asyncio client: the same verbs, with await.

python examples/async_client.py [URL]
"""

import asyncio
import sys

import stomp

url = sys.argv[1] if len(sys.argv) > 1 else "stomp://admin:password@localhost:61613"
DESTINATION = "/queue/async"


async def produce(client: stomp.AsyncClient) -> None:
    """Send, and wait for all confirmations at the end."""
    confirmations = [await client.send_async(DESTINATION, f"order {n}") for n in range(10)]
    for confirmation in confirmations:
        await confirmation
    print("ten orders are confirmed")


async def consume(client: stomp.AsyncClient) -> None:
    """Take ten orders, and acknowledge each."""
    async with client.subscribe(DESTINATION, ack="client-individual", prefetch=5) as orders:
        count = 0
        async for message in orders:
            async with message:
                count += 1
            if count == 10:
                break
    print("ten orders are done")


async def main() -> None:
    """Both at once, on two connections."""
    async with (
        stomp.AsyncClient(url) as producer,
        stomp.AsyncClient(url) as consumer,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(consume(consumer))
        tasks.create_task(produce(producer))


asyncio.run(main())
