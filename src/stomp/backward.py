"""Names that stomp.py 4 had for Python 2 and 3 at once: `stomp.backward`, and five aliases of this module (see
`stomp.classic.module_aliases`).

Programs and tests written for it still import these; there is nothing here that new code needs.
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
    """Ask at the terminal."""
    return input(prompt)


def get_socket(host: str, port: int, timeout: float | None = None) -> socket.socket:
    """A socket connected to an address."""
    return socket.create_connection((host, port), timeout)
