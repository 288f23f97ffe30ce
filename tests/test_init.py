"""`import stomp`: the package provides all public names, and loads their modules on first use."""

import subprocess
import sys
from typing import Any

import pytest

import stomp
from stomp.core import errors


def test_public_names_come_from_their_modules():
    assert stomp.Connection is stomp.Connection11 is stomp.connect.StompConnection11
    assert stomp.Connection10 is stomp.StompConnection10
    assert stomp.Connection12 is stomp.StompConnection12
    assert stomp.PrintingListener is stomp.listener.PrintingListener
    assert stomp.WSConnection is stomp.WSStompConnection is stomp.adapter.ws.WSStompConnection
    for name in stomp.__all__:
        assert getattr(stomp, name) is not None
        assert name in dir(stomp)


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        stomp.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_star_import_exports_classes_and_modules():
    names: dict[str, object] = {}
    exec("from stomp import *", names)
    assert names["Connection"] is stomp.Connection
    assert names["PrintingListener"] is stomp.PrintingListener
    assert names["exception"] is stomp.exception


def test_the_exceptions_have_the_names_that_programs_catch():
    exception = stomp.exception
    assert exception.StompException is errors.StompError
    assert issubclass(exception.NotConnectedException, exception.StompException)
    assert issubclass(exception.ConnectFailedException, exception.StompException)
    assert issubclass(exception.ConnectionClosedException, exception.StompException)
    assert issubclass(exception.InterruptedException, exception.StompException)
    assert str(exception.ConnectFailedException()) == ""


def test_exceptions_are_reached_by_a_plain_import():
    program = "import stomp; print(stomp.exception.ConnectFailedException.__name__)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "ConnectFailed"


def test_the_version_is_text_and_compares_with_numbers():
    version = stomp.__version__
    assert isinstance(version, str)
    assert version == str(version) == ".".join(map(str, stomp.tuple_version()))
    assert version == stomp.tuple_version()
    assert version != (4, 1, 22)
    assert version > (8, 2, 0)
    assert version >= (5, 0, 0)
    assert (5, 0, 0) <= version < (100,)
    assert version <= "100.0.0"
    assert version > "8.2.0"
    assert not version[0] < "5"
    assert not version[0] < 5
    assert version[0] >= 5
    assert hash(version) == hash(str(version))
    with pytest.raises(TypeError):
        assert version < None
    assert version != None  # noqa: E711


def test_the_version_unpacks_into_three_parts():
    version: Any = stomp.__version__
    assert "%s.%s.%s" % tuple(version) == "{}.{}.{}".format(*version) == version  # noqa: UP031
    major, minor, patch = version
    assert (int(major), int(minor), int(patch)) == stomp.tuple_version()
    assert major >= 9
    assert len(version[0]) == 1
    assert str(version).split(".") == list(version)
