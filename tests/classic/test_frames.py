import copy
import pickle

import pytest

from stomp.classic.base_transport import BaseTransport
from stomp.classic.frames import BytesMessageFrame, ReceiptFrame, TextMessageFrame
from stomp.core.frames.frame import Headers
from stomp.core.session.client import ClientSession
from stomp.listener import ConnectionListener
from stomp.utils import Frame

pytestmark = pytest.mark.usefixtures("each_codec")

CONNECTED = b"CONNECTED\nversion:1.2\n\n\0"
MESSAGE = b"MESSAGE\nsubscription:1\nmessage-id:%d\nx:a\\cb\n\n%b\0\n"


def received(cls: type[BytesMessageFrame], body: bytes = b"caf\xc3\xa9") -> list[BytesMessageFrame]:
    """What a session makes of several messages: the first ones are read carefully, the last ones are not."""
    session = ClientSession(message_class=cls)
    session.connect(["1.2"], "/")
    session.receive_data(CONNECTED, 0.0)
    session.events()
    for number in range(4):
        session.receive_data(MESSAGE % (number, body), 0.0)
    return [event for event in session.events() if isinstance(event, cls)]


@pytest.mark.parametrize("cls", [BytesMessageFrame, TextMessageFrame])
def test_message_has_the_attributes_of_a_stomp_py_frame(cls):
    for number, frame in enumerate(received(cls)):
        assert isinstance(frame, Frame)
        assert frame.cmd == frame.command == "MESSAGE"
        assert frame.headers == {"subscription": "1", "message-id": str(number), "x": "a:b"}
        assert frame.headers["x"] == "a:b"
        assert type(frame.original_headers) is dict
        assert frame.original_headers == frame.headers
        assert str(frame).startswith("{cmd=MESSAGE,headers=[{'subscription': '1'")
        assert frame in {frame}
    first, second, *_ = received(cls)
    first.headers = second.headers = {}
    assert first != second


@pytest.mark.parametrize("cls", [BytesMessageFrame, TextMessageFrame])
def test_original_headers_are_unchanged(cls):
    for frame in received(cls):
        frame.headers["added"] = "1"
        del frame.headers["x"]
        assert frame.original_headers["x"] == "a:b"
        assert "added" not in frame.original_headers
        frame.original_headers = {"a": "1"}
        assert frame.original_headers == {"a": "1"}


def test_body_is_text_if_decoding_is_on_and_possible():
    assert [frame.body for frame in received(BytesMessageFrame)] == [b"caf\xc3\xa9"] * 4
    assert {frame.body for frame in received(TextMessageFrame)} <= {b"caf\xc3\xa9", "café"}
    assert {frame.body for frame in received(TextMessageFrame, b"\xff!")} <= {b"\xff!", "\ufffd!"}


def test_message_can_be_changed_and_copied():
    *_, frame = received(TextMessageFrame)
    frame.body, frame.cmd = "changed", "X"
    setattr(frame, "more", 5)  # noqa: B010 - listeners do so, and types do not know
    assert frame.command == "X"
    known = {"cmd": "X", "headers": frame.headers, "original_headers": frame.headers, "body": "changed"}
    assert vars(frame) == {**known, "more": 5}
    for twin in (copy.copy(frame), copy.deepcopy(frame), pickle.loads(pickle.dumps(frame))):
        assert vars(twin) == vars(frame)


def test_message_can_be_created_by_a_program():
    frame = BytesMessageFrame("MESSAGE", Headers(a="1"), b"x")
    assert (frame.cmd, frame.headers, frame.original_headers, frame.body) == (
        "MESSAGE",
        {"a": "1"},
        {"a": "1"},
        b"x",
    )


# ------------------------------------------------------------------------------------- receipts


class Recorder(ConnectionListener):
    """Keeps its frames in the state of the call."""

    def __init__(self):
        self.frames = []
        self.seen = []

    def on_receipt(self, frame):
        self.frames.append(frame)
        self.seen.append((frame.cmd, dict(frame.headers), dict(frame.original_headers), frame.body))
        frame.headers["added"] = "1"


def receipts(auto_decode: bool = True, body: bytes = b"") -> Recorder:
    """What a listener gets of several receipts: the first ones are read carefully, the last ones are not."""
    session = ClientSession(receipt_class=ReceiptFrame)
    session.connect(["1.2"], "/")
    session.receive_data(CONNECTED, 0.0)
    session.events()
    transport = BaseTransport(auto_decode)
    transport.set_listener("recorder", recorder := Recorder())
    one = b"RECEIPT\nreceipt-id:a\\c%d\n\n%b\0\n"
    session.receive_data(one % (0, body), 0.0)
    session.receive_data(one % (1, body), 0.0)
    session.receive_data(b"".join(one % (number, body) for number in (2, 3, 4)), 0.0)
    transport.handle(session.events())
    return recorder


def test_receipt_has_the_attributes_of_a_stomp_py_frame():
    recorder = receipts()
    assert recorder.seen == [
        ("RECEIPT", {"receipt-id": f"a:{number}"}, {"receipt-id": f"a:{number}"}, "") for number in range(5)
    ]
    for frame in recorder.frames:
        assert type(frame) is ReceiptFrame
        assert isinstance(frame, Frame)
        assert str(frame).startswith("{cmd=RECEIPT,headers=[{'receipt-id': 'a:")
        assert frame in {frame}
        assert "added" not in frame.original_headers
    first, second, *_ = receipts().frames
    first.headers = second.headers = {}
    assert first != second


@pytest.mark.parametrize(("auto_decode", "body"), [(True, "\ufffd!"), (False, b"\xff!")])
def test_receipt_body_is_decoded_like_that_of_a_message(auto_decode, body):
    assert [seen[3] for seen in receipts(auto_decode, b"\xff!").seen] == [body] * 5


def test_receipt_can_be_changed_and_copied():
    *_, frame = receipts().frames
    frame.body, frame.cmd = "changed", "X"
    setattr(frame, "more", 5)  # noqa: B010 - listeners do so, and types do not know
    known = {"cmd": "X", "headers": frame.headers, "original_headers": {"receipt-id": "a:4"}}
    assert vars(frame) == {**known, "body": "changed", "more": 5}
    for twin in (copy.copy(frame), copy.deepcopy(frame), pickle.loads(pickle.dumps(frame))):
        assert vars(twin) == vars(frame)
        assert twin.ticket is None
