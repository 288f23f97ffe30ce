"""What one client does in one process, as `key=value` words, which every language reads with a few lines.

The kinds of work, and what is measured of each:

    receive      messages in a row, `query` says which (see `bench.servers`)
    acknowledge  the same, each acknowledged by itself
    send         messages in a row, in one of the forms of `bench.forms`, until the server has the last one
    confirm      sends with a receipt, at most `window` of them unanswered
    pair         a send, then one that waits for its receipt
    roundtrip    a send, until it comes back
    connect      a connection, from nothing to gone
    stall        sends to a server that reads nothing, for `seconds` or until MOST bytes are taken
    idle         `connections` that do nothing but beat every `heartbeat` ms, for `seconds`
    produce      `count` sends to `destination`, the last one confirmed: for real brokers
    consume      `count` messages from `destination`; says READY when it is subscribed: for real brokers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

KINDS = (
    "receive acknowledge send confirm pair roundtrip connect stall idle produce consume".split()  # noqa: SIM905
)

#: Nothing in the kit takes this long, in seconds; a client that does has lost something.
PATIENCE = 60.0
#: What a sender to a stalled server may pile up, in bytes.
MOST = 256 * 1024 * 1024


@dataclass(frozen=True)
class Work:
    """The command line of a client's process."""

    kind: str
    port: int = 0
    host: str = "127.0.0.1"
    login: str = "guest"
    passcode: str = "guest"
    vhost: str = "/"
    seconds: float = 0.6  #: how long a run is to be
    count: int = 0  #: if not 0: one run of this many, instead of `seconds`
    size: int = 100  #: of a body, in bytes
    query: str = ""
    window: int = 1
    destination: str = "/queue/bench"
    connections: int = 1
    heartbeat: int = 0
    form: str = "bytes"  #: how a send is written, see `bench.forms`

    def words(self) -> list[str]:
        """For the command line."""
        return [f"{field.name}={getattr(self, field.name)}" for field in fields(self)]

    @classmethod
    def of(cls, words: Sequence[str]) -> Work:
        """Read a command line.

        Raises:
            ValueError: a word has no meaning.
        """
        types = {field.name: field.type for field in fields(cls)}
        given = dict(word.split("=", 1) for word in words)
        unknown = given.keys() - types.keys()
        if unknown or given.get("kind") not in KINDS:
            raise ValueError(f"not understood: {' '.join(sorted(unknown)) or given.get('kind')}")
        read = {"int": int, "float": float, "str": str}
        return cls(**{name: read[str(types[name])](value) for name, value in given.items()})

    def fire(self, count: int, **more: int) -> str:
        """The destination at which the server sends `count` messages."""
        options = "".join(f"&{name}={value}" for name, value in more.items())
        return f"/bench/fire?count={count}&size={self.size}{'&' if self.query else ''}{self.query}{options}"

    def first_count(self) -> int:
        """How many times to do it at first: little of what is large."""
        return self.count or max(1, min(10, (32 << 20) // (self.size + 1)))
