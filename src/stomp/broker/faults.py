"""Faults that a developer can cause, to see what a client does: refused logins, ERROR frames, delays.

`stomp.broker.administration` has those that concern a destination or a subscription.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """The faults of a broker that are on.

    Attributes:
        refuse_logins: every CONNECT gets an ERROR.
        errors_on_send: the number of SEND frames that get an ERROR next; its connection is then closed (STOMP 1.2,
            "ERROR").
        error_destination: only a SEND to this destination gets one; None for any.
        delay: seconds that the broker waits before it handles what it has read from a connection.
    """

    refuse_logins: bool = False
    errors_on_send: int = 0
    error_destination: str | None = None
    delay: float = 0.0

    def takes_send(self, destination: str) -> bool:
        """True if this SEND gets an ERROR; counts it."""
        if not self.errors_on_send or self.error_destination not in (None, destination):
            return False
        self.errors_on_send -= 1
        return True
