import gc
import os
import subprocess
import sys
import threading
import types
import weakref
from typing import Any

import pytest

from stomp.classic.frames import TextMessageFrame
from stomp.core.engine.message import BaseMessage
from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.head_templates import slot_defaults_of
from stomp.core.frames.versions import STOMP12
from stomp.core.session.events import MessageFrame, Receipt

native = pytest.mark.skipif(
    native_codec.native is None, reason="stompkit-native is not installed: make native"
)


def name_in(setup: str, **environment: str) -> str:
    """Which codec a fresh interpreter uses after this."""
    code = f"{setup}\nfrom stomp.core.frames import native; print(native.name())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={**os.environ, **environment},
    )
    assert done.stderr == ""
    return done.stdout.strip()


def fake(interface: int) -> str:
    return f"import sys, types; sys.modules['stomp_native'] = types.SimpleNamespace(INTERFACE={interface})"


def test_native_codec_is_used_if_installed_and_compatible() -> None:
    assert name_in(fake(native_codec.INTERFACE)) == "native"
    assert name_in(fake(native_codec.INTERFACE + 1)) == "pure"
    assert name_in("import sys; sys.modules['stomp_native'] = None") == "pure"


def test_native_codec_of_another_interface_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for interface, loaded in (
        (native_codec.INTERFACE, True),
        (native_codec.INTERFACE + 1, False),
        (0, False),
    ):
        module = types.SimpleNamespace(INTERFACE=interface)
        monkeypatch.setitem(sys.modules, "stomp_native", module)
        found = native_codec._load()
        assert found is (module if loaded else None)
        monkeypatch.setattr(native_codec, "native", found)
        assert native_codec.name() == ("native" if loaded else "pure")


@native
def test_native_codec_can_be_turned_off() -> None:
    assert name_in("") == "native"
    assert name_in("", STOMPKIT_NATIVE="1") == "native"
    assert name_in("", STOMPKIT_NATIVE="0") == "pure"


@native
@pytest.mark.parametrize("lenient", [True, False])
def test_lenient_decoder_uses_the_native_codec(lenient: bool) -> None:
    assert Decoder(lenient=lenient)._scanner is not None


# ------------------------------------------------------------------------------------- the native one by itself

HEAD = b"MESSAGE\nmessage-id:%d\nsubscription:1\ncontent-length:3\n\nabc\0\n"


def taught(make: type = MessageFrame) -> Any:
    scanner = native_codec.native.Scanner(Headers)
    headers = Headers({"message-id": "7", "subscription": "1", "content-length": "3"})
    scanner.learn(
        HEAD[: -len(b"abc\0\n")] % 7, headers, make, slot_defaults_of(make), make is TextMessageFrame
    )
    return scanner


def scan(scanner, data, pos=0, head=1000, body=1000, frame=1000):
    out: list = []
    return scanner.scan(data, pos, out, head, body, frame, STOMP12.codes), out


@native
@pytest.mark.parametrize(
    ("rest", "taken"),
    [
        (b"", 2),
        (HEAD % 3, 3),
        ((HEAD % 3)[:-3], 2),  # unfinished
        (b"MESSAGE", 2),
        (b"\n" + HEAD % 3, 2),
        (HEAD.replace(b"%d", b"a\\cb"), 3),
        (HEAD.replace(b"%d", b"a\\tb"), 2),  # an undefined escape
        (HEAD.replace(b"%d", b"a\\"), 2),
        (HEAD.replace(b"%d", b"a\r"), 2),
        (HEAD.replace(b"%d", b"a\0"), 2),
        (HEAD.replace(b"%d", b"\xff"), 2),
        (HEAD.replace(b"%d", "é\\n".encode()), 3),
        (HEAD.replace(b"%d", b""), 3),
        (HEAD.replace(b"%d", b"x" * 960), 2),  # too long a head
        (HEAD.replace(b"h:3", b"h:03"), 3),
        (HEAD.replace(b"h:3", b"h:4"), 2),
        (HEAD.replace(b"h:3", b"h:2"), 2),
        (HEAD.replace(b"h:3", b"h:"), 2),
        (HEAD.replace(b"h:3", b"h:-3"), 2),
        (HEAD.replace(b"h:3", b"h:+3"), 2),
        (HEAD.replace(b"h:3", b"h:999999999999999999"), 2),
        (HEAD.replace(b"h:3", b"h:9999999999999999999999999999"), 2),
        (b"RECEIPT\nreceipt-id:1\n\n\0", 2),
        (HEAD.replace(b"\n\nabc", b"\nx:y\n\nabc"), 2),
    ],
)
def test_scanner_stops_at_the_first_irregular_frame(rest: bytes, taken: int) -> None:
    data = HEAD % 1 + HEAD % 2 + rest
    pos, out = scan(taught(), data)
    assert len(out) == taken
    assert pos == (len(data) if taken == 3 or not rest else 2 * len(HEAD % 1))


