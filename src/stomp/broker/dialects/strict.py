"""The dialect "strict": the STOMP specification without extensions; a header of an extension is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from stomp.broker.dialects.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping


class Strict(Dialect):
    """The specification only."""

    name: ClassVar[str] = "strict"
    refuses_unsupported: ClassVar[bool] = True
    subscribe_headers: ClassVar[frozenset[str]] = frozenset()
    send_headers: ClassVar[frozenset[str]] = frozenset()
    detects_duplicates: ClassVar[bool] = False
    named_queues: ClassVar[bool] = False
    has_groups: ClassVar[bool] = False
    composite: ClassVar[bool] = False
    queue_wildcards: ClassVar[bool] = False
    virtual_topics: ClassVar[bool] = False
    advisories: ClassVar[Literal["", "named", "all"]] = ""

    def expiry(self, headers: Mapping[str, str], now: float) -> float | None:
        return None
