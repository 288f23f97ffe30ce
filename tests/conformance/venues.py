"""The brokers that the conformance suite runs with: their differences (`Habits`) and their addresses (`Venue`).

Behaviour that all brokers share is in the test bodies. A difference of a broker is a field of `Habits`, so that it is
written down in one place.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest

VERSIONS = ("1.0", "1.1", "1.2")

_Test = TypeVar("_Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Habits:
    """The behaviour of a broker where brokers differ.

    Attributes:
        name: the broker.
        versions: the STOMP versions that it supports.
        ack_modes: the supported ack modes that need an ACK.
        window: it delivers several messages without waiting for the ACK of the first.
        refusal: the error text for a wrong password; None if it accepts every login.
        redelivers: a message refused by NACK is delivered again.
        discards: a NACK can remove a message: each one does, or with ``requeue:false`` if it otherwise redelivers.
        marks: redelivered messages have the header ``redelivered:true``.
        answers_leaving: it answers a DISCONNECT by a RECEIPT.
        settles_in_transactions: an ACK can be part of a transaction.
        forgives: after an ERROR for an impossible COMMIT, the connection stays open.
        forgives_in: the versions in which it does so although `forgives` is False.
        blames: this ERROR has the ``receipt-id`` of the COMMIT.
        nowhere: a destination that it refuses; None if it accepts every destination.
        adds_length: the versions in which a MESSAGE has a content-length also if the SEND had none.
        commit_error: in the ERROR for a COMMIT of an unknown transaction; a regular expression. None if the broker
            answers such a COMMIT by a RECEIPT.
        unsubscribe_settles: with ack "auto", what was delivered before UNSUBSCRIBE is not delivered again.
        long_lines: it accepts header lines of 64 KiB.
        beats: the heart-beat intervals in milliseconds that it has in each CONNECTED; None if it accepts those of the
            client.
        lone_topics: it accepts a message to a topic that has no subscription.
        temporary: it makes a temporary queue for the replies to a request.
        gives_back: its NACK discards the message, so that a program that fails has its message given back by the end
            of the connection instead.
        notices_resets: it delivers the unacknowledged messages of a connection again when this is reset (RST), and
            not only after two heart-beat intervals without data.
        pool: the queues that exist, ``/queue/pool-NUMBER``, if the broker makes none on demand; otherwise empty.
        topic_prefix: how the names of topics begin.
        queue_headers: headers for SUBSCRIBE and SEND to a queue, so that the broker deletes the queue after the tests.
        queue_patterns: a SUBSCRIBE to a queue can have the wildcards ``*`` and ``>``.
        composites: the destination of a SEND or SUBSCRIBE can be several, separated by commas.
        retroactive: a topic ``retroactive.NAME`` keeps three messages for retroactive subscriptions.
        advisories: there are advisory topics for connections and consumers.
        many_words: the wildcards of topics for any number of words; empty if they are not tested.
        passive_names: ``/amq/queue/NAME`` is a queue that exists, and declares none.
        alters: (version, header value) -> the value that arrives, for values that do not arrive unchanged; None for
            values that end the connection.
        alters_receipts: (version, ``receipt``) -> the ``receipt-id``, where the two differ.
    """

    name: str
    versions: tuple[str, ...] = VERSIONS
    ack_modes: tuple[str, ...] = ("client", "client-individual")
    window: bool = True
    refusal: str | None = None
    redelivers: bool = True
    discards: bool = True
    marks: bool = True
    answers_leaving: bool = True
    settles_in_transactions: bool = True
    forgives: bool = False
    forgives_in: tuple[str, ...] = ()
    blames: bool = True
    nowhere: str | None = None
    adds_length: tuple[str, ...] = VERSIONS
    commit_error: str | None = "transaction"
    unsubscribe_settles: bool = True
    long_lines: bool = True
    beats: tuple[int, int] | None = None
    lone_topics: bool = True
    temporary: bool = True
    gives_back: bool = False
    notices_resets: bool = True
    pool: range = range(0)
    topic_prefix: str = "/topic/"
    queue_headers: Mapping[str, str] = field(default_factory=dict)
    queue_patterns: bool = False
    composites: bool = False
    retroactive: bool = False
    advisories: bool = False
    many_words: str = ""
    passive_names: bool = False
    alters: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    alters_receipts: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def returns(self, version: str, value: str) -> str | None:
        """The value that arrives for a header value that was sent."""
        return self.alters.get((version, value), value)

    def returns_receipt(self, version: str, name: str) -> str:
        """The ``receipt-id`` that answers this ``receipt``."""
        return self.alters_receipts.get((version, name), name)

    def agreed_beats(self, beat: int) -> tuple[int, int]:
        """The heart-beat intervals of a client that has requested `beat` for both directions: (sent, received)."""
        sent, received = self.beats or (beat, beat)
        return max(beat, received), max(beat, sent)


EMBEDDED = Habits(
    name="embedded",
    refusal="Access refused for user 'admin'",
    nowhere="",
    queue_patterns=True,
    composites=True,
    advisories=True,
    many_words="#>",
)
#: The specification without extensions.
STRICT = replace(EMBEDDED, name="strict", queue_patterns=False, composites=False, advisories=False)

#: Over WebSockets, the listener API supports only 1.2.
EMBEDDED_WEB = replace(EMBEDDED, versions=("1.2",))

#: Escapes exist in STOMP 1.1 and later only, but these two brokers read and write some of them in 1.0, too.
RABBITMQ = Habits(
    name="rabbitmq",
    refusal="Access refused for user 'admin'",
    forgives=True,
    blames=False,
    nowhere="/nonsense/x",
    # RabbitMQ deletes the queue five minutes after its last subscription.
    queue_headers=MappingProxyType({"x-expires": "300000"}),
    many_words="#",
    passive_names=True,
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
    adds_length=(),
    long_lines=False,
    queue_patterns=True,
    composites=True,
    retroactive=True,
    advisories=True,
    many_words=">",
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

#: Debian's package has no XStream, which writes the bodies of advisories.
ACTIVEMQ_DEBIAN = replace(ACTIVEMQ, advisories=False)
RABBITMQ4 = replace(RABBITMQ, name="rabbitmq4")
ACTIVEMQ6 = replace(ACTIVEMQ, name="activemq6", refusal="(?s).*")
ACTIVEMQ61 = replace(ACTIVEMQ6, name="activemq61")

#: It trims the beginning of header values in 1.0, and takes ACK and NACK out of transactions.
ARTEMIS = Habits(
    name="artemis",
    refusal="(?s).*",
    redelivers=False,
    settles_in_transactions=False,
    adds_length=("1.1", "1.2"),
    commit_error="committing",
    forgives_in=("1.0",),
    unsubscribe_settles=False,
    many_words="#",
    gives_back=True,
    alters=MappingProxyType(
        {("1.0", "  before"): "before", ("1.0", "\taround\t"): "around\t", ("1.0", " "): ""}
    ),
)
ARTEMIS_NEXT = replace(ARTEMIS, name="artemis-next")

APOLLO = Habits(
    name="apollo",
    refusal="(?s).*",
    # A NACK always makes it deliver again, at once and without ``redelivered``. So does the end of a connection.
    discards=False,
    marks=False,
    blames=False,
    nowhere="nonsense",
    adds_length=(),
    # It fails to write the text of this ERROR.
    commit_error="illegalformatconversion",
    # It resets the connection at a header line of 20 KB.
    long_lines=False,
    beats=(100, 10_000),
    # In 1.0, its RECEIPT has no other characters than ASCII.
    alters_receipts=MappingProxyType({("1.0", "ä ☃"): "", ("1.0", "ä☃"): ""}),
)

#: It trims the beginning of header values in 1.0, and takes ACK and NACK out of transactions, as its heir Artemis does.
HORNETQ = Habits(
    name="hornetq",
    refusal="(?s).*",
    redelivers=False,
    settles_in_transactions=False,
    forgives=True,
    nowhere="/queue/none",
    adds_length=("1.2",),
    commit_error=None,
    # A topic exists as long as it has a subscription.
    lone_topics=False,
    temporary=False,
    gives_back=True,
    notices_resets=False,
    # tests/brokers has the others.
    pool=range(1000, 3000),
    topic_prefix="jms.topic.",
    alters=ARTEMIS.alters,
    # It does not escape the receipt-id.
    alters_receipts=MappingProxyType({(version, "ä: ☃\\\n"): "ä: ☃\\" for version in ("1.1", "1.2")}),
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
    adds_length=(),
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
    """One listening address of a broker.

    Attributes:
        habits: the behaviour of the broker.
        address: (host, port).
        user: the login.
        password: the passcode.
        vhost: the virtual host, if the broker needs one.
        tls: the arguments of `set_ssl`; None for plain text.
        web: it is for WebSockets.
        beat: the shortest heart-beat interval that the broker accepts, in milliseconds.
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
class TlsVenues:
    """Addresses with TLS, for tests of certificates.

    Attributes:
        open: an address with a valid certificate.
        foreign_ca: an authority that has issued none of these certificates.
        expired: an address whose certificate is trusted but has expired.
        mutual: an address that requires a client certificate; `tls` contains one.
        names: for each host name, an address that has a certificate for this name, selected by SNI.
    """

    open: Venue
    foreign_ca: Path
    expired: Venue
    mutual: Venue
    names: Mapping[str, Venue]