@native
@pytest.mark.parametrize("values", [("1", "1"), (1, 2), ("\xe9", None)])
def test_wrong_template_does_not_give_a_wrong_frame(values: tuple[Any, Any]) -> None:
    scanner = native_codec.native.Scanner(Headers)
    learned = dict(zip(("a", "b"), values, strict=True))
    scanner.learn(b"MESSAGE\na:1\nb:2\n\n", learned, MessageFrame, slot_defaults_of(MessageFrame), 0)
    _, frames = scan(scanner, b"MESSAGE\na:3\nb:4\n\nx\0MESSAGE\na:1\nb:2\n\nx\0")
    assert [frame.headers for frame in frames] == [{"a": "3", "b": "4"}, {"a": "1", "b": "2"}]


@native
def test_any_value_may_change_in_the_end() -> None:
    names = [f"h{number}" for number in range(40)]

    def head(values: list[str]) -> bytes:
        lines = [f"{name}:{value}\n" for name, value in zip(names, values, strict=True)]
        return f"MESSAGE\n{''.join(lines)}\n".encode()

    scanner = native_codec.native.Scanner(Headers)
    headers = dict.fromkeys(names, "0")
    scanner.learn(head(["0"] * 40), headers, TextMessageFrame, slot_defaults_of(TextMessageFrame), 1)
    for changed in range(41):
        values = ["0" if number >= changed else "9" * number for number in range(40)]
        _, (frame,) = scan(scanner, head(values) + b"x\0")
        expected = list(zip(names, values, strict=True))
        assert list(frame.headers.items()) == list(frame.original_headers.items()) == expected
        frame.headers["h1"] = "x"
        assert list(frame.original_headers.items()) == expected


@native
def test_headers_in_a_cycle_are_collected() -> None:
    _, (frame,) = scan(taught(), HEAD % 1)
    canary: Any = threading.Event()
    gone = weakref.ref(canary)
    frame.headers["me"], frame.headers["canary"] = frame.headers, canary
    del frame, canary
    gc.collect()
    assert gone() is None


@native
@pytest.mark.parametrize("make", [Frame, MessageFrame, Receipt, BaseMessage, TextMessageFrame])
def test_native_frame_equals_a_constructed_one(make: type[Frame]) -> None:
    _, (frame,) = scan(taught(make), HEAD % 1)
    called = make("MESSAGE", Headers(frame.headers), frame.body)
    slots = [name for cls in make.__mro__ for name in vars(cls).get("__slots__", ()) if name != "original"]
    assert {"command", "headers", "body"} < set(slots) or make is Frame
    for name in slots:
        assert getattr(frame, name) == getattr(called, name)


@native
@pytest.mark.parametrize("limits", [{"body": 2}, {"frame": 2}, {"head": 45}])
def test_frames_near_a_limit_are_left_to_python(limits: dict[str, int]) -> None:
    assert scan(taught(), HEAD % 1, **limits) == (0, [])


@native
@pytest.mark.parametrize("rest", [HEAD[:-2] % 3, HEAD[:-5] % 3, HEAD[:-6] % 3, HEAD[:-2] % 3 + b"x"])
def test_scanner_leaves_an_unfinished_frame_to_python(rest: bytes) -> None:
    assert scan(taught(), HEAD % 1 + rest)[0] == len(HEAD % 1)


