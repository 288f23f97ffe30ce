"""A recognizable passcode must not appear in any log, repr, output or error text, at any log level."""

import logging
import traceback

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.frames import commands
from stomp.core.session.client import ClientSession
from stomp.core.session.server import ServerSession
from stomp.exception import StompException
from stomp.net import address
from stomp.testing.servers import ScriptedServer
from stomp.utils import Frame
from tests.listening import RecentFrames

SECRET = "s3cr3t-mark-4711"


@pytest.fixture
def output(caplog, capfd):
    """All logged and printed text so far, and the text that the test adds."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("stomp.py").setLevel(logging.DEBUG)
    extra: list[str] = []

    def everything():
        out, err = capfd.readouterr()
        records = [
            record.getMessage() + repr(record.args) + (record.exc_text or "") for record in caplog.records
        ]
        return "\n".join([out, err, caplog.text, *records, *extra])

    everything.add = lambda value: extra.extend([repr(value), str(value)])  # type: ignore[attr-defined]
    yield everything
    logging.getLogger("stomp.py").setLevel(logging.NOTSET)


def texts_of(error):
    """All text of an error that a program may log: str, repr, fields, the traceback with its causes."""
    chain = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    return [str(error), repr(error), repr(vars(error)), chain]


def attempt(output, action):
    try:
        action()
    except StompException as err:
        for text in texts_of(err):
            output.add(text)
    else:
        raise AssertionError("it should have failed")


def test_secret_is_found_in_captured_output(output):
    logging.getLogger("stomp.py").debug("passcode is %s", SECRET)
    assert SECRET in output()


def test_session_does_not_show_the_secret(output):
    with Broker(users={"admin": SECRET}) as broker:
        conn = stomp.Connection12([(broker.host, broker.port)], vhost="/")
        conn.set_listener("print", stomp.PrintingListener())
        conn.set_listener("log", stomp.PrintingListener(print_to_log=True))
        conn.set_listener("stats", stomp.StatsListener())
        recorder = RecentFrames()
        conn.set_listener("recorder", recorder)
        conn.connect("admin", SECRET, wait=True)
        link = conn.transport._link
        assert link is not None
        conn.subscribe("/queue/a", id="1", headers={"authorization": SECRET})
        conn.send("/queue/a", "x", headers={"x-token": SECRET})
        recorder.wait_for_bodies(1)
        for thing in (
            conn,
            conn.transport,
            link,
            link.session,
            link.session.ledger,
            broker,
            broker.connections,
        ):
            output.add(thing)
        for subscription in link.session.ledger.subscriptions.values():
            output.add(subscription)
        conn.disconnect()
        output.add(recorder.notes)
    assert "on_send STOMP" in output()
    assert SECRET not in output()


def test_failures_do_not_show_the_secret(output, free_port):
    with Broker(users={"admin": "another"}) as broker:
        conn = stomp.Connection([(broker.host, broker.port)])
        attempt(output, lambda: conn.connect("admin", SECRET, wait=True))
        conn.transport.stop()
        # A passcode and a frame that cannot be encoded, in the versions without escapes.
        attempt(output, lambda: conn.connect("admin", SECRET + "\n", wait=True))
        conn.transport.stop()
    with ScriptedServer(lambda sock: None) as server:
        conn = stomp.Connection([server.address])
        attempt(output, lambda: conn.connect("admin", SECRET, wait=True))
    conn = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=1)
    attempt(output, lambda: conn.connect("admin", SECRET, wait=True))
    assert "refused" in output()
    assert SECRET not in output()


def test_repr_of_core_objects_does_not_show_the_secret(output):
    client, server = ClientSession(), ServerSession()
    client.connect(["1.2"], "/", login="admin", passcode=SECRET)
    server.receive_data(b"".join(client.data_to_send(0.0)), 0.0)
    for thing in (client, server, *server.events(), commands.connect(["1.2"], "/", passcode=SECRET)):
        output.add(thing)
    output.add(Frame("CONNECT", {"passcode": SECRET}, ""))
    assert SECRET not in output()


def test_url_errors_do_not_show_the_secret(output):
    target = address.parse(f"stomp://admin:{SECRET}@localhost/")
    output.add(target)
    for wrong in (
        f"stomp://admin:{SECRET}@localhost:port",
        f"nonsense://admin:{SECRET}@a",
        f"stomp://a:{SECRET}@",
    ):
        attempt(output, lambda wrong=wrong: address.parse(wrong))
    assert SECRET not in output()
