"""The code examples of the stomp.py 4.1.22 documentation, as they are printed there.

Existing programs follow these examples. They run unchanged, except for the address of the broker, the name of the
destination, and `time.sleep`: instead, the test waits for the output that a user would have seen meanwhile. The tests
with the embedded broker and those with real brokers inherit from `SeedExamples`; their fixture `site` is the broker.
"""

from __future__ import annotations

import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import stomp
from tests.printed import PATIENCE, Printed

SECTION_1_1 = """
>>> import time
>>> import sys
>>>
>>> import stomp
>>>
>>> class MyListener(stomp.ConnectionListener):
>>>     def on_error(self, headers, message):
>>>         print('received an error "%s"' % message)
>>>     def on_message(self, headers, message):
>>>         print('received a message "%s"' % message)
>>>
>>> conn = stomp.Connection()
>>> conn.set_listener('', MyListener())
>>> conn.start()
>>> conn.connect('admin', 'password', wait=True)
>>>
>>> conn.subscribe(destination='/queue/test', id=1, ack='auto')
>>>
>>> conn.send(body=' '.join(sys.argv[1:]), destination='/queue/test')
>>>
>>> time.sleep(2)
>>> conn.disconnect()
"""

SECTION_3_1 = """
>>> import stomp
>>> c = stomp.Connection([('127.0.0.1', 62613)])
>>> c.start()
>>> c.connect('admin', 'password', wait=True)
"""

SECTION_3_1_VERSIONS = {
    "1.0": ">>> c = stomp.Connection10([('127.0.0.1', 62613)])",
    "1.1": ">>> c = stomp.Connection11([('127.0.0.1', 62613)])",
    "1.2": ">>> c = stomp.Connection12([('127.0.0.1', 62613)])",
}

SECTION_3_1_FAILOVER = """
>>> import stomp
>>> c = stomp.Connection([('192.168.1.100', 61613), ('192.168.1.101', 62613)])
"""

#: The three calls whose parameters are documented. Hyphens at line ends are hyphenation of the printed text.
SECTION_3_1_PARAMETERS = """
class stomp.connect.StompConnection12 (host_and_ports=None,
                                        prefer_localhost=True,
                                        try_loopback_connect=True,      re-
                                        connect_sleep_initial=0.1,        re-
                                        connect_sleep_increase=0.5,      re-
                                        connect_sleep_jitter=0.1,        re-
                                        connect_sleep_max=60.0,          re-
                                        connect_attempts_max=3,
                                        use_ssl=False,                  ssl_key_file=None,
                                        ssl_cert_file=None,              ssl_ca_certs=None,
                                        ssl_cert_validator=None,
                                        wait_on_receipt=False,          ssl_version=3,
                                        timeout=None,                    heartbeats=(0,
                                        0),                             keepalive=None,    vhost=None,
                                        auto_decode=True,                 encoding='utf-
                                        8',                               auto_content_length=True,
                                        heart_beat_receive_scale=1.5,
                                        recv_bytes=1024)
"""
SECTION_3_1_CONNECT = """
Protocol12.connect (username=None, passcode=None, wait=False, headers=None, **key-
                    word_headers)
"""
SECTION_3_2_SEND_PARAMETERS = """
Protocol12.send (destination, body, content_type=None, headers=None, **key-
                 word_headers)
"""
SECTION_3_2_SUBSCRIBE_PARAMETERS = """
Protocol12.subscribe (destination, id, ack='auto', headers=None, **keyword_headers)
"""

SECTION_3_1_IPV6 = """
>>> import stomp
>>> c = stomp.Connection(['fe80::a00:27ff:fe90:3f1a%en1', 62613])
"""

SECTION_3_2_CONNECT = """
>>> from stomp import *
>>> c = Connection([('127.0.0.1', 62613)])
>>> c.set_listener('', PrintingListener())
>>> c.start()
>>> c.connect('admin', 'password', wait=True)
"""
SECTION_3_2_SUBSCRIBE = ">>> c.subscribe('/queue/test', 123)"
SECTION_3_2_SEND = ">>> c.send('/queue/test', 'a test message')"

SECTION_3_2_NAMES = """
>>> c.set_listener('stats', StatsListener())
>>> c.set_listener('print', PrintingListener())
"""

SECTION_3_2_UNSUBSCRIBE = """
>>> c.subscribe('/queue/test', 123)
>>> c.unsubscribe(123)
"""

