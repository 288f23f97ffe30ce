import importlib
import threading
import uuid

import pytest

import stomp.utils
from stomp.core.errors import FrameError
from stomp.utils import (
    HEARTBEAT_FRAME,
    Frame,
    calculate_heartbeats,
    clean_headers,
    clean_lines,
    convert_frame,
    decode,
    default_create_thread,
    encode,
    get_errno,
    get_uuid,
    is_eol_default,
    is_localhost,
    join,
    length,
    merge_headers,
    pack,
    parse_frame,
    parse_headers,
)
from tests.listening import PATIENCE


def test_frame_keeps_its_headers():
    frame = Frame("MESSAGE", {"a": "1"}, "x")
    frame.headers["a"] = "2"
    assert frame.original_headers == {"a": "1"}


def test_frames_share_no_headers():
    Frame("A").headers["x"] = "1"
    assert Frame("B").headers == {}
    assert HEARTBEAT_FRAME.headers == {}


def test_str_of_a_frame_masks_credentials():
    assert (
        str(Frame("STOMP", {"passcode": "secret"}, "x"))
        == "{cmd=STOMP,headers=[{'passcode': '********'}],body=x}"
    )


def test_merge_headers_prefers_later_values_and_copies():
    first, second = {"a": 1, "b": 2}, {"b": 3}
    assert merge_headers([first, None, second]) == {"a": 1, "b": 3}
    assert (first, second) == ({"a": 1, "b": 2}, {"b": 3})


def test_clean_headers_copies():
    headers = {"passcode": "secret", "a": "b"}
    assert clean_headers(headers) == {"passcode": "********", "a": "b"}
    assert headers["passcode"] == "secret"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ä", b"\xc3\xa4"),
        (b"\xff", b"\xff"),
        ("", b""),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
    ],
)
def test_encode_returns_bytes(body, expected):
    assert encode(body) == expected


@pytest.mark.parametrize("body", [17, None, 0, [], {}])
def test_encode_refuses_other_types(body):
    with pytest.raises(TypeError, match="should be a string or bytes"):
        encode(body)


def test_uuids_are_new_each_time():
    assert uuid.UUID(get_uuid()) != uuid.UUID(get_uuid())


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame(None), [b"\n"]),
        (Frame("SEND"), [b"SEND", b"\n", b"\n", b"\0"]),
        (
            Frame("SEND", {"b": 2, "a": "1", "none": None, "t": ("x", "y")}, "hä"),
            [b"SEND", b"\n", b"a:1\n", b"b:2\n", b"t:x\n", b"t:y\n", b"\n", b"h\xc3\xa4", b"\0"],
        ),
        (
            Frame("SEND", {"content-length": 99}, b"abc"),
            [b"SEND", b"\n", b"content-length:3\n", b"\n", b"abc", b"\0"],
        ),
    ],
)
def test_convert_frame_writes_a_frame(frame, expected):
    assert convert_frame(frame) == expected


def test_convert_frame_uses_the_encoding():
    assert convert_frame(Frame("SEND", {}, "ä"), body_encoding="latin-1")[3] == b"\xe4"


@pytest.mark.parametrize("headers", [{"a": "b\nc:d"}, {"a\nb": "c"}, {"a": "\0"}, {"a": ("b", "c\n")}])
def test_convert_frame_refuses_ambiguous_headers(headers):
    with pytest.raises(FrameError):
        convert_frame(Frame("SEND", headers, "x"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"CONNECTED\nversion:1.1\n\n", ("CONNECTED", {"version": "1.1"}, b"")),
        (b"MESSAGE\r\na:b\r\n\r\nbody", ("MESSAGE", {"a": "b"}, b"body")),
        (
            b"MESSAGE\na:b\na:c\nx\\cy:1\\n2\\t\n\none\n\ntwo",
            ("MESSAGE", {"a": "b", "x:y": "1\n2\\t"}, b"one\n\ntwo"),
        ),
        (b"\n\n\r\nMESSAGE\n\nx", ("MESSAGE", {}, b"x")),
        (b"MESSAGE\na:b", ("MESSAGE", {"a": "b"}, b"")),
        (b"\n", ("heartbeat", {}, None)),
    ],
)
def test_parse_frame_reads_a_frame(data, expected):
    frame = parse_frame(data)
    assert frame is not None
    assert (frame.cmd, frame.headers, frame.body) == expected


@pytest.mark.parametrize("data", [b"", b"\r\n"])
def test_parse_frame_of_empty_data_is_a_heartbeat(data):
    assert parse_frame(data) is None


def test_parse_headers_reads_lines():
    lines = ["CMD", "a:b", " c : d ", ":x", "no colon", "a:z", "e:f:g", ""]
    assert parse_headers(lines, 1) == {"a": "b", " c ": " d ", "e": "f:g"}


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (("1000", "0"), (500, 600), (0, 1000)),
        (("1000", "2000"), (500, 600), (2000, 1000)),
        ((0, 0), (500, 600), (0, 0)),
        (("1", "1"), (0, 0), (0, 0)),
    ],
)
def test_calculate_heartbeats_takes_the_maximum(server, client, expected):
    assert calculate_heartbeats(server, client) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("before passcode: x after", "before passcode:******** after"),
        ([b"passcode:secret\n", b"a:b\n"], "[b'passcode:********\\n', b'a:b\\n']"),
        ({"login": "a"}, "{'login': 'a'}"),
    ],
)
def test_clean_lines_removes_line_ends(lines, expected):
    assert clean_lines(lines) == expected


def test_text_and_bytes_are_converted():
    assert pack([b"a", b"b"]) == b"ab"
    assert pack() == b""
    assert join([b"a", b"\xff"]) == "a�"
    assert (decode(None), decode(b"\xff")) == (None, "�")
    assert [length(text) for text in (None, "", "ä", b"ab")] == [0, 0, 1, 2]
    assert [is_eol_default(c) for c in (b"\n", b"\r\n")] == [True, False]


def test_get_errno_returns_the_number():
    assert get_errno(OSError(5, "text")) == 5
    assert get_errno(Exception(7, "text")) == 7


def test_local_hosts_come_first():
    assert is_localhost(("localhost", 1)) == is_localhost(("127.0.0.1", 1)) == 1
    assert is_localhost(("broker.example", 1)) == 2


@pytest.fixture
def reloadable():
    """Restore the old classes after a reload: other modules must continue to use these."""
    before = dict(vars(stomp.utils))
    yield
    vars(stomp.utils).update(before)


@pytest.mark.usefixtures("reloadable")
def test_local_host_names_are_resolved_on_access(monkeypatch):
    monkeypatch.setenv("STOMP_SKIP_HOSTNAME_SCAN", "1")
    importlib.reload(stomp.utils)
    assert stomp.utils.LOCALHOST_NAMES == ["localhost", "127.0.0.1"]
    monkeypatch.delenv("STOMP_SKIP_HOSTNAME_SCAN")
    importlib.reload(stomp.utils)
    assert len(stomp.utils.LOCALHOST_NAMES) > 2
    assert stomp.utils.LOCALHOST_NAMES is stomp.utils.LOCALHOST_NAMES
    with pytest.raises(AttributeError):
        stomp.utils.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_star_import_exports_modules_and_constants():
    names: dict[str, object] = {}
    exec("from stomp.utils import *", names)
    for name in ("copy", "re", "socket", "threading", "uuid", "os", "queue", "HDR_ACK", "CMD_SEND", "Frame"):
        assert name in names


def test_default_create_thread_starts_a_thread():
    done = threading.Event()
    thread = default_create_thread(done.set)
    assert done.wait(PATIENCE)
    assert thread.daemon
