"""Exit statuses, and the text and the exit status for each error."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from stomp.core.errors import (
    AuthenticationFailed,
    BrokerError,
    ConnectFailed,
    FrameError,
    NotConnected,
    StompError,
    UsageError,
)


class Status(IntEnum):
    """The exit statuses of all commands. `MEANINGS` has a description of each."""

    OK = 0
    USAGE = 1
    REFUSED = 2
    UNREACHED = 3
    AUTHENTICATION = 4
    INTERRUPTED = 130


MEANINGS = {
    Status.OK: "success; also if the reader of the output has closed it, and after SIGTERM for commands that run until "
    "they are stopped",
    Status.USAGE: "wrong usage: an option, an argument, a file or a setting",
    Status.REFUSED: "the broker refused a request",
    Status.UNREACHED: "the broker was not reached, the connection was lost, or there was no answer in time",
    Status.AUTHENTICATION: "the broker refused the user or the password",
    Status.INTERRUPTED: "interrupted by Ctrl-C, or by SIGTERM before the end",
}


class CommandError(Exception):
    """A command failed for a reason that it can explain to the user.

    Args:
        text: what happened, in one line, without a full stop.
        status: the exit status.
        hint: what to do about it.
    """

    def __init__(self, text: str, *, status: Status = Status.USAGE, hint: str = "") -> None:
        super().__init__(f"{text} ({hint})" if hint else text)
        self.status = status


class Interrupted(KeyboardInterrupt):
    """SIGTERM, or a signal that `StopSignal` handles. It is raised where Ctrl-C raises `KeyboardInterrupt`."""


class Terminated(Interrupted):
    """SIGTERM stopped a command that runs until it is stopped. Supervisors expect exit status 0 then."""


class Verdict(NamedTuple):
    """The exit status and the error text of a command."""

    status: Status
    text: str


def verdict(error: BaseException) -> Verdict:
    """The exit status for an error, and its text in one line.

    >>> verdict(FileNotFoundError(2, "No such file or directory", "x.json"))
    Verdict(status=<Status.USAGE: 1>, text='x.json: No such file or directory')

    Raises:
        BaseException: the error itself, if it is of any other type. It is a bug then.
    """
    error = interruption(error) or error
    if isinstance(error, CommandError):
        return Verdict(error.status, str(error))
    if (api_name := password_error(error)) is not None:
        return Verdict(api_name.status, str(api_name))
    if isinstance(error, StompError):
        return Verdict(status_of(error), _with_hint(str(error)))
    if isinstance(error, Terminated):
        return Verdict(Status.OK, "")
    if isinstance(error, KeyboardInterrupt):
        return Verdict(Status.INTERRUPTED, "interrupted")
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        has_file = error.filename is not None
        return Verdict(Status.USAGE, f"{_name(error.filename)}: {reason}" if has_file else reason)
    raise error


def interruption(error: BaseException) -> KeyboardInterrupt | None:
    """The interruption that caused a `RuntimeError` of a lock; None if there was none.

    A signal handler can raise while `threading.Condition.wait` has released its lock. The ``with`` statement around it
    then raises "cannot release un-acquired lock", and the interruption is the context of that error.
    """
    cause = error.__context__ if isinstance(error, RuntimeError) else None
    return cause if isinstance(cause, KeyboardInterrupt) else None


def status_of(error: StompError) -> Status:
    """The exit status for an error of the library."""
    while isinstance(error, NotConnected) and isinstance(error.__cause__, NotConnected | BrokerError):
        error = error.__cause__  # perhaps the answer to the command before, which ended the connection
    refusals = [error, *getattr(error, "failures", ())]
    if any(isinstance(refusal, AuthenticationFailed) for refusal in refusals):
        return Status.AUTHENTICATION
    if isinstance(error, BrokerError) or (isinstance(error, ConnectFailed) and error.frame is not None):
        return Status.REFUSED
    if isinstance(error, UsageError | FrameError):
        return Status.USAGE
    return Status.UNREACHED


def password_error(error: BaseException) -> CommandError | None:
    """The `CommandError` of a failed password source, searched in the failures of an error; None if there is none.

    The text of the error of the client omits it, because the text of other errors may contain the password.
    """
    for failure in getattr(error, "failures", ()):
        found = failure if isinstance(failure, CommandError) else password_error(failure)
        if found is not None:
            return found
    return None


def _name(filename: object) -> str:
    return filename.decode(errors="replace") if isinstance(filename, bytes) else str(filename)


#: Phrases in hints of the library, and the options of the command line that replace them.
_OPTIONS = {
    "as CA file": "by --ssl-ca-file",
    "set the virtual host: RabbitMQ's default one is '/'": "set the virtual host with --vhost /",
    "that the broker has: vhost=": "that the broker has: --vhost NAME",
    "use stomp+ssl://, set_ssl() or --ssl": "use stomp+ssl:// or --ssl",
    ", without set_ssl() and --ssl": ", without --ssl",
    "give a client certificate: cert_file and key_file": "give --ssl-cert-file and --ssl-key-file",
    "heartbeat=(10000, 10000), in stomp.Connection heartbeats=": "--heartbeats 10000,10000",
    ", too: versions=": ", too: leave out --protocol",
    "pass the broker's headers with headers=, or its kind with broker=": "pass the broker's header with --header, or "
    "name its kind in the URL: ?broker=KIND",
    "give broker='spring'": "add ?broker=spring to the URL",
    "send without confirm=True": "use stomp send --no-confirm",
    "subscribe with ack='auto'": "use stomp listen --ack auto",
    "send without a transaction": "use stomp doctor",
    "subscribe to a queue for replies, and send with headers={'reply-to': QUEUE}": "use stomp listen QUEUE for the "
    "replies, and stomp send --header reply-to:QUEUE",
}


def with_options(text: str) -> str:
    """Replace API names in a hint of the library with options of the command line."""
    for api_name, option in _OPTIONS.items():
        text = text.replace(api_name, option)
    return text


def _with_hint(text: str) -> str:
    """Replace API names with options, and add a hint about the virtual host if there is none."""
    text = with_options(text)
    lower = text.lower()
    if "virtual host" in lower and "--vhost" not in lower:
        return f"{text} (set the virtual host with --vhost /)"
    return text
