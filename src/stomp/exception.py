"""The exceptions under the names of stomp.py. The classes are those of `stomp.core.errors`."""

from stomp.core.errors import ConnectFailed as ConnectFailedException
from stomp.core.errors import ConnectionLost as ConnectionClosedException
from stomp.core.errors import NotConnected as NotConnectedException
from stomp.core.errors import StompError as StompException

__all__ = [
    "ConnectFailedException",
    "ConnectionClosedException",
    "InterruptedException",
    "NotConnectedException",
    "StompException",
]


class InterruptedException(StompException):
    """Never raised. stomp.py used it internally, and programs refer to it."""
