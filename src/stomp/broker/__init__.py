"""An embedded STOMP broker for trying things out, developing and testing. Messages are in memory.

>>> from stomp.broker import Broker
>>> with Broker() as broker:
...     address = (broker.host, broker.port)
"""

from stomp.broker.broker import Broker
from stomp.broker.settings import LIMITS, ConnectionInfo
from stomp.broker.store import Policy

__all__ = ["Broker", "ConnectionInfo", "LIMITS", "Policy"]
