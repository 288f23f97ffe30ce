"""Where the suite runs: brokers with their habits, and the doors that lead to them.

What brokers do alike is in the test bodies. What one of them does differently is a field of `Habits`, so that
the difference is written down once and can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest

VERSIONS = ("1.0", "1.1", "1.2")

_Test = TypeVar("_Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Habits:
    """What a broker does.

    Attributes:
        name: whose habits these are.
        versions: the STOMP versions that it speaks.
        ack_modes: the modes of SUBSCRIBE that want an ACK.
        window: it delivers several messages without waiting for the ACK of the first.
        refusal: what it says to a wrong password; None if it lets everybody in.
        redelivers: a message refused by NACK is delivered again.
        marks: it marks what it delivers again by ``redelivered:true``.
        answers_leaving: it answers the DISCONNECT by a RECEIPT.
        settles_in_transactions: an ACK can be part of a transaction.
        forgives: after an ERROR about a COMMIT that cannot be, the connection stays open.
        blames: that ERROR names the receipt that was asked for.
        nowhere: a destination that it refuses; None if it takes any.
        adds_length: a MESSAGE has a content-length also if the sender gave none.
        long_lines: header lines of 64 KiB are fine.
        queue_headers: what the SUBSCRIBE and SEND of a queue need, so that the queue does not outlive the tests.
        alters: header values that do not come back as they were sent, by (version, value): how they come back,
            or None for those that end the connection.
    """

    name: str
    versions: tuple[str, ...] = VERSIONS
    ack_modes: tuple[str, ...] = ("client", "client-individual")
    window: bool = True
    refusal: str | None = None
    redelivers: bool = True
    marks: bool = True
    answers_leaving: bool = True
    settles_in_transactions: bool = True
    forgives: bool = False
    blames: bool = True
    nowhere: str | None = None
    adds_length: bool = True
    long_lines: bool = True
    queue_headers: Mapping[str, str] = field(default_factory=dict)
    alters: Mapping[tuple[str, str], str | None] = field(default_factory=dict)

    def returns(self, version: str, value: str) -> str | None:
        """How a header value comes back."""
        return self.alters.get((version, value), value)


EMBEDDED = Habits(name="embedded", refusal="Access refused for user 'admin'", nowhere="")

#: The listener API speaks 1.2 over WebSockets, and nothing older.
EMBEDDED_WEB = replace(EMBEDDED, versions=("1.2",))

#: Escapes are a matter of 1.1 and later, but these two brokers read and write some of them in 1.0, too.
RABBITMQ = Habits(
    name="rabbitmq",
    refusal="Access refused for user 'admin'",
    forgives=True,
    blames=False,
    nowhere="/nonsense/x",
    # Five minutes after the last subscription a queue is gone.
    queue_headers=MappingProxyType({"x-expires": "300000"}),
    alters=MappingProxyType(
        {
            ("1.0", "a:b:c"): r"a\cb\cc",
            ("1.0", ":"): r"\c",
            ("1.0", r"C:\new\code"): r"C\c\new\code",
            ("1.0", "end\\"): None,
            ("1.0", r"\t is no escape"): None,
            ("1.0", "  before"): "before",
            ("1.0", " "): "",
        }
    ),
)

ACTIVEMQ = Habits(
    name="activemq",
    refusal=r"User name \[admin\] or password is invalid",
    redelivers=False,
    forgives=True,
    adds_length=False,
    long_lines=False,
    alters=MappingProxyType(
        {
            ("1.0", r"C:\new\code"): "C:",
            ("1.0", r"\n"): "",
            ("1.0", r"\c"): ":",
            ("1.0", r"a\\b"): r"a\b",
            ("1.0", "  before"): "before",
            ("1.0", "behind  "): "behind",
            ("1.0", "\taround\t"): "around",
            ("1.0", " "): "",
        }
    ),
)

STOMPSERVER = Habits(
    name="stompserver",
    versions=("1.0",),
    ack_modes=("client",),
    window=False,
    marks=False,
    answers_leaving=False,
    settles_in_transactions=False,
    blames=False,
    adds_length=False,
    alters=MappingProxyType(
        {
            ("1.0", "  before"): "before",
            ("1.0", "behind  "): "behind",
            ("1.0", "\taround\t"): "around",
            ("1.0", " "): "",
        }
    ),
)


@dataclass(frozen=True)
class Venue:
    """One door of a broker.

    Attributes:
        habits: what the broker does.
        address: where it listens.
        user: who may come in.
        password: with which password.
        vhost: the virtual host, where the broker cares.
        tls: the arguments of `set_ssl`; None for plain text.
        web: it speaks WebSocket.
        beat: the shortest heart-beat that the broker agrees to, in milliseconds.
    """

    habits: Habits
    address: tuple[str, int]
    user: str = "admin"
    password: str = field(default="password", repr=False)
    vhost: str | None = None
    tls: Mapping[str, Any] | None = None
    web: bool = False
    beat: int = 1000


@dataclass(frozen=True)
class TlsDoors:
    """Doors for what can go wrong with certificates.

    Attributes:
        open: a venue with TLS.
        foreign_ca: an authority that no door here has its certificate from.
        expired: a door whose certificate has expired, trusted otherwise.
        mutual: a door that wants a certificate of the client, and has it in `tls`.
        names: for each name, a venue that shows the certificate of that name to those who ask for it.
    """

    open: Venue
    foreign_ca: Path
    expired: Venue
    mutual: Venue
    names: Mapping[str, Venue]


def needs(check: Callable[[Habits], object]) -> Callable[[_Test], _Test]:
    """Mark a test as one for brokers that can do something."""

    def mark(test: _Test) -> _Test:
        test.needs = check  # type: ignore[attr-defined]
        return test

    return mark


def once(test: _Test) -> _Test:
    """Mark a test as one where the version does not matter: the newest will do."""
    test.once = True  # type: ignore[attr-defined]
    return test


def spread(metafunc: pytest.Metafunc, doors: Mapping[str, tuple[Habits, tuple[str, ...]]]) -> None:
    """Run a test at each of these doors, in each version and each ack mode that it asks for.

    Args:
        metafunc: what pytest gives to `pytest_generate_tests`.
        doors: by the name of a fixture that is a `Venue`: the habits, and the versions to speak there.
    """
    if "venue" not in metafunc.fixturenames:
        return
    test: Any = metafunc.function
    check = getattr(test, "needs", bool)
    by_version = "version" in metafunc.fixturenames
    by_mode = "ack_mode" in metafunc.fixturenames
    names = ["venue"] + ["version"] * by_version + ["ack_mode"] * by_mode
    cases: list[list[str]] = []
    for door, (habits, spoken) in doors.items():
        if not check(habits):
            continue
        versions = [version for version in spoken if version in getattr(test, "versions", VERSIONS)]
        if getattr(test, "once", False) or not by_version:
            versions = versions[-1:]
        modes = habits.ack_modes if by_mode else ("",)
        for version in versions:
            cases += [[door] + [version] * by_version + [mode] * by_mode for mode in modes]
    assert cases, f"{test.__qualname__} has no door to run at"
    ids = ["-".join(case) for case in cases]
    metafunc.parametrize(names, cases, indirect=["venue"], ids=ids)


def since(version: str) -> Callable[[_Test], _Test]:
    """Mark a test as one for this version and later."""

    def mark(test: _Test) -> _Test:
        test.versions = VERSIONS[VERSIONS.index(version) :]  # type: ignore[attr-defined]
        return test

    return mark
