"""For random texts: a str subclass is written as the plain str is, by every function that makes or writes frames."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import FrameError
from stomp.core.frames import commands
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, Headers, bytes_of, text_of
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12
from stomp.core.session.client import ClientSession
from stomp.utils import Frame as ListenerFrame
from tests.disguises import TEXTS, MisleadingBytes, MisleadingInt

pytestmark = pytest.mark.usefixtures("each_codec")

texts = st.text(max_size=20)
kinds = st.sampled_from([*TEXTS.values()])
versions = st.sampled_from([STOMP10, STOMP11, STOMP12])
CONNECTED = b"CONNECTED\nversion:%b\n\n\0"


def written(function, *args, **kwargs):
    """The bytes, or the text of the error; the order of headers may depend on the way that a frame takes."""
    try:
        data = function(*args, **kwargs)
    except FrameError as err:
        return str(err)
    head, _, body = data.partition(b"\n\n")
    return sorted(head.split(b"\n")), body


def connected(version):
    session = ClientSession()
    session.connect([version.number])
    session.data_to_send(0.0)
    session.receive_data(CONNECTED % version.number.encode(), 0.0)
    session.events()
    return session


@given(kinds, texts)
def test_str_subclass_is_encoded_like_str(kind, text):
    assert type(text_of(kind(text))) is str
    assert text_of(kind(text)) == text
    assert bytes_of(kind(text)) == text.encode()


@given(st.integers(), st.binary(max_size=20))
def test_numbers_and_bytes_are_converted(number, data):
    assert text_of(MisleadingInt(number)) == str(number)
    body = bytes_of(MisleadingBytes(data))
    assert type(body) is bytes
    assert body == data


@given(versions, kinds, st.dictionaries(texts, texts, max_size=4), st.binary(max_size=5))
def test_encode_writes_the_plain_text(version, kind, headers, body):
    def frame(make):
        pairs = Headers({make(name): make(value) for name, value in headers.items()})
        return Frame(make("SEND"), pairs, body)

    assert written(encode, frame(kind), version) == written(encode, frame(str), version)


@given(versions, kinds, texts, texts, texts, st.one_of(st.none(), texts), st.binary(max_size=5))
def test_commands_write_the_plain_text(version, kind, one, two, three, receipt, body):
    def each(make):
        named: dict[str, Any] = {
            "receipt": receipt if receipt is None else make(receipt),
            "headers": {make(one): make(two)},
        }
        yield commands.send(make(one), body, receipt=named["receipt"])
        yield commands.send(make(one), body, content_type=make(two), transaction=make(three), **named)
        yield commands.subscribe(version, make(one), make(two), ack=make("client"), **named)
        yield commands.unsubscribe(version, make(one), destination=make(two), **named)
        yield commands.ack(version, make(one), make(two), transaction=make(three), **named)
        yield commands.transaction(make("BEGIN"), make(one), **named)
        yield commands.disconnect(named["receipt"])
        yield commands.connect([make("1.2"), make("1.1")], make(one), login=make(two), passcode=make(three))

    for plain, other in zip(each(str), each(kind), strict=True):
        assert written(encode, other, version) == written(encode, plain, version)


@given(versions, kinds, texts, texts, texts, st.binary(min_size=1, max_size=5))
def test_a_session_writes_the_plain_text_of_a_listener_frame(
    version, kind, destination, receipt, message, body
):
    def sent(make):
        session = connected(version)
        named = {make("destination"): make(destination), make("receipt"): make(receipt)}
        session.transmit(ListenerFrame(make("SEND"), named, body))
        assert session.ledger.expects(receipt)
        session.transmit(ListenerFrame("ACK", {make("id"): make(message)}, ""))
        return b"".join(session.data_to_send(0.0))

    assert written(sent, kind) == written(sent, str)
