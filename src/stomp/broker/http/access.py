"""`Access`: what the user of a request may see and change.

Rules of this file:

- A user with `stomp.broker.Permissions` reads the destinations that a SUBSCRIBE may name, and writes to those that a
  SEND may name. To delete messages is to read them. Of connections and frames, this user has the own ones.
- A fault that concerns other users too needs a user who may use all destinations.
- What a user may not see is left out of lists; to name it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, owner_of, qualify
from stomp.broker.permissions import AccessRefused, Permissions

if TYPE_CHECKING:
    from stomp.broker.http.monitor import Monitor
    from stomp.broker.recording import RecordedFrame
    from stomp.broker.server import Server
    from stomp.broker.settings import ConnectionInfo


@dataclass(frozen=True)
class Access:
    """The rights of one user.

    Attributes:
        user: the user; None if the broker accepts every login.
        permissions: the destinations that the user may use; None for all, and for every fault.
    """

    user: str | None = None
    permissions: Permissions | None = None

    @property
    def is_limited(self) -> bool:
        """True if the user may not see and change everything."""
        return self.permissions is not None

    def can_read(self, server: Server, name: str) -> bool:
        """True if the user may see the messages of a destination; `name` is the one inside the broker."""
        if self.permissions is None:
            return True
        if is_temporary(name):
            # For a subscription, the broker checks the connection.
            owner = server.login_of_client(owner_of(name))
            return owner is not None and owner == self.user
        return self.permissions.can_read(name)

    def check_read(self, server: Server, name: str) -> None:
        """Raise `AccessRefused` if the user may not see the messages of a destination."""
        if not self.can_read(server, name):
            raise AccessRefused("access refused", f"this user may not read from {name!r:.200}")

    def check_write(self, destination: str) -> None:
        """Raise `AccessRefused` if the user may not send to a destination."""
        if self.permissions is not None:
            self.permissions.check_write(qualify(destination, 0))

    def check_unlimited(self) -> None:
        """Raise `AccessRefused` if the user may not use all destinations."""
        if self.is_limited:
            raise AccessRefused("access refused", "this fault needs a user who may use all destinations")

    def sees_connection(self, connection: ConnectionInfo) -> bool:
        """True if the user may see and change a connection."""
        return not self.is_limited or (connection.login is not None and connection.login == self.user)

    def sees_frame(self, monitor: Monitor, frame: RecordedFrame) -> bool:
        """True if the user may see a frame."""
        return not self.is_limited or monitor.logins.get(frame.connection) == self.user


#: The access of everyone, if there are no logins.
UNLIMITED = Access()


def access_of(user: str | None, permissions: Permissions | None) -> Access:
    """The access of a user with these permissions; None for a user without."""
    return Access(user, None if permissions is None or permissions.allow_all else permissions)
