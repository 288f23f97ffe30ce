"""A decoder that has learned a template reads every head as one that has not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import RemoteProtocolError
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import VERSIONS, Version

pytestmark = pytest.mark.usefixtures("each_codec")

NAMES = ["a", "b.", "content-length", "x-long-name"]
#: What a head is made of, and what could make one pass for another.
PIECES = st.sampled_from(
    [
        *NAMES,
        "\n",
        ":",
        "\\",
        "\\c",
        "\\n",
        "\r",
        "\0",
        " ",
        "1",
        "5",
        "",
        "MESSAGE",
        "SEND",
        "a:1",
        "é",
        "\n\n",
    ]
)


def read(decoder: Decoder, data: bytes) -> tuple[list[Frame], type[Exception] | None]:
    found: list[Frame] = []
    decoder.feed(data)
    try:
        while frames := decoder.frames():
            found += [frame for frame in frames if not isinstance(frame, HeartbeatMarker)]
    except RemoteProtocolError as err:
        return found, type(err)
    return found, None


@pytest.mark.parametrize("version", VERSIONS.values(), ids=str)
@given(
    names=st.lists(st.sampled_from(NAMES), unique=True),
    values=st.lists(st.text("ab5:\\nc\r", max_size=6), min_size=4, max_size=4),
    noise=st.lists(PIECES, max_size=12),
    at=st.integers(0, 60),
    ending=st.sampled_from(["\0", "\0\n"]),
)
def test_learned_templates_do_not_change_the_result(
    version: Version, names: list[str], values: list[str], noise: list[str], at: int, ending: str
) -> None:
    teacher = "MESSAGE\n" + "".join(f"{name}:5\n" for name in names) + "\nhello" + ending
    head = "MESSAGE\n" + "".join(f"{name}:{value}\n" for name, value in zip(names, values, strict=False))
    head = head[:at] + "".join(noise) + head[at:]
    data = (head + "\nhello" + ending).encode()
    primed, fresh = Decoder(version=version), Decoder(version=version)
    for _ in range(3):
        assert len(read(primed, teacher.encode())[0]) == 1
    assert ("MESSAGE", *names) in primed._templates._known
    # Several times, and together: once learned, the odd one must not be read differently either.
    assert read(primed, data * 3) == read(fresh, data * 3)
