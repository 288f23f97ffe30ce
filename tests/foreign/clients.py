"""The foreign clients: what each lacks, and what it does differently for a defect of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What `header` of the programs sends; a library without escape sequences leaves out the line feed and the rest.
TEXT = "C:\\new\nGrüße"


@dataclass(frozen=True)
class Defect:
    """What a library does differently.

    Attributes:
        value: what its program prints, or what the broker gets.
        reason: why.
    """

    value: object
    reason: str


@dataclass(frozen=True)
class ForeignClient:
    """A client library.

    Attributes:
        name: its name in `scripts/foreign-clients`.
        title: its name in docs/howto/embedded-broker.md.
        library: the version that is pinned.
        stomp: the version of STOMP that it agrees on, if it has a name for it.
        lacks: the steps that it has no function for, each with the reason.
        differs: the fields of the line that differ from those of the other clients.
        got: the header `text` that the broker gets from it, if it is not the one that was meant.
        heartbeats: it can send and check heart-beats.
        names_host: it has an option for the header `host` of CONNECT.
    """

    name: str
    title: str
    library: str
    stomp: str | None = "1.2"
    lacks: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, Defect] = field(default_factory=dict)
    got: Defect | None = None
    heartbeats: bool = True
    names_host: bool = True

    def __str__(self) -> str:
        return self.name


_CLOSES = "it closes the connection after DISCONNECT, without waiting for a receipt"
_BACKSLASH_LAST = (
    "it replaces the escape sequence of the backslash after the others, so that \\\\n becomes a line feed"
)
_WRITES_RAW = Defect("C:\new", "it writes header values as they are, and the broker reads \\n as a line feed")
_READS_RAW = Defect("C\\c\\new", "it does not read escape sequences")

CLIENTS = [
    ForeignClient("stomp.py-4", "stomp.py", "4.1.22"),
    ForeignClient("stomp.py-8", "stomp.py", "8.2.0"),
    ForeignClient("stomp.py-9", "stomp.py", "9.0.0"),
    ForeignClient("stompman", "stompman", "3.16.0", stomp=None, names_host=False),
    ForeignClient(
        "stompjs", "@stomp/stompjs", "7.5.0", differs={"header": Defect("C:\\\new\nGrüße", _BACKSLASH_LAST)}
    ),
    ForeignClient(
        "webstomp",
        "webstomp-client",
        "1.2.6",
        lacks={"binary": "a body is a string", "disconnect": _CLOSES},
        differs={"header": _READS_RAW},
        got=_WRITES_RAW,
    ),
    ForeignClient("stompit", "stompit", "1.0.0", stomp=None),
    ForeignClient("go-stomp", "go-stomp", "3.1.3"),
    ForeignClient(
        "spring",
        "Spring's `WebSocketStompClient`",
        "6.2.12",
        lacks={"disconnect": _CLOSES, "transaction": "it has no BEGIN, COMMIT and ABORT"},
    ),
    ForeignClient(
        "ruby-stomp", "stomp (Ruby)", "1.4.10", differs={"header": Defect("C:\new\nGrüße", _BACKSLASH_LAST)}
    ),
    ForeignClient(
        "net-stomp",
        "Net::Stomp (Perl)",
        "0.61",
        stomp="1.1",
        lacks={"disconnect": _CLOSES},
        differs={
            "header": _READS_RAW,
            "0": Defect(None, "it sends an empty body for 0, which is false in Perl"),
        },
        got=_WRITES_RAW,
        heartbeats=False,
    ),
    ForeignClient(
        "php-stomp",
        "stomp (PHP)",
        "2.0.3",
        stomp=None,
        lacks={"disconnect": _CLOSES},
        differs={"header": _READS_RAW},
        got=_WRITES_RAW,
        heartbeats=False,
    ),
]
