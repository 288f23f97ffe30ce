"""Loads the native codec in C from the distribution ``stompkit-native``, which speeds up the one in Python.

It is loaded once, when this module is imported, if it is installed, has the same `INTERFACE` as this module, and is not
disabled by ``STOMPKIT_NATIVE=0`` in the environment. Both codecs give the same results; see
``docs/explanation/codecs.md``.
"""

from __future__ import annotations

from typing import Any, Final

#: The version of the interface between this package and the native codec. It is not used if its number differs.
INTERFACE: Final = 7


def _load() -> Any:
    try:
        import stomp_native  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore
    except ImportError:
        return None
    return stomp_native if stomp_native.INTERFACE == INTERFACE else None


#: The module of the native codec, or None. A decoder reads it when it is created; other code reads it on each use.
native: Any = _load()


def name() -> str:
    """Return the active codec: "native" or "pure".

    >>> name() in ("native", "pure")
    True
    """
    return "pure" if native is None else "native"
