"""Bodies that come in pieces: how they are put together, and what memory that takes."""

import tracemalloc

import pytest

from stomp.core.frames import body_buffer
from stomp.core.frames.body_buffer import BodyBufferPool

TEXTS = ["a", "é", "€", "🐍", "aé", "a€🐍é"]


def put_together(bodies: BodyBufferPool, data: bytes, sizes: list[int], *, text: bool) -> str | bytes:
    """In pieces of these sizes, by turns written and read into place."""
    made = bodies.begin(len(data), text=text)
    at = turn = 0
    while made.left:
        assert made.left == len(data) - at
        size = sizes[turn % len(sizes)]
        if turn % 2:
            with made.room() as room:
                assert len(room) == made.left
                piece = data[at : at + min(size, len(room))]
                room[: len(piece)] = piece
            made.left -= len(piece)
        else:
            piece = data[at : at + size]
            made.write(memoryview(piece))
        at += len(piece)
        turn += 1
    content: str | bytes = made.content()
    return content


@pytest.mark.parametrize("sizes", [[1], [7, 3], [1000], [10, 90, 5]])
@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("place", [16, 64, 1 << 20])
def test_what_comes_is_what_was_sent(
    monkeypatch: pytest.MonkeyPatch, place: int, length: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(body_buffer, "PLACE", place)
    bodies = BodyBufferPool()
    for text in TEXTS:
        data = (text * length).encode()[:length]  # the last character may be cut
        assert put_together(bodies, data, sizes, text=False) == data
        assert put_together(bodies, data, sizes, text=True) == data.decode("utf-8", "replace")


@pytest.mark.parametrize("place", [16, 1 << 20])
@pytest.mark.parametrize(
    "data", [b"\xff", b"\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x90", b"\xed\xa0\x80", b"\xc0\x80"]
)
def test_what_is_no_text_is_replaced_wherever_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, place: int, data: bytes
) -> None:
    monkeypatch.setattr(body_buffer, "PLACE", place)
    for before in range(40):
        whole = b"x" * before + data * 9
        assert put_together(BodyBufferPool(), whole, [5], text=True) == whole.decode("utf-8", "replace")


def test_nothing() -> None:
    for text, content in ((True, ""), (False, b"")):
        assert BodyBufferPool().begin(0, text=text).content() == content


def test_a_body_of_bytes_is_where_it_was_put() -> None:
    tracemalloc.start()
    try:
        made = BodyBufferPool().begin(1_000_000, text=False)
        with made.room() as room:
            assert len(room) == 1_000_000
            room[:] = b"x" * len(room)
        made.left = 0
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert made.content() == b"x" * 1_000_000
        _, peak = tracemalloc.get_traced_memory()
        assert peak < before + 1_100_000  # that of the comparison
    finally:
        tracemalloc.stop()


def test_memory_for_texts_is_kept_for_the_next_one_and_given_back() -> None:
    bodies = BodyBufferPool()
    data = b"x" * 5_000_000
    tracemalloc.start()
    try:
        for length, kept in (
            (1_000_000, 1 << 20),
            (2_000_000, 2 << 20),
            (1_000_000, 2 << 20),
            (5_000_000, 2 << 20),  # so much is not kept
        ):
            put_together(bodies, data[:length], [300_000], text=True)
            left, _ = tracemalloc.get_traced_memory()
            assert kept <= left < kept + 100_000
        tracemalloc.reset_peak()
        text = put_together(bodies, data, [300_000], text=True)
        _, peak = tracemalloc.get_traced_memory()
        assert peak < (2 << 20) + 2.1 * len(text)
        del text
        bodies.relax()
        left, _ = tracemalloc.get_traced_memory()
        assert left < 100_000
    finally:
        tracemalloc.stop()
