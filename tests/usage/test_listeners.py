"""Listeners as programs write them."""

from typing import Any

import pytest

import stomp
from stomp.listener import ConnectionListener, StatsListener, TestListener
from stomp.testing.servers import ScriptedServer, refuse
from tests.listening import PATIENCE, RecentFrames


def test_23_listeners_of_all_signatures_work_together(connect):
    got = {}

    class Pair:
        def on_message(self, headers, body):
            got["pair"] = (headers["destination"], body)

    class One:
        def on_message(self, frame):
            got["one"] = (frame.headers["destination"], frame.body)

    class Optional:
        def on_message(self, frame, body=None):
            got["optional"] = (frame.headers["destination"], frame.body)

    class Anything:
        def on_message(self, *args):
            got["any"] = (args[0].headers["destination"], args[0].body)

    class Assigned:
        pass

    assigned: Any = Assigned()
    assigned.on_message = lambda frame: got.update(assigned=(frame.headers["destination"], frame.body))
    conn, recorder = connect()
    for listener in (Pair(), One(), Optional(), Anything(), assigned):
        conn.set_listener(type(listener).__name__, listener)
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    # Names are in order, and the recorder's is the last.
    assert got == dict.fromkeys(["pair", "one", "optional", "any", "assigned"], ("/queue/a", "hello"))


def test_23_on_receiver_loop_completed_accepts_one_or_two_arguments(connect):
    seen: list[tuple] = []

    class One:
        def on_receiver_loop_completed(self, frame):
            seen.append(("one", frame))

    class Two:
        def on_receiver_loop_completed(self, headers, body):
            seen.append(("two", headers, body))

    conn, _ = connect()
    conn.set_listener("1", One())
    conn.set_listener("2", Two())
    conn.disconnect()
    assert seen == [("one", None), ("two", None, None)]


def test_23_before_message_changes_the_message_for_others(connect):
    class Decoding(ConnectionListener):
        def on_before_message(self, frame):
            frame.body = frame.body.upper()
            return frame

    conn, recorder = connect()
    conn.set_listener("decoding", Decoding())
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == ["HELLO"]


def test_23_error_before_connected_calls_on_error():
    with ScriptedServer(refuse) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("", recorder := RecentFrames())
        with pytest.raises(stomp.exception.ConnectFailedException, match="not today"):
            conn.connect(wait=True)
        recorder.wait_for_method("on_disconnected")
        assert "on_connected" not in recorder.methods
        assert recorder.methods.count("on_error") == 1


def test_24_listeners_are_set_got_and_removed(connect):
    conn, _ = connect()
    first, second = RecentFrames(), RecentFrames()
    conn.set_listener("", first)
    assert conn.get_listener("") is first
    conn.set_listener("", second)
    assert conn.get_listener("") is second
    conn.remove_listener("")
    assert conn.get_listener("") is None
    conn.disconnect()
    assert first.methods == second.methods == []


def test_28_bundled_listeners_work(connect, capsys):
    conn, _ = connect()
    stats, testing = StatsListener(), TestListener("r-1")
    conn.set_listener("stats", stats)
    conn.set_listener("testing", testing)
    conn.set_listener("printing", stomp.PrintingListener())
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "hello", receipt="r-1")
    testing.wait_on_receipt(PATIENCE)
    testing.wait_for_message(PATIENCE)
    headers, body = testing.get_latest_message()
    assert (headers["destination"], body) == ("/queue/a", "hello")
    conn.disconnect()
    testing.wait_on_disconnected(PATIENCE)
    assert (stats.messages, stats.disconnects, stats.errors) == (1, 1, 0)
    assert "Messages received: 1" in str(stats)
    assert "on_message" in capsys.readouterr().out
