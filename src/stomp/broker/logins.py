"""Who a client is: checks login and passcode, or the client certificate, of a CONNECT."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.settings import Settings


def user_of(
    settings: Settings, headers: Mapping[str, str], certificate: Mapping[str, Any] | None
) -> str | None:
    """The user of a connection; None if the client gave no login, and needs none.

    Args:
        settings: the settings of the broker.
        headers: the headers of the CONNECT.
        certificate: the verified client certificate, as `ssl.SSLSocket.getpeercert` returns it; None without one.

    Raises:
        RequestRefused: the login is refused.
    """
    login, users = headers.get("login"), settings.users
    if settings.user_from_certificate:
        name = common_name(certificate)
        # A client with a certificate may still log in as another user, with that user's passcode.
        if name is not None and login in (None, "", name) and (users is None or name in users):
            return name
        if users is None:
            raise settings.dialect.login_refused(login or name)
    if users is not None and not has_login(users, login or "", headers.get("passcode") or ""):
        raise settings.dialect.login_refused(login)
    return login


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The common name (CN) of the subject of a certificate; None if it has none, or more than one.

    >>> common_name({"subject": ((("organizationName", "Example"),), (("commonName", "robot"),))})
    'robot'
    """
    if not certificate:
        return None
    names = [
        value
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName" and value
    ]
    return str(names[0]) if len(names) == 1 else None


def has_login(users: Mapping[str, str | None], login: str, passcode: str) -> bool:
    """True for a known login with the right passcode.

    The passcode is compared for an unknown login, too, so that the time does not show whether a login exists.
    """
    expected = users.get(login)
    # JSON and the command line can contain half of a surrogate pair.
    given = passcode.encode("utf-8", "surrogatepass")
    same = hmac.compare_digest((expected or "").encode("utf-8", "surrogatepass"), given)
    return same and expected is not None
