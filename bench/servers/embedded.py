"""The embedded broker as a server of the kit: it prints its port, and ends with its standard input."""

from __future__ import annotations

import sys

from stomp.broker import Broker

if __name__ == "__main__":
    with Broker() as broker:
        print(broker.port, flush=True)
        sys.stdin.read()
