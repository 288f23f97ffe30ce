"""A transport for Kombu, and with it for Celery, on `stomp.Client` (extra ``celery``).

```python
app = Celery("proj", broker="stomp://login:passcode@localhost:61613", backend="rpc://")
app.conf.broker_transport = "stomp.kombu:Transport"
```

Importing this module adds the names ``stomp``, ``stomps`` and ``stomp+ssl`` to Kombu's transports, so that a URL is
enough after it::

    import stomp.kombu

    connection = kombu.Connection("stomp://localhost:61613")
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

from stomp.kombu.channel import Channel
from stomp.kombu.transport import Transport

__all__ = ["Channel", "Transport"]

for _name in ("stomp", "stomps", "stomp+ssl"):
    TRANSPORT_ALIASES.setdefault(_name, "stomp.kombu:Transport")
