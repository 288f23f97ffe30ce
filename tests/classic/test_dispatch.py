import functools
import gc
from unittest import mock

import pytest

from stomp.classic.dispatch import METHODS, Registry, deliver, is_noop
from stomp.classic.frames import TextMessageFrame
from stomp.core.errors import UsageError
from stomp.listener import ConnectionListener
from stomp.utils import Frame


@pytest.fixture
def registry():
    return Registry(TextMessageFrame, mock.Mock())


def message(body="hello", **headers):
    return Frame("MESSAGE", headers, body)


def test_listeners_are_called_in_the_order_of_their_names(registry):
    called = []
    for name in ("b", "", "a", 7):
        registry.set(
            name, mock.Mock(spec=["on_message"], on_message=lambda frame, name=name: called.append(name))
        )
    registry.notify_frame("on_message", message())
    assert called == ["", 7, "a", "b"]


def test_listener_of_a_name_is_replaced_and_removed(registry):
    registry.set("a", mock.Mock())
    registry.set("a", listener := mock.Mock())
    assert registry.listeners == {"a": listener}
    registry.remove("a")
    assert registry.listeners == {}
    assert registry.targets("on_message") == []
    with pytest.raises(KeyError):
        registry.remove("a")


class TakesFrame:
    def on_message(self, frame):
        self.got = frame.headers, frame.body


class TakesPair:
    def on_message(self, headers, body):
        self.got = headers, body


class TakesFrameAndMore:
    def on_message(self, frame, body=None):
        self.got = frame.headers, frame.body


class TakesAnything:
    def on_message(self, *args):
        (frame,) = args
        self.got = frame.headers, frame.body


class IsStatic:
    got: tuple

    @staticmethod
    def on_message(headers, body):
        IsStatic.got = headers, body


@pytest.mark.parametrize("kind", [TakesFrame, TakesPair, TakesFrameAndMore, TakesAnything, IsStatic])
def test_all_callback_signatures_are_called(registry, kind):
    registry.set("", listener := kind())
    registry.notify_frame("on_message", message("hello", n="1"))
    assert listener.got == ({"n": "1"}, "hello")


def test_a_method_put_on_an_instance_later_is_called(registry):
    registry.set("", listener := ConnectionListener())
    registry.notify_frame("on_message", message("unheard"))
    got: list[str] = []
    setattr(listener, "on_message", lambda headers, body: got.append(body))  # noqa: B010
    registry.notify_frame("on_message", message("received"))
    assert got == ["received"]


def test_callable_without_signature_gets_a_frame(registry):
    got: list[Frame] = []
    registry.set("", mock.Mock(spec=["on_message"], on_message=got.append))
    frame = message()
    registry.notify_frame("on_message", frame)
    assert got == [frame]


def test_missing_and_empty_methods_are_skipped(registry):
    registry.set("a", object())
    registry.set("b", ConnectionListener())
    assert registry.targets("on_message") == []
    registry.notify("on_disconnected")


def test_wrapped_default_method_is_called(registry, monkeypatch):
    traced = []
    original = ConnectionListener.on_message

    @functools.wraps(original)
    def wrapper(self, *args, **kwargs):
        traced.append(args)
        return original(self, *args, **kwargs)

    registry.set("", listener := ConnectionListener())
    assert is_noop(listener.on_message)
    monkeypatch.setattr(ConnectionListener, "on_message", wrapper)
    assert not is_noop(listener.on_message)
    registry.notify_frame("on_message", frame := message())
    assert traced == [(frame,)]


def test_result_of_before_message_is_passed_to_the_next_listener(registry):
    class Before:
        def on_before_message(self, headers, body):
            return {**headers, "seen": "yes"}, body.upper()

    registry.set("1", Before())
    registry.set("2", listener := mock.Mock(spec=["on_before_message"]))
    frame = message("hello")
    registry.notify_frame("on_before_message", frame)
    assert (frame.headers, frame.body) == ({"seen": "yes"}, "HELLO")
    listener.on_before_message.assert_called_once_with(frame)


@pytest.mark.parametrize("answer", [None, True, "no", ("a", "b", "c")])
def test_other_results_are_ignored(registry, answer):
    class Before:
        def on_before_message(self, headers, body):
            return answer

    registry.set("", Before())
    frame = message("hello", n="1")
    registry.notify_frame("on_before_message", frame)
    assert (frame.headers, frame.body) == ({"n": "1"}, "hello")