@native
@pytest.mark.parametrize("before", [0, 1, 31, 32, 33, 100, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1])
@pytest.mark.parametrize(
    "middle",
    [
        *["", "é", "\x80", "\xff", "Café au lait", "éé" * 40, "€", "é€", "🐍", "\0"],
        *[b"\xff", b"\x80", b"\xc3", b"\xc3x", b"\xc1\x80", b"\xc2\xc2\x80", b"\xed\xa0\x80", b"\xe2\x82"],
    ],
)
def test_text_equals_that_of_python(before: int, middle: str | bytes) -> None:
    data = middle.encode() if isinstance(middle, str) else middle
    for after in (b"", b"x", b"y" * 50, "ü".encode()):
        whole = b"x" * before + data + after
        text, expected = native_codec.native.text(memoryview(whole)), whole.decode("utf-8", "replace")
        assert text == expected
        # Not only equal: no wider than it has to be, or it would be another key of a dictionary.
        assert (hash(text), text.isascii(), sys.getsizeof(text)) == (
            hash(expected),
            expected.isascii(),
            sys.getsizeof(expected),
        )


@native
def test_text_of_other_objects_is_refused() -> None:
    with pytest.raises(TypeError):
        native_codec.native.text("x")


@native
def test_constructors_of_other_classes_are_called() -> None:
    class Odd(MessageFrame):
        __slots__ = ("more",)

        def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
            super().__init__(command, headers, body)
            self.more = "more"

    _, (frame,) = scan(taught(Odd), HEAD % 1)
    assert (frame.command, frame.headers["message-id"], frame.body, frame.more) == (
        "MESSAGE",
        "1",
        b"abc",
        "more",
    )

    class Failing(MessageFrame):
        def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scan(taught(Failing), HEAD % 1)


@native
def test_scanner_refuses_wrong_arguments() -> None:
    scanner = taught()
    arguments: tuple[Any, ...]
    for arguments in (
        (),
        (b"", 0, []),
        ("", 0, [], 1, 1, 1, ""),
        (b"", 0, (), 1, 1, 1, ""),
        (b"", "", [], 1, 1, 1, ""),
    ):
        with pytest.raises(TypeError):
            scanner.scan(*arguments)
    with pytest.raises(ValueError, match="not negative"):
        scanner.scan(b"x", -1, [], 1, 1, 1, "")
    for arguments in ((), (int,), (Headers, 1)):
        with pytest.raises(TypeError):
            native_codec.native.Scanner(*arguments)
    for arguments in (
        (),
        ("X\n\n", {}, MessageFrame, None, 0),
        (b"X\n\n", [], MessageFrame, None, 0),
        (b"X\n\n", {}, 1, None, 0),
        (b"X\n\n", {}, MessageFrame, 1, 0),
        (b"X\n\n", {}, MessageFrame, {1: None}, 0),
    ):
        with pytest.raises(TypeError):
            scanner.learn(*arguments)
    for head, headers in (
        (b"", {}),
        (b"X", {}),
        (b"X\n", {}),
        (b"X\n\n\n", {}),
        (b"X\na:1\n\n", {}),
        (b"X\n\n", {"a": "1"}),
        (b"X\na:1\n", {"a": "1"}),
        (b"X\na:1", {"a": "1"}),
        (b"X\na:1\n\n", {"b": "1"}),
        (b"X\na:1\n\n", {1: "1"}),
    ):
        with pytest.raises(ValueError, match="other headers"):
            scanner.learn(head, headers, MessageFrame, None, 0)
    with pytest.raises(TypeError):
        native_codec.native.route([], 0, MessageFrame, [], True, [])
    assert native_codec.native.route([], 0, MessageFrame, {}, True, []) == 0
    assert native_codec.native.route([object()], 0, int, {}, True, []) == 0


@native
@pytest.mark.parametrize("make", [MessageFrame, TextMessageFrame])
def test_scanner_leaks_nothing(make: type) -> None:
    data = b"".join(HEAD % number for number in range(50)) + HEAD.replace(b"%d", b"\\t")

    def work() -> None:
        for _ in range(20):
            _, out = scan(taught(make), data)
            native_codec.native.route(out, 0, MessageFrame, {}, True, [])

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        work()
    gc.collect()
    # A leak would be one for each of 20,000 frames.
    assert sys.getallocatedblocks() - before < 500
