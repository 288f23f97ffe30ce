"""An embedded STOMP broker for development and tests. Messages are kept in memory, or in a file with `store=`.

>>> from stomp.broker import Broker
>>> with Broker() as broker:
...     address = (broker.host, broker.port)
"""

from stomp.broker.broker import Broker
from stomp.broker.permissions import Permissions
from stomp.broker.recording import FrameRecorder, RecordedFrame
from stomp.broker.settings import LIMITS, ConnectionInfo, ConsumerInfo, MessageInfo
from stomp.broker.store import Policy

__all__ = [
    "Broker",
    "ConnectionInfo",
    "FrameRecorder",
    "LIMITS",
    "MessageInfo",
    "Permissions",
    "Policy",
    "RecordedFrame",
    "ConsumerInfo",
]
