"""Connections of the listener API over other transports: `stomp.adapter.ws` and `stomp.adapter.multicast`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stomp.adapter import multicast as multicast
    from stomp.adapter import ws as ws

_SUBMODULES = frozenset(["multicast", "ws"])


if not TYPE_CHECKING:  # type checkers would accept every name

    def __getattr__(name: str) -> Any:
        # stomp.py imports them with the package; here they are imported on first use.
        if name in _SUBMODULES:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
