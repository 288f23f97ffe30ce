"""stompkit by its listener API: the very program that measures stomp.py, for it is a drop-in replacement."""

from bench.adapters.stomp_py import Client
from stomp import _version

# stomp.py has no such module: this cannot be the other one by mistake.
VERSION = _version.__version__

__all__ = ["VERSION", "Client"]
