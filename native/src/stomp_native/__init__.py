"""The hot part of receiving, in C, for stompkit: `import stomp` uses it where it is installed.

With ``STOMPKIT_NATIVE=0`` in the environment it lets nobody import it, and stompkit reads with Python alone.
"""

import os

if os.environ.get("STOMPKIT_NATIVE") == "0":
    raise ImportError("refused by STOMPKIT_NATIVE=0")

from stomp_native._codec import INTERFACE, Scanner, route, text

__all__ = ["INTERFACE", "Scanner", "route", "text"]