def test_callbacks_without_frame_get_their_arguments(registry):
    got = []

    class Pair:
        def on_receiver_loop_completed(self, headers, body):
            got.append((headers, body))

    class One:
        def on_receiver_loop_completed(self, frame):
            got.append(frame)

    registry.set("1", Pair())
    registry.set("2", One())
    registry.notify_frame("on_receiver_loop_completed", None)
    assert got == [(None, None), None]


def test_exception_is_logged_and_other_listeners_are_called(registry, caplog):
    class Broken:
        def on_message(self, frame):
            raise KeyError("missing key")

        def on_disconnected(self):
            raise ValueError("no")

    registry.set("first", Broken())
    registry.set("second", other := mock.Mock())
    registry.notify_frame("on_message", message("the body"))
    registry.notify("on_disconnected")
    other.on_message.assert_called_once()
    other.on_disconnected.assert_called_once()
    assert "listener 'first' (Broken): on_message failed" in caplog.text
    assert "missing key" in caplog.text
    assert "the body" not in caplog.text


def test_deliver_gives_one_listener_one_frame(registry):
    registry.set("", listener := TakesPair())
    (target,) = registry.targets("on_message")
    deliver(target, "on_message", message("x"))
    assert listener.got == ({}, "x")


def test_callback_cache_follows_changed_methods(registry):
    """Asked twice each time: what was found is kept."""

    class Plain(ConnectionListener):
        pass

    first, second = Plain(), TakesFrame()
    registry.set("a", first)
    registry.set("b", second)
    for _ in range(2):
        assert [target.name for target in registry.targets("on_message")] == ["b"]
    vars(first)["on_message"] = lambda frame: None
    for _ in range(2):
        assert [target.name for target in registry.targets("on_message")] == ["a", "b"]
    del vars(first)["on_message"]
    for _ in range(2):
        assert [target.name for target in registry.targets("on_message")] == ["b"]
    registry.remove("b")
    for _ in range(2):
        assert registry.targets("on_message") == []


def unwatched(registry):
    return not registry.targets("on_send")


def test_idle_on_send_knows_whether_a_listener_has_on_send(registry):
    class Plain(ConnectionListener):
        pass

    class Watching(ConnectionListener):
        def on_send(self, frame):
            pass

    class Slotted:
        __slots__ = ()

    plain = Plain()
    registry.set("plain", plain)
    registry.set("slotted", Slotted())
    assert unwatched(registry)
    registry.set("watching", Watching())
    assert not unwatched(registry)
    registry.remove("watching")
    assert unwatched(registry)
    vars(plain)["on_send"] = print
    assert not unwatched(registry)
    del vars(plain)["on_send"]
    assert unwatched(registry)


@pytest.mark.parametrize("of", ["its own class", "the base class", "a class without one"])
def test_a_class_may_get_its_on_send_at_any_time(registry, monkeypatch, of):
    class Plain(ConnectionListener):
        pass

    class Bare:
        pass

    registry.set("plain", Bare() if of == "a class without one" else Plain())
    assert unwatched(registry)
    kind = {"its own class": Plain, "the base class": ConnectionListener, "a class without one": Bare}[of]
    monkeypatch.setattr(kind, "on_send", lambda self, frame: None, raising=False)
    assert not unwatched(registry)
    monkeypatch.undo()
    assert unwatched(registry)


async def on_anything(*args):
    pass


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_listener_with_a_coroutine_function_is_refused(registry, method):
    listener = type("Listener", (), {method: on_anything})()
    with pytest.raises(
        UsageError, match=rf"{method} of the listener Listener is a coroutine function.*AsyncClient"
    ):
        registry.set("a", listener)
    assert registry.listeners == {}


def test_a_listener_whose_callback_cannot_be_called_is_refused(registry):
    with pytest.raises(UsageError, match="on_message of the listener Mock is of type int"):
        registry.set("a", mock.Mock(on_message=5))
    registry.set("a", mock.Mock(on_message=None))
    assert registry.targets("on_message") == []


def test_mocks_of_listeners_with_coroutine_functions_are_refused(registry):
    with pytest.raises(UsageError):
        registry.set("a", mock.AsyncMock())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [lambda frame: on_anything(), lambda headers, body: on_anything()])
def test_a_callback_that_returns_a_coroutine_has_failed(registry, caplog, shape):
    registry.set(
        "a", mock.Mock(spec=["on_message", "on_heartbeat"], on_message=shape, on_heartbeat=on_nothing)
    )
    frame = message("hello", **{"message-id": "7"})
    registry.notify_frame("on_message", frame)
    registry.notify("on_heartbeat")
    gc.collect()
    assert "on_message failed for message '7'" in caplog.text
    assert caplog.text.count("returned a coroutine") == 2


def on_nothing():
    return on_anything()