def needs(check: Callable[[Habits], object], reason: str) -> Callable[[_Test], _Test]:
    """Mark a test that is left out with brokers for which `check` is false, for this reason."""

    def mark(test: _Test) -> _Test:
        test.needs = [(check, reason), *getattr(test, "needs", ())]  # type: ignore[attr-defined]
        return test

    return mark


def left_out(test: Any, habits: Habits) -> list[pytest.MarkDecorator]:
    """A mark that skips this test with its reason, if the broker cannot do what the test `needs`."""
    reason = next((reason for check, reason in getattr(test, "needs", ()) if not check(habits)), None)
    return [] if reason is None else [pytest.mark.skip(reason=f"left out with {habits.name}: {reason}")]


#: Reasons for `needs`.
NO_TEMPORARY = "it makes no temporary queues for replies"
NO_REDELIVERY = "it does not deliver again after NACK"


def numbers(pool: range) -> Iterator[int]:
    """The numbers of a pool of queues, again and again, from any of them: another run may be under way.

    Of the processes of one run, each has other numbers.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = pool[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) :: count]
    start = random.randrange(len(mine))
    return itertools.cycle([*mine[start:], *mine[:start]])


def once(test: _Test) -> _Test:
    """Mark a test that does not depend on the version: it runs with the newest one only."""
    test.once = True  # type: ignore[attr-defined]
    return test


def spread(metafunc: pytest.Metafunc, venues: Mapping[str, tuple[Habits, tuple[str, ...]]]) -> None:
    """Run a test with each of these addresses, and with each version and ack mode, if it has these parameters.

    Args:
        metafunc: the argument of `pytest_generate_tests`.
        venues: name of a fixture that is a `Venue` -> the habits of the broker, and the versions to test.
    """
    if "venue" not in metafunc.fixturenames:
        return
    test: Any = metafunc.function
    by_version = "version" in metafunc.fixturenames
    by_mode = "ack_mode" in metafunc.fixturenames
    names = ["venue"] + ["version"] * by_version + ["ack_mode"] * by_mode
    cases: list[Any] = []
    for venue, (habits, spoken) in venues.items():
        marks = left_out(test, habits)
        versions = [version for version in spoken if version in getattr(test, "versions", VERSIONS)]
        if not versions and habits.versions == ("1.0",):
            marks = [pytest.mark.skip(reason=f"left out with {habits.name}: it speaks only 1.0")]
            versions = ["1.0"]
        # What is left out counts once for each broker.
        if marks or getattr(test, "once", False) or not by_version:
            versions = versions[-1:]
        modes = habits.ack_modes if by_mode else ("",)
        for version in versions:
            for mode in modes[: 1 if marks else None]:
                case = [venue] + [version] * by_version + [mode] * by_mode
                cases.append(pytest.param(*case, marks=marks, id="-".join(case)))
    assert cases, f"{test.__qualname__} has no venue to run with"
    metafunc.parametrize(names, cases, indirect=["venue"])


def since(version: str) -> Callable[[_Test], _Test]:
    """Mark a test that only runs with this version and later ones."""

    def mark(test: _Test) -> _Test:
        test.versions = VERSIONS[VERSIONS.index(version) :]  # type: ignore[attr-defined]
        return test

    return mark
