"""An error becomes one line and a number."""

from __future__ import annotations

import re
import threading

import pytest

from stomp.cli.framework.exit_status import MEANINGS, CommandError, Interrupted, Status, verdict
from stomp.core import errors
from stomp.core.frames.frame import Frame, Headers

DENIED = errors.AuthenticationFailed("access refused")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("x"), Status.USAGE),
        (errors.AddressError("x"), Status.USAGE),
        (errors.FrameError("x"), Status.USAGE),
        (errors.BrokerError("x"), Status.REFUSED),
        (errors.ConnectFailed("x", frame=Frame("ERROR", Headers())), Status.REFUSED),
        (errors.ConnectFailed("x"), Status.UNREACHED),
        (errors.NotConnected("x"), Status.UNREACHED),
        (errors.HeartbeatLost("x"), Status.UNREACHED),
        (errors.ReceiptMissing("x"), Status.UNREACHED),
        (errors.SendStalled("x"), Status.UNREACHED),
        (errors.RemoteProtocolError("x"), Status.UNREACHED),
        (DENIED, Status.AUTHENTICATION),
        (
            errors.ConnectFailed("x", frame=Frame("ERROR", Headers()), failures=[DENIED]),
            Status.AUTHENTICATION,
        ),
        (CommandError("x"), Status.USAGE),
        (CommandError("x", status=Status.REFUSED), Status.REFUSED),
        (KeyboardInterrupt(), Status.INTERRUPTED),
        (Interrupted(), Status.INTERRUPTED),
        (FileNotFoundError(2, "gone", "x"), Status.USAGE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_status_depends_on_the_error_class(error: BaseException, status: Status) -> None:
    assert verdict(error).status is status


def test_error_of_the_broker_that_ended_the_connection_has_its_status() -> None:
    gone = errors.NotConnected("the connection has ended")
    gone.__cause__ = errors.BrokerError("no such destination")
    assert verdict(gone).status is Status.REFUSED
    gone.__cause__ = errors.ConnectionLost("cut")
    assert verdict(gone).status is Status.UNREACHED
    gone.__cause__.__cause__ = errors.BrokerError("no such destination")
    assert verdict(gone).status is Status.REFUSED


def test_all_errors_of_the_library_have_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, errors.StompError):
            assert verdict(kind("what")).text == "what"


def test_hint_follows_the_error_text() -> None:
    assert verdict(CommandError("no", hint="say yes")).text == "no (say yes)"
    assert verdict(errors.NotConnected("no", hint="call")).text == "no (call)"


def test_password_failure_is_reported_instead_of_the_wrapper() -> None:
    cause = CommandError("the password cannot be read from gone: no such file")
    error = errors.ConnectFailed("x", failures=[errors.ConnectFailed("x", failures=[cause])])
    assert verdict(error) == (Status.USAGE, "the password cannot be read from gone: no such file")


def test_hints_name_options() -> None:
    def hint_text(hint: str) -> str:
        return verdict(errors.ConnectFailed("Virtual host" if "virtual" in hint else "no", hint=hint)).text

    assert hint_text("give the authority that signed the broker's certificate as CA file") == (
        "no (give the authority that signed the broker's certificate by --ssl-ca-file)"
    )
    assert hint_text("set the virtual host: RabbitMQ's default one is '/'") == (
        "Virtual host (set the virtual host with --vhost /)"
    )
    assert hint_text("pass the broker's headers with headers=, or its kind with broker=") == (
        "no (pass the broker's header with --header, or name its kind in the URL: ?broker=KIND)"
    )


def test_virtual_host_hint_names_the_option() -> None:
    error = errors.BrokerError("Virtual host '127.0.0.1' access denied")
    assert re.search(r"--vhost /\)$", verdict(error).text)


def test_os_error_names_the_file() -> None:
    assert verdict(IsADirectoryError(21, "Is a directory", "/tmp")).text == "/tmp: Is a directory"
    assert verdict(FileNotFoundError(2, "gone", b"/x")).text == "/x: gone"
    assert verdict(OSError(5, "broken")).text == "broken"
    assert verdict(OSError("odd")).text == "odd"


def test_unexpected_exception_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        verdict(ZeroDivisionError())


def test_interruption_of_a_lock_has_the_status_of_an_interruption() -> None:
    lock = threading.Lock()
    with pytest.raises(RuntimeError) as raised, lock:
        lock.release()
        raise Interrupted
    assert verdict(raised.value).status is Status.INTERRUPTED


def test_every_status_has_an_explanation() -> None:
    assert set(MEANINGS) == set(Status)
