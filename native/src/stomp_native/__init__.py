"""The hot parts of receiving and sending, in C, for stompkit: `import stomp` uses it where it is installed.

With ``STOMPKIT_NATIVE=0`` in the environment it lets nobody import it, and stompkit reads with Python alone.
"""

import os

if os.environ.get("STOMPKIT_NATIVE") == "0":
    raise ImportError("refused by STOMPKIT_NATIVE=0")

from stomp_native._codec import INTERFACE, Scanner, route, text
from stomp_native._encode import encode_plain

__all__ = ["INTERFACE", "Scanner", "encode_plain", "route", "text"]
