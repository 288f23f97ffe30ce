"""A client of the engine for tests: it passes frames to the engine, and returns the frames of its outbox."""

from __future__ import annotations

from typing import Any

from stomp.broker.engine import Engine
from stomp.broker.model import Client
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import STOMP12, Version


class Party:
    """A client of the engine, with the methods that tests need."""

    def __init__(self, engine: Engine, version: Version = STOMP12) -> None:
        self.engine = engine
        self.version = version
        self.client: Client = engine.open(version)

    def subscribe(self, destination: str, id: str | None = "1", ack: str = "auto", **headers: Any) -> None:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        frame = commands.subscribe(self.version, destination, id, ack=ack, headers=extra)
        self.engine.handle(self.client, frame)

    def unsubscribe(self, id: str | None = "1", destination: str | None = None, **headers: Any) -> None:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        frame = commands.unsubscribe(self.version, id, destination=destination, headers=extra)
        self.engine.handle(self.client, frame)

    def send(self, destination: str, *bodies: str, tx: str | None = None, **headers: Any) -> None:
        for body in bodies:
            frame = commands.send(destination, body.encode(), transaction=tx, headers=headers)
            self.engine.handle(self.client, frame)

    def ack(self, message: Frame, *, negative: bool = False, tx: str | None = None, **headers: Any) -> None:
        name = message.headers["ack" if self.version is STOMP12 else "message-id"]
        frame = commands.ack(
            self.version,
            name,
            message.headers.get("subscription"),
            negative=negative,
            transaction=tx,
            headers=headers,
        )
        self.engine.handle(self.client, frame)

    def nack(self, message: Frame, *, tx: str | None = None, **headers: Any) -> None:
        self.ack(message, negative=True, tx=tx, **headers)

    def do(self, command: str, tx: str, receipt: str | None = None) -> None:
        self.engine.handle(self.client, commands.transaction(command, tx, receipt=receipt))

    def leave(self) -> None:
        self.engine.close(self.client)

    def frames(self) -> list[Frame]:
        return self.client.take()

    def messages(self) -> list[Frame]:
        return [frame for frame in self.frames() if frame.command == "MESSAGE"]

    def bodies(self) -> list[str]:
        return [frame.body.decode() for frame in self.messages()]


def party(engine: Engine, version: Version = STOMP12) -> Party:
    return Party(engine, version)


def receipts(frames: list[Frame]) -> list[str]:
    return [frame.headers["receipt-id"] for frame in frames if frame.command == "RECEIPT"]
