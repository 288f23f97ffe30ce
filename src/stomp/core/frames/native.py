"""Which codec reads: the one in Python, or with it the one in C of the distribution ``stompkit-native``.

The choice is made once, when this module is imported: the native one, where it is installed, is for this version of
stompkit, and was not refused by ``STOMPKIT_NATIVE=0`` in the environment. Both read alike; see
``docs/explanation/codecs.md``.
"""

from __future__ import annotations

from typing import Any, Final

#: What is called of the native codec, and how. It has the same number, or it is not used.
INTERFACE: Final = 6


def _load() -> Any:
    try:
        import stomp_native  # type: ignore[import-not-found,unused-ignore]  # pyright: ignore
    except ImportError:
        return None
    return stomp_native if stomp_native.INTERFACE == INTERFACE else None


#: The native codec, or None. Decoders look here when they are made, everybody else when they need it.
native: Any = _load()


def name() -> str:
    """Which codec is in use.

    >>> name() in ("native", "pure")
    True
    """
    return "pure" if native is None else "native"
