import gc
import logging
import threading

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.errors import ReceiptMissing, StompError, UsageError
from stomp.listener import (
    ConnectionListener,
    PrintingListener,
    Publisher,
    StatsListener,
    TestListener,
    WaitingListener,
)
from stomp.utils import HEARTBEAT_FRAME, Frame
from tests.listening import PATIENCE, RecentFrames, wait_until


def test_a_publisher_alone_does_nothing():
    publisher = Publisher()
    publisher.set_listener("a", object())
    assert publisher.get_listener("a") is None
    publisher.remove_listener("a")


def test_every_default_does_nothing():
    listener = ConnectionListener()
    frame = Frame("MESSAGE", {}, "")
    for name in dir(listener):
        if name.startswith("on_"):
            arguments = {"on_connecting": (("h", 1),)}.get(name, (frame,))
            method = getattr(listener, name)
            alone = name in ("on_disconnected", "on_disconnecting", "on_heartbeat", "on_heartbeat_timeout")
            assert method(*(() if alone else arguments)) is None
            assert method.is_noop_marker


def test_stats_listener_counts():
    stats = StatsListener()
    stats.on_connecting(("host", 61613))
    stats.on_message(Frame("MESSAGE", {}, "x"))
    stats.on_message({}, "x")  # type: ignore[arg-type, call-arg]
    stats.on_send(Frame("SEND", {}, "x"))
    stats.on_heartbeat()
    stats.on_heartbeat_timeout()
    stats.on_error({}, "x")  # type: ignore[arg-type, call-arg]
    stats.on_disconnected()
    assert stats.heartbeat_timeouts == 1
    assert str(stats) == (
        "Connections: 1\nDisconnects: 1\nMessages sent: 1\nMessages received: 2\n"
        "Heartbeats received: 1\nErrors: 1"
    )


def test_printing_has_one_line_for_each_callback(capsys):
    printing = PrintingListener()
    frame = Frame("MESSAGE", {"n": "1"}, "body")
    printing.on_connecting(("host", 61613))
    printing.on_send(Frame("STOMP", {"login": "admin", "passcode": "secret"}, ""))
    printing.on_connected(Frame("CONNECTED", {"version": "1.2"}, ""))
    printing.on_before_message(frame)
    printing.on_message({"n": "1"}, "body")  # type: ignore[arg-type, call-arg]
    printing.on_receipt(Frame("RECEIPT", {"receipt-id": "1"}, None))
    printing.on_error(Frame("ERROR", {"message": "no"}, "why"))
    printing.on_heartbeat()
    printing.on_send(HEARTBEAT_FRAME)
    printing.on_heartbeat_timeout()
    printing.on_disconnecting()
    printing.on_disconnected()
    assert capsys.readouterr().out.splitlines() == [
        "on_connecting host 61613",
        "on_send STOMP {'login': 'admin', 'passcode': '********'} ",
        "on_connected {'version': '1.2'} ",
        "on_before_message {'n': '1'} body",
        "on_message {'n': '1'} body",
        "on_receipt {'receipt-id': '1'} ",
        "on_error {'message': 'no'} why",
        "on_heartbeat",
        "on_send None {} None",
        "on_heartbeat_timeout",
        "on_disconnected",
    ]


def test_printing_listener_can_write_to_the_log(caplog, capsys):
    caplog.set_level("INFO")
    PrintingListener(print_to_log=True).on_connecting(("host", 61613))
    assert "on_connecting host 61613" in caplog.text
    assert capsys.readouterr().out == ""


