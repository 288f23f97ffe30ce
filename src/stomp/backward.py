"""Names that stomp.py 4 had for compatibility with Python 2 and 3: `stomp.backward` and five aliases of this module
(see `stomp.classic.module_aliases`).

Existing programs and tests still import these names. New code does not need them.
"""

from __future__ import annotations

import socket
import sys
from time import monotonic

from stomp.utils import NULL, decode, encode, get_errno, join, pack

__all__ = [
    "NULL",
    "decode",
    "encode",
    "get_errno",
    "get_socket",
    "input_prompt",
    "join",
    "monotonic",
    "pack",
    "socket",
    "sys",
]


def input_prompt(prompt: str) -> str:
    """Prompt on the terminal."""
    return input(prompt)


def get_socket(host: str, port: int, timeout: float | None = None) -> socket.socket:
    """Open a socket that is connected to an address."""
    return socket.create_connection((host, port), timeout)
