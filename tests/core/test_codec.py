import gc
import os
import subprocess
import sys
from typing import Any

import pytest

from stomp.core import codec
from stomp.core.decoder import Decoder
from stomp.core.dialect import STOMP12
from stomp.core.events import Message
from stomp.core.frame import Headers
from stomp.received import ReceivedText

native = pytest.mark.skipif(codec.native is None, reason="stompkit-native is not installed: make native")


def name_in(setup: str, **environment: str) -> str:
    """Which codec a fresh interpreter uses after this."""
    code = f"{setup}\nfrom stomp.core import codec; print(codec.name())"
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


def test_it_is_used_where_it_is_installed_and_fits() -> None:
    assert name_in(fake(codec.INTERFACE)) == "native"
    assert name_in(fake(codec.INTERFACE + 1)) == "pure"
    assert name_in("import sys; sys.modules['stomp_native'] = None") == "pure"


@native
def test_it_can_be_refused() -> None:
    assert name_in("") == "native"
    assert name_in("", STOMPKIT_NATIVE="1") == "native"
    assert name_in("", STOMPKIT_NATIVE="0") == "pure"


def test_a_lenient_decoder_does_without() -> None:
    from stomp.core.limits import LENIENT

    assert Decoder(lenient=LENIENT)._scanner is None


# ------------------------------------------------------------------------------------- the native one by itself

HEAD = b"MESSAGE\nmessage-id:%d\nsubscription:1\ncontent-length:3\n\nabc\0\n"


def taught(make: type = Message) -> Any:
    scanner = codec.native.Scanner(Headers)
    plain = make in (Message, ReceivedText)
    scanner.learn(
        "MESSAGE",
        ("message-id", "subscription", "content-length"),
        make,
        plain,
        make is ReceivedText,
        make is ReceivedText,
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
def test_it_stops_at_the_first_surprise(rest: bytes, taken: int) -> None:
    data = HEAD % 1 + HEAD % 2 + rest
    pos, out = scan(taught(), data)
    assert len(out) == taken
    assert pos == (len(data) if taken == 3 or not rest else 2 * len(HEAD % 1))


@native
@pytest.mark.parametrize("limits", [{"body": 2}, {"frame": 2}, {"head": 45}])
def test_what_may_exceed_a_limit_is_left_to_others(limits: dict[str, int]) -> None:
    assert scan(taught(), HEAD % 1, **limits) == (0, [])


@native
@pytest.mark.parametrize(
    ("rest", "needed"),
    [
        (b"", 0),
        (HEAD[:-2] % 3, len(HEAD % 3) - 1),
        (HEAD[:-5] % 3, len(HEAD % 3) - 1),
        (HEAD[:-6] % 3, 0),  # where the head ends is not known
        (HEAD.replace(b"h:3", b"h:990") % 3, len(HEAD % 3) - 1 + 2 + 987),
        (HEAD.replace(b"h:3", b"h:1001") % 3, 0),  # too long
        (HEAD[:-2] % 3 + b"x", 0),  # not unfinished but broken
    ],
)
def test_it_says_how_long_an_unfinished_frame_is(rest: bytes, needed: int) -> None:
    scanner = taught()
    assert scan(scanner, HEAD % 1 + rest)[0] == len(HEAD % 1)
    assert scanner.needed == needed
    scan(scanner, HEAD % 1)
    assert scanner.needed == 0


@native
@pytest.mark.parametrize("before", [0, 1, 31, 32, 33, 100, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1])
@pytest.mark.parametrize(
    "middle",
    [
        *["", "é", "\x80", "\xff", "Café au lait", "éé" * 40, "€", "é€", "🐍", "\0"],
        *[b"\xff", b"\x80", b"\xc3", b"\xc3x", b"\xc1\x80", b"\xc2\xc2\x80", b"\xed\xa0\x80", b"\xe2\x82"],
    ],
)
def test_text_is_what_python_makes_of_it(before: int, middle: str | bytes) -> None:
    data = middle.encode() if isinstance(middle, str) else middle
    for after in (b"", b"x", b"y" * 50, "ü".encode()):
        whole = b"x" * before + data + after
        text, expected = codec.native.text(memoryview(whole)), whole.decode("utf-8", "replace")
        assert text == expected
        # Not only equal: no wider than it has to be, or it would be another key of a dictionary.
        assert (hash(text), text.isascii(), sys.getsizeof(text)) == (
            hash(expected),
            expected.isascii(),
            sys.getsizeof(expected),
        )


@native
def test_text_of_what_has_no_bytes() -> None:
    with pytest.raises(TypeError):
        codec.native.text("x")


@native
def test_other_classes_are_called() -> None:
    class Odd(Message):
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

    class Failing(Message):
        def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scan(taught(Failing), HEAD % 1)


@native
def test_it_refuses_what_it_is_not_made_for() -> None:
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
            codec.native.Scanner(*arguments)
    for arguments in (
        (),
        ("X", ["a"], Message, 1, 0, 0),
        ("X", (1,), Message, 1, 0, 0),
        ("X", (), 1, 1, 0, 0),
    ):
        with pytest.raises(TypeError):
            scanner.learn(*arguments)
    with pytest.raises(TypeError):
        codec.native.route([], 0, Message, [], True, [])
    assert codec.native.route([], 0, Message, {}, True, []) == 0
    assert codec.native.route([object()], 0, int, {}, True, []) == 0


@native
@pytest.mark.parametrize("make", [Message, ReceivedText])
def test_it_leaks_nothing(make: type) -> None:
    data = b"".join(HEAD % number for number in range(50)) + HEAD.replace(b"%d", b"\\t")

    def work() -> None:
        for _ in range(20):
            _, out = scan(taught(make), data)
            codec.native.route(out, 0, Message, {}, True, [])

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        work()
    gc.collect()
    # A leak would be one for each of 20,000 frames.
    assert sys.getallocatedblocks() - before < 500
