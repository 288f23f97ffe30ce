"""The examples of the stomp.py 4.1.22 documentation, on the embedded broker."""

from __future__ import annotations

import ast
import inspect
import re
import socket
import warnings
from collections.abc import Callable, Iterator

import pytest

import stomp
from stomp.broker import Broker
from stomp.protocol import Protocol12
from tests.seed_examples import (
    SECTION_3_1_CONNECT,
    SECTION_3_1_IPV6,
    SECTION_3_1_PARAMETERS,
    SECTION_3_2_SEND_PARAMETERS,
    SECTION_3_2_SUBSCRIBE_PARAMETERS,
    Reader,
    SeedExamples,
    Site,
)

USERS = {"admin": "password"}


class TestEmbedded(SeedExamples):
    @pytest.fixture
    def site(self) -> Iterator[Site]:
        with Broker(users=USERS) as broker:
            yield Site(broker.host, broker.port)


class TestIPv6:
    """Section 3.1 has an IPv6 address, too. Its list lacks the inner parentheses."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"this machine has no IPv6: {error}")
        with Broker("::1", users=USERS) as broker:
            yield Site(broker.host, broker.port)

    reader = SeedExamples.reader

    def test_3_1_ipv6_address_connects(self, reader: Reader, site: Site) -> None:
        printed = "'fe80::a00:27ff:fe90:3f1a%en1', 62613"
        reader.types(SECTION_3_1_IPV6, {printed: f"'{site.host}', {site.port}"})
        reader.types(">>> c.start()\n>>> c.connect('admin', 'password', wait=True)")
        assert reader["c"].is_connected()
        assert reader["c"].transport.current_host_and_port == ("::1", site.port)

    def test_3_1_ipv6_form_of_the_documentation_connects(self) -> None:
        names: dict[str, stomp.Connection] = {}
        exec(SECTION_3_1_IPV6.replace(">>> ", ""), names)
        assert names["c"].transport._Transport__host_and_ports == [("fe80::a00:27ff:fe90:3f1a%en1", 62613)]


def parameters(printed: str) -> ast.arguments:
    """The parameters of a call as the documentation prints them."""
    printed = re.sub(r"-\n\s*(?=[a-z])", "", printed).replace("utf-\n", "utf-")
    printed = re.sub(r"utf-\s+8", "utf-8", printed)
    (function,) = ast.parse(f"def call{printed[printed.index('(') :].strip()}: ...").body
    assert isinstance(function, ast.FunctionDef)
    return function.args


class TestParameters:
    """The calls whose parameters are printed."""

    def test_3_1_parameters_of_a_connection_are_accepted(self) -> None:
        printed = parameters(SECTION_3_1_PARAMETERS)
        names = [argument.arg for argument in printed.args]
        given = dict(zip(names, map(ast.literal_eval, printed.defaults), strict=True))
        assert names[7] == "reconnect_attempts_max"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of those that only 4.1 had
            conn = stomp.connect.StompConnection12(**given)
        assert conn.get_ssl() is None
        now = inspect.signature(stomp.connect.StompConnection12).parameters
        # The first eight may be given by position.
        assert list(now)[:8] == names[:8]
        for name in now.keys() & given.keys():
            assert now[name].default == given[name], name

    @pytest.mark.parametrize(
        ("call", "printed"),
        [
            (Protocol12.connect, SECTION_3_1_CONNECT),
            (Protocol12.send, SECTION_3_2_SEND_PARAMETERS),
            (Protocol12.subscribe, SECTION_3_2_SUBSCRIBE_PARAMETERS),
        ],
        ids=["3_1_connect", "3_2_send", "3_2_subscribe"],
    )
    def test_parameters_of_a_method_are_accepted(self, call: Callable[..., None], printed: str) -> None:
        expected = parameters(printed)
        _, *now = inspect.signature(call).parameters.values()
        names = [argument.arg for argument in expected.args]
        assert [parameter.name for parameter in now][: len(names)] == names
        defaults = list(map(ast.literal_eval, expected.defaults))
        assert [parameter.default for parameter in now][len(names) - len(defaults) : len(names)] == defaults
        assert now[-1].kind is inspect.Parameter.VAR_KEYWORD
