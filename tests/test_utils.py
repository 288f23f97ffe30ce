import uuid

import pytest

from stomp.utils import HEARTBEAT_FRAME, Frame, clean_headers, encode, get_uuid, merge_headers


def test_a_frame_keeps_the_headers_as_they_came():
    frame = Frame("MESSAGE", {"a": "1"}, "x")
    frame.headers["a"] = "2"
    assert frame.original_headers == {"a": "1"}


def test_frames_share_no_headers():
    Frame("A").headers["x"] = "1"
    assert Frame("B").headers == {}
    assert HEARTBEAT_FRAME.headers == {}


def test_the_text_of_a_frame_masks_credentials():
    assert (
        str(Frame("STOMP", {"passcode": "secret"}, "x"))
        == "{cmd=STOMP,headers=[{'passcode': '********'}],body=x}"
    )


def test_merge_later_ones_win_and_nothing_given_is_changed():
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
        (None, b""),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
    ],
)
def test_encode(body, expected):
    assert encode(body) == expected


def test_encode_refuses_what_is_no_body():
    with pytest.raises(TypeError, match="should be a string or bytes"):
        encode(17)


def test_uuids_are_new_each_time():
    assert uuid.UUID(get_uuid()) != uuid.UUID(get_uuid())