SECTION_3_3_SUBSCRIBE = ">>> conn.subscribe('/queue/test', id=4, ack='client')"
SECTION_3_3_ACK = ">>> conn.ack('mybroker-14aa2', 4)"
SECTION_3_3_NACK = ">>> conn.nack('mybroker-14ab2', 4)"

SECTION_3_4_SEND = """
>>> conn.subscribe('/queue/test', id=5)
>>> txid = conn.begin()
>>> conn.send('/queue/test', 'test1', transaction=txid)
>>> conn.send('/queue/test', 'test2', transaction=txid)
>>> conn.send('/queue/test', 'test3', transaction=txid)
"""
SECTION_3_4_COMMIT = ">>> conn.commit(txid)"

SECTION_3_4_ABORT = """
>>> conn.subscribe('/queue/test', id=6)
>>> txid = conn.begin()
>>> conn.send('/queue/test', 'test4', transaction=txid)
>>> conn.send('/queue/test', 'test5', transaction=txid)
>>> conn.abort(txid)
"""

SECTION_3_5 = ">>> conn.disconnect()"

SECTION_3_6_SERVER = """
import os
import time
import stomp

def connect_and_subscribe(conn):
    conn.start()
    conn.connect('guest', 'guest', wait=True)
    conn.subscribe(destination='/queue/test', id=1, ack='auto')

class MyListener(stomp.ConnectionListener):
    def __init__(self, conn):
        self.conn = conn

    def on_error(self, headers, message):
        print('received an error "%s"' % message)

    def on_message(self, headers, message):
        print('received a message "%s"' % message)
        for x in range(10):
            print(x)
            time.sleep(1)
        print('processed message')

    def on_disconnected(self):
        print('disconnected')
        connect_and_subscribe(self.conn)

conn = stomp.Connection([('localhost', 62613)], heartbeats=(4000, 4000))
conn.set_listener('', MyListener(conn))
connect_and_subscribe(conn)
time.sleep(60)
conn.disconnect()
"""

SECTION_3_6_CLIENT = """
import stomp
conn = stomp.Connection([('localhost', 62613)])
conn.start()
conn.connect('guest', 'guest', wait=True)
conn.send('/queue/test', 'test message')
"""


@dataclass(frozen=True)
class Site:
    """A broker for the examples. It must accept the login "admin" with the passcode "password"."""

    host: str
    port: int
    vhost: str | None = None  #: the host header for 1.2; None if the broker accepts any
    redelivers: bool = True  #: a message refused by NACK is delivered again
    marks: bool = True  #: then it has the header ``redelivered:true``
    destination: str = field(default_factory=lambda: f"/queue/seed-{uuid.uuid4().hex}")

    def adapted(self, code: str, refusing: int) -> str:
        """An example to execute: the printed addresses are replaced by this broker and a port that refuses."""
        here = f"'{self.host}', {self.port}"
        changes = {
            "'/queue/test'": repr(self.destination),
            "'127.0.0.1', 62613": here,
            "'localhost', 62613": here,
            "'192.168.1.100', 61613": f"'127.0.0.1', {refusing}",
            "'192.168.1.101', 62613": here,
            "'guest', 'guest'": "'admin', 'password'",
            "time.sleep(": "pause(",
        }
        if self.port != 61613:
            changes["Connection()"] = f"Connection([({here})])"
        if self.vhost is not None:
            changes["Connection12([('127.0.0.1', 62613)])"] = (
                f"Connection12([({here})], vhost={self.vhost!r})"
            )
        for old in sorted(changes, key=len, reverse=True):
            code = code.replace(old, changes[old])
        return re.sub("^>>> ?", "", code, flags=re.MULTILINE)