def test_waiting_listener_waits_for_a_receipt(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    waiting = WaitingListener(17)
    conn.set_listener("waiting", waiting)
    conn.connect(wait=True)
    conn.send("/queue/a", "x", receipt=17)
    waiting.wait_on_receipt(20)
    conn.disconnect()
    waiting.wait_on_disconnected(20)
    assert waiting.disconnected


def test_missing_receipt_times_out():
    waiting = WaitingListener("r1")
    waiting.on_receipt(Frame("RECEIPT", {"receipt-id": "other"}, ""))
    waiting.on_receipt(Frame("RECEIPT", {}, ""))
    with pytest.raises(ReceiptMissing, match="passed") as caught:
        waiting.wait_on_receipt(0.01)
    assert caught.value.receipt == "r1"


def test_lost_connection_ends_the_wait():
    waiting = WaitingListener("r1")
    waiting.on_disconnected()
    with pytest.raises(ReceiptMissing, match="the connection ended"):
        waiting.wait_on_receipt()
    waiting.wait_on_disconnected()


def test_defaults_are_called_upwards_in_either_shape():
    class Old(ConnectionListener):
        def on_message(self, headers, body):  # type: ignore[override]
            return ConnectionListener.on_message(self, headers, body)  # type: ignore[call-arg]

    class New(ConnectionListener):
        def on_message(self, frame):
            super().on_message(frame)

    Old().on_message({}, "x")
    New().on_message(Frame("MESSAGE", {}, "x"))


class OldShape(TestListener):
    def on_message(self, headers, body):  # type: ignore[override]
        TestListener.on_message(self, headers, body)  # type: ignore[call-arg]


class NewShape(TestListener):
    def on_message(self, frame):
        super().on_message(frame)


@pytest.mark.parametrize("kind", [TestListener, OldShape, NewShape])
def test_test_listener_records_and_waits(kind, capsys):
    with Broker(heartbeat=(20, 20)) as broker:
        keep_and_wait(broker, kind("r1"))
    assert "on_message {" in capsys.readouterr().out


def keep_and_wait(broker, listener):
    conn = stomp.Connection([(broker.host, broker.port)], heartbeats=(0, 20), heart_beat_receive_scale=500)
    conn.set_listener("testlistener", listener)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    conn.send("/queue/a", "hello", receipt="r1")
    listener.wait_on_receipt(20)
    listener.wait_for_message(20)
    listener.wait_for_heartbeat(20)
    headers, body = listener.get_latest_message()
    assert (headers["destination"], body) == ("/queue/a", "hello")
    assert (listener.messages, listener.connections, listener.errors) == (1, 1, 0)
    assert listener.heartbeat_count >= 1
    with pytest.raises(StompError, match="have passed"):
        listener.wait_for_message(0.01)
    conn.disconnect()
    listener.wait_on_disconnected(20)
    with pytest.raises(StompError, match="the connection ended"):
        listener.wait_for_message()
    with pytest.raises(StompError, match="the connection ended"):
        while True:
            listener.wait_for_heartbeat()
    assert listener.timestamp.isdigit()
    conn.connect(wait=True)
    with pytest.raises(StompError, match="have passed"):
        listener.wait_for_message(0.01)
    conn.disconnect()


def test_test_listener_records_errors_and_timeouts():
    listener = TestListener()
    listener.on_error({"message": "no"}, "why")  # type: ignore[arg-type, call-arg]
    listener.on_heartbeat_timeout()
    assert (listener.errors, listener.heartbeat_timeouts) == (1, 1)


def test_reexported_names_exist():
    import logging

    from stomp import listener

    assert listener.HDR_RECEIPT == "receipt"
    assert listener.logging.getLogger is logging.getLogger
    assert listener.utils is stomp.utils
    with pytest.raises(AttributeError):
        listener.nothing  # noqa: B018


async def on_anything(self, *args):
    pass


@pytest.mark.parametrize(
    "kind", [stomp.Connection10, stomp.Connection11, stomp.Connection12, stomp.WSConnection]
)
def test_connections_refuse_a_listener_with_a_coroutine_function(kind):
    listener = type("Listener", (), {"on_message": on_anything})()
    conn = kind([("localhost", 61613)])
    with pytest.raises(UsageError, match="on_message of the listener Listener is a coroutine function"):
        conn.set_listener("a", listener)
    assert conn.get_listener("a") is None


def test_connections_refuse_other_functions_that_a_call_does_not_run():
    conn = stomp.Connection([("localhost", 61613)])
    with pytest.raises(UsageError, match="create_thread_fc is a coroutine function"):
        conn.override_threading(on_anything)
    with pytest.raises(UsageError, match="create_thread_fc is of type NoneType"):
        conn.override_threading(None)
    with pytest.raises(UsageError, match="cert_validator is a coroutine function"):
        conn.set_ssl(cert_validator=on_anything)


@pytest.mark.filterwarnings("error")
def test_a_message_whose_callback_returns_a_coroutine_is_not_acknowledged(broker, caplog):
    came = threading.Event()

    class Listener:
        def on_message(self, frame):
            came.set()
            return on_anything(self)

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("a", Listener())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1", ack="client")
    conn.send("/queue/a", "x")
    assert came.wait(PATIENCE)
    conn.disconnect()
    gc.collect()
    assert "on_message failed for message" in caplog.text
    assert "which is not acknowledged; the connection stays open" in caplog.text
    assert "on_message returned a coroutine" in caplog.text
    assert broker.depth("/queue/a") == 1


@pytest.mark.parametrize(
    ("ack", "fate"), [("auto", "does not deliver again"), ("client-individual", "acknowledged or")]
)
def test_log_line_of_a_failed_callback_has_the_message_and_its_state(broker, caplog, ack, fate):
    ids = []

    class Listener:
        def on_message(self, frame):
            ids.append(frame.headers["message-id"])
            if ack != "auto":
                conn.ack(frame.headers["message-id"], "1")
            raise ZeroDivisionError

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("failing", Listener())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1", ack=ack)
    conn.send("/queue/a", "x")
    wait_until(lambda: ids)
    conn.disconnect()
    [line] = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert f"listener 'failing' (Listener): on_message failed for message {ids[0]!r}" in line
    assert fate in line


def test_sys_exit_in_a_callback_is_logged_and_ends_the_connection(broker, caplog):
    class Listener:
        def on_message(self, frame):
            raise SystemExit(3)

    ended = RecentFrames()
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("exiting", Listener())
    conn.set_listener("recorder", ended)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1", ack="client")
    conn.send("/queue/a", "x")
    ended.wait_for_method("on_disconnected")
    assert not conn.is_connected()
    [record] = [record for record in caplog.records if "sys.exit()" in record.getMessage()]
    assert record.levelname == "ERROR"
    assert "listener 'exiting' (Listener): on_message called sys.exit() for message" in record.getMessage()


def test_sys_exit_on_the_main_thread_ends_the_program(broker):
    class Listener:
        def on_disconnecting(self):
            raise SystemExit(3)

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("exiting", Listener())
    conn.connect(wait=True)
    with pytest.raises(SystemExit):
        conn.disconnect()
    conn.remove_listener("exiting")
    conn.disconnect()


@pytest.mark.parametrize(
    "wait", ["wait_on_receipt", "wait_on_disconnected", "wait_for_message", "wait_for_heartbeat"]
)
def test_waiting_in_a_callback_of_the_same_connection_raises_at_once(broker, wait):
    errors = []
    waiting = stomp.listener.TestListener("never", print_to_log=True)

    class Listener:
        def on_receipt(self, frame):
            try:
                getattr(waiting, wait)(3 * PATIENCE)
            except Exception as err:
                errors.append(err)

    conn = stomp.Connection([(broker.host, broker.port)], heartbeats=(0, 0))
    conn.set_listener("waiting", waiting)
    conn.set_listener("listener", Listener())
    conn.connect(wait=True)
    conn.send("/queue/a", "x", receipt="one")
    wait_until(lambda: errors)
    conn.disconnect()
    assert isinstance(errors[0], UsageError)
    assert "its own connection" in str(errors[0])


def test_waiting_in_a_callback_of_another_connection_works(broker):
    done = []
    address = [(broker.host, broker.port)]
    one, two = stomp.Connection(address), stomp.Connection(address)
    waiting = WaitingListener("copied")
    two.set_listener("waiting", waiting)

    class Bridge:
        def on_message(self, frame):
            two.send("/queue/b", frame.body, receipt="copied")
            waiting.wait_on_receipt(PATIENCE)
            done.append(frame.body)

    one.set_listener("bridge", Bridge())
    two.connect(wait=True)
    one.connect(wait=True)
    one.subscribe("/queue/a", id="1")
    one.send("/queue/a", "x")
    wait_until(lambda: done)
    one.disconnect()
    two.disconnect()


class Calling(logging.Handler):
    """Calls a function for each line."""

    def __init__(self, call):
        super().__init__(logging.DEBUG)
        self.call = call

    def emit(self, record):
        self.call()


def test_a_log_handler_may_send_through_the_connection_that_logs(broker, monkeypatch):
    errors: list[Exception] = []
    sent: list[int] = []

    def send():
        try:
            conn.send("/queue/log", "line")
            sent.append(1)
        except stomp.exception.NotConnectedException:
            pass  # while connecting, and at the end
        except Exception as err:
            errors.append(err)

    handler = Calling(send)
    logger = logging.getLogger("stomp.py")
    conn = stomp.Connection([("127.0.0.1", 1), (broker.host, broker.port)])
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        conn.connect(wait=True)
        conn.send("/queue/a", "x", receipt="one")
        wait_until(lambda: sent)
        conn.disconnect()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert errors == []


def test_a_log_handler_cannot_connect_the_connection_that_connects(broker):
    errors: list[Exception] = []

    def connect():
        try:
            conn.connect(wait=True)
        except Exception as err:
            errors.append(err)

    handler = Calling(connect)
    logger = logging.getLogger("stomp.py")
    conn = stomp.Connection([("127.0.0.1", 1), (broker.host, broker.port)])
    logger.addHandler(handler)
    try:
        conn.connect(wait=True)  # it logs that the first address failed
        conn.disconnect()
    finally:
        logger.removeHandler(handler)
    assert isinstance(errors[0], UsageError)
    assert "callback that connect() waits for" in str(errors[0])
