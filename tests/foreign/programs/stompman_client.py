"""stompman; see README.md."""

import asyncio
import importlib.metadata
import json
import os
from typing import Any

import stompman

TIMEOUT = 20
TEXT = "C:\\new\nGrüße"


async def main():
    env = {name: os.environ[f"FOREIGN_{name}"] for name in ["HOST", "PORT", "LOGIN", "PASSCODE"]}
    count, beat, idle = (int(os.environ[f"FOREIGN_{name}"]) for name in ("COUNT", "HEARTBEAT", "IDLE"))
    server = stompman.ConnectionParameters(env["HOST"], int(env["PORT"]), env["LOGIN"], env["PASSCODE"])
    # It has no option for the header `host`, and does not say the version of STOMP.
    seen: dict[str, Any] = {"library": importlib.metadata.version("stompman"), "version": None, "lacks": []}
    messages: asyncio.Queue[stompman.AckableMessageFrame] = asyncio.Queue()

    async def receive():
        return await asyncio.wait_for(messages.get(), TIMEOUT)

    def failed(error, frame):
        print(repr(error))

    async def subscribe(client, name, ack="auto"):
        if ack == "auto":
            return await client.subscribe(
                f"/queue/{name}", messages.put, ack="auto", on_suppressed_exception=failed
            )
        return await client.subscribe_with_manual_ack(f"/queue/{name}", messages.put, ack=ack)

    heartbeat = stompman.Heartbeat(beat, beat)
    async with stompman.Client([server], heartbeat=heartbeat, connect_retry_attempts=1) as client:
        receipts = 0
        for mode in ("auto", "client", "client-individual"):
            for number in range(count):
                await client.send(str(number).encode(), f"/queue/{mode}", receipt_timeout=TIMEOUT)
                receipts += 1
            subscription = await subscribe(client, mode, mode)
            numbers = []
            for number in range(count):
                message = await receive()
                numbers.append(int(message.body))
                if mode == "client-individual" or (mode == "client" and number == count - 1):
                    await message.ack()
            await subscription.unsubscribe()
            seen[mode] = numbers
        seen["receipts"] = receipts

        subscription = await subscribe(client, "nack", "client-individual")
        await client.send(b"0", "/queue/nack")
        seen["nack"] = []
        body = b""
        while body != b"1":
            message = await receive()
            body = message.body
            seen["nack"].append([int(body), message.headers.get("redelivered") == "true"])
            if len(seen["nack"]) == 1:
                await message.nack()
                await client.send(b"1", "/queue/nack")
            else:
                await message.ack()
        await subscription.unsubscribe()

        subscriptions = [await subscribe(client, "transaction")]
        try:
            async with client.begin() as transaction:
                await transaction.send(b"0", "/queue/transaction")
                raise asyncio.CancelledError  # an exception aborts it
        except asyncio.CancelledError:
            pass
        async with client.begin() as transaction:
            await transaction.send(b"1", "/queue/transaction")
            await transaction.send(b"2", "/queue/transaction")
        await client.send(b"3", "/queue/transaction")
        seen["transaction"] = []
        while seen["transaction"][-1:] != [3]:
            seen["transaction"].append(int((await receive()).body))

        subscriptions.append(await subscribe(client, "header"))
        await client.send(b"0", "/queue/header", headers={"text": TEXT})
        seen["header"] = (await receive()).headers["text"]

        subscriptions.append(await subscribe(client, "binary"))
        await client.send(bytes(range(256)), "/queue/binary")
        seen["binary"] = (await receive()).body.hex()

        subscriptions.append(await subscribe(client, "idle"))
        await asyncio.sleep(idle / 1000)
        await client.send(b"0", "/queue/idle")
        seen["idle"] = [int((await receive()).body)]
        # The end of the block waits until there are no subscriptions, then for the receipt of DISCONNECT.
        for subscription in subscriptions:
            await subscription.unsubscribe()
    seen["disconnect"] = True
    print(json.dumps(seen))


asyncio.run(main())