class Reader:
    """A user who types the examples into one interpreter, and reads its output."""

    def __init__(self, site: Site, output: Printed, refusing: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.output = output
        self.refusing = refusing
        self.monkeypatch = monkeypatch
        self.namespace: dict[str, Any] = {"__name__": "reader", "pause": lambda seconds: None}

    def types(self, code: str, names: dict[str, str] | None = None) -> None:
        """Execute an example; `names` replaces values that depend on the broker of the documentation."""
        for old, new in (names or {}).items():
            assert old in code
            code = code.replace(old, new)
        if sys.stdout is not self.output:
            # Not earlier: pytest replaces sys.stdout when the test itself begins.
            self.monkeypatch.setattr(sys, "stdout", self.output)
        exec(compile(self.site.adapted(code, self.refusing), "example", "exec"), self.namespace)

    def sees(self, pattern: str) -> re.Match[str]:
        return self.output.expect(pattern)

    def pauses(self, happening: Callable[[float], object]) -> None:
        """Call this function where the example calls `time.sleep`."""
        self.namespace["pause"] = happening

    def __getitem__(self, name: str) -> Any:
        return self.namespace[name]

    def connects(self) -> Any:
        """Open the connection of section 3.2, with the name that the later sections use."""
        self.types(SECTION_3_2_CONNECT)
        self.sees("on_connected .*")
        self.namespace["conn"] = self.namespace["c"]
        return self.namespace["conn"]

    def leaves(self) -> None:
        for name in ("c", "conn"):
            if isinstance(conn := self.namespace.get(name), stomp.Connection10 | stomp.Connection11):
                conn.disconnect()


def left_at(site: Site) -> list[str]:
    """Consume the messages that are left in the destination; return their bodies."""
    marker = uuid.uuid4().hex
    bodies: list[str] = []
    done = threading.Event()

    class Drain(stomp.ConnectionListener):
        def on_message(self, frame: Any) -> None:
            if frame.body == marker:
                done.set()
            else:
                bodies.append(frame.body)

    conn = stomp.Connection11([(site.host, site.port)])
    conn.set_listener("drain", Drain())
    conn.connect("admin", "password", wait=True)
    with conn:
        conn.subscribe(site.destination, id="drain")
        conn.send(site.destination, marker)
        assert done.wait(PATIENCE), f"{site.destination} does not deliver"
    return bodies


class SeedExamples:
    """One test for each section. Subclasses define a fixture `site`."""

    @pytest.fixture
    def reader(self, site: Site, free_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
        reader = Reader(site, Printed(), free_port, monkeypatch)
        yield reader
        reader.leaves()
        left_at(site)

    def test_1_1_quick_start(self, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["quickstart.py", "hello", "world"])
        reader.pauses(lambda seconds: reader.sees('received a message "hello world"'))
        reader.types(SECTION_1_1)
        assert not reader["conn"].is_connected()
        assert "received an error" not in reader.output.getvalue()

    def test_3_1_the_simplest_connection(self, reader: Reader) -> None:
        reader.types(SECTION_3_1)
        assert reader["c"].is_connected()
        assert reader["c"].version == "1.1"

    @pytest.mark.parametrize("version", SECTION_3_1_VERSIONS)
    def test_3_1_a_version_of_stomp(self, reader: Reader, version: str) -> None:
        connection = SECTION_3_1_VERSIONS[version] + "\n>>> c.set_listener('', stomp.PrintingListener())"
        reader.types(SECTION_3_1.replace(">>> c = stomp.Connection([('127.0.0.1', 62613)])", connection))
        assert reader["c"].is_connected()
        connected = reader.sees("on_connected .*")[0]
        # A server for 1.0 may omit the header.
        assert f"'version': '{version}'" in connected or (version == "1.0" and "'version'" not in connected)

    def test_3_1_failover_addresses(self, reader: Reader) -> None:
        reader.types(SECTION_3_1_FAILOVER)
        reader.types(">>> c.start()\n>>> c.connect('admin', 'password', wait=True)")
        assert reader["c"].is_connected()
        assert reader["c"].transport.current_host_and_port == (reader.site.host, reader.site.port)

    def test_3_2_printing_listener(self, reader: Reader) -> None:
        site = reader.site
        reader.types(SECTION_3_2_CONNECT)
        reader.sees(f"on_connecting {re.escape(site.host)} {site.port}")
        # Unlike stomp.py 4.1.22, stompkit does not show the password.
        reader.sees(
            r"on_send STOMP {(?=.*'login': 'admin')(?=.*'accept-version': '1.1').*'passcode': '\*+'.*} ?"
        )
        reader.sees("on_connected {.*'version': '1.1'.*} ?")
        reader.types(SECTION_3_2_SUBSCRIBE)
        reader.sees("on_send SUBSCRIBE {(?=.*'id': 123)(?=.*'ack': 'auto').*'destination': .*} ?")
        reader.types(SECTION_3_2_SEND)
        reader.sees("on_send SEND {(?=.*'content-length': 14).*'destination': .*} b'a test message'")
        message = "{(?=.*'subscription': '123')(?=.*'destination': ).*'message-id': .*} a test message"
        reader.sees(f"on_before_message {message}")
        reader.sees(f"on_message {message}")

    def test_3_2_named_listeners(self, reader: Reader) -> None:
        reader.connects()
        reader.types(SECTION_3_2_NAMES)
        reader.types(SECTION_3_2_SUBSCRIBE)
        reader.types(SECTION_3_2_SEND)
        # Two printing listeners are set now, and "stats" is called after both.
        reader.sees("on_message .* a test message")
        reader.sees("on_message .* a test message")
        reader.types(">>> c.disconnect()")
        stats = reader["c"].get_listener("stats")
        assert (stats.messages, stats.errors, stats.disconnects) == (1, 0, 1)
        assert stats.messages_sent == 3  # SUBSCRIBE, SEND, DISCONNECT

    def test_3_2_unsubscribe(self, reader: Reader) -> None:
        reader.connects()
        reader.types(SECTION_3_2_UNSUBSCRIBE)
        reader.sees("on_send UNSUBSCRIBE {'id': 123} ?")
        reader.types(SECTION_3_2_SEND)
        reader.types(">>> c.subscribe('/queue/test', 124)")
        reader.sees("on_message {.*'subscription': '124'.*} a test message")
        assert "'subscription': '123'" not in reader.output.getvalue()

    def test_3_3_ack_and_nack(self, reader: Reader) -> None:
        conn = reader.connects()
        reader.types(SECTION_3_3_SUBSCRIBE)
        got = "on_message {(?=.*'subscription': '4').*'message-id': '([^']+)'.*} test message %d"
        conn.send(reader.site.destination, "test message 1")
        reader.types(SECTION_3_3_ACK, {"mybroker-14aa2": reader.sees(got % 1)[1]})
        conn.send(reader.site.destination, "test message 2")
        reader.types(SECTION_3_3_NACK, {"mybroker-14ab2": reader.sees(got % 2)[1]})
        if reader.site.redelivers:
            again = reader.sees(got % 2)
            assert ("'redelivered': 'true'" in again[0]) is reader.site.marks
            reader.types(SECTION_3_3_ACK, {"mybroker-14aa2": again[1]})
        conn.disconnect()
        assert "on_error" not in reader.output.getvalue()
        assert left_at(reader.site) == []

    def test_3_4_commit(self, reader: Reader) -> None:
        conn = reader.connects()
        reader.types(SECTION_3_4_SEND)
        # It is sent after them and arrives before them, because they wait for the commit.
        conn.send(reader.site.destination, "not in the transaction")
        reader.sees("on_message .* not in the transaction")
        assert not re.search("on_message .* test[123]", reader.output.getvalue())
        reader.types(SECTION_3_4_COMMIT)
        for number in (1, 2, 3):
            reader.sees(f"on_message {{.*'subscription': '5'.*}} test{number}")

    def test_3_4_abort(self, reader: Reader) -> None:
        conn = reader.connects()
        reader.types(SECTION_3_4_ABORT)
        conn.send(reader.site.destination, "not in the transaction")
        reader.sees("on_message {.*'subscription': '6'.*} not in the transaction")
        conn.disconnect()
        assert not re.search("on_message .* test[45]", reader.output.getvalue())
        assert left_at(reader.site) == []

    def test_3_5_disconnect(self, reader: Reader) -> None:
        conn = reader.connects()
        reader.types(SECTION_3_5)
        receipt = reader.sees("on_send DISCONNECT {'receipt': '([-0-9a-f]{36})'} ?")[1]
        reader.sees(f"on_receipt {{.*'receipt-id': '{receipt}'.*}} ?")
        reader.sees("on_disconnected")
        assert not conn.is_connected()
        assert reader.output.getvalue().count("on_disconnected") == 1

    def test_3_6_dealing_with_disconnects(self, reader: Reader) -> None:
        client = Reader(reader.site, reader.output, reader.refusing, reader.monkeypatch)

        def meanwhile(seconds: float) -> None:
            if seconds < 60:
                return  # in on_message
            server = reader["conn"]
            server.transport.disconnect_socket()
            reader.sees("disconnected")
            client.types(SECTION_3_6_CLIENT)
            # A broker that has not yet noticed the end of the old connection sends messages to it, which are lost.
            for _ in range(10):
                if reader.output.find('received a message "test message"', within=1.0):
                    break
                client["conn"].send(reader.site.destination, "test message")
            for number in range(10):
                reader.sees(str(number))
            reader.sees("processed message")
            # Otherwise it would reconnect after its own disconnect(), too, endlessly.
            server.remove_listener("")

        reader.pauses(meanwhile)
        reader.types(SECTION_3_6_SERVER)
        assert not reader["conn"].is_connected()
        client.leaves()
