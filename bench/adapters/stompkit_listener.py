"""stompkit by its listener API: the very program that measures stomp.py, for it is a drop-in replacement."""

from bench.adapters import stompkit_version
from bench.adapters.stomp_py import Client

VERSION = stompkit_version()

__all__ = ["VERSION", "Client"]
