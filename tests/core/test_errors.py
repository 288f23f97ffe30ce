"""stomp.core.errors"""

import copy
import pickle

import pytest

from stomp.core import errors
from stomp.core.errors import (
    BrokerError,
    ConnectFailed,
    HeartbeatLost,
    LimitExceeded,
    ReceiptMissing,
    RemoteProtocolError,
    RetriesExhausted,
    StompError,
    UsageError,
)
from stomp.core.frames.frame import Frame, Headers

CLASSES = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, StompError)
]


def drawn_tree() -> dict[str, str]:
    """Class -> base, read from the picture in the module's docstring."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        bare = line.lstrip(" │├└─")
        if line.startswith("    ") and bare:
            depth = (len(line) - len(bare) - 4) // 4
            name = bare.split()[0]
            del path[depth:]
            parents[name] = path[-1] if path else "Exception"
            path.append(name)
    return parents


def test_tree_in_the_docstring_equals_the_classes() -> None:
    assert drawn_tree() == {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_each_error_accepts_a_text_or_nothing(cls: type[StompError]) -> None:
    assert str(cls("it broke")) == "it broke"
    assert cls("it broke").args == ("it broke",)
    assert str(cls()) == ""
    assert cls().args == ()


def test_the_hint_ends_the_text() -> None:
    error = UsageError("the file is closed", hint="open it")
    assert str(error) == "the file is closed (open it)"
    assert (error.message, error.hint) == ("the file is closed", "open it")
    assert str(UsageError(hint="open it")) == "open it"


def test_details_are_attributes() -> None:
    frame = Frame("ERROR", Headers(message="no"))
    cause = OSError("refused")
    failed = ConnectFailed("x", address="a:1", phase="stomp", frame=frame, failures=[cause])
    assert (failed.address, failed.phase, failed.frame, failed.failures) == ("a:1", "stomp", frame, (cause,))
    assert BrokerError("x", frame=frame).frame is frame
    assert LimitExceeded("x", limit="body").limit == "body"
    assert HeartbeatLost("x", silence=2.5).silence == 2.5
    assert ReceiptMissing("x", receipt="r-1").receipt == "r-1"
    assert RetriesExhausted("x", losses=3).losses == 3
    assert RemoteProtocolError("x", received=b"HTTP").received == b"HTTP"


@pytest.mark.parametrize("cls", CLASSES)
def test_details_have_a_value_of_their_type_if_they_are_unknown(cls: type[StompError]) -> None:
    details = {
        "address": "",
        "failures": (),
        "frame": None,
        "limit": "",
        "losses": 0,
        "phase": "",
        "receipt": "",
        "received": b"",
        "silence": 0.0,
    }
    error = cls("x")
    found = {name: value for name, value in vars(error).items() if name not in ("message", "hint")}
    assert found == {name: details[name] for name in found}
    assert (error.message, error.hint, error.recent) == ("x", "", ())


@pytest.mark.parametrize("cls", CLASSES)
def test_each_error_has_a_hint(cls: type[StompError]) -> None:
    assert str(cls("it broke", hint="mend it")) == "it broke (mend it)"


@pytest.mark.parametrize("cls", [StompError, BrokerError, ConnectFailed])
def test_texts_of_errors_are_one_line_of_bounded_length(cls: type[StompError]) -> None:
    assert str(cls("a\x1b\nb", hint="c\nd")) == "a\\x1b\\nb (c\\nd)"
    long = cls("x" * 2001, hint="y" * 2001)
    assert (long.message, long.hint) == ("x" * 1997 + "...", "y" * 1997 + "...")
    assert cls("x" * 2000).message == "x" * 2000


def test_errors_survive_copying_and_pickling() -> None:
    error = LimitExceeded("too much", limit="body", hint="send less")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(twin), twin.limit, twin.hint) == (str(error), "body", "send less")
