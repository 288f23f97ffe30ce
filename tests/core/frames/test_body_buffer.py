"""Bodies that come in pieces: how they are put together, and what memory that takes."""

import pytest

from stomp.core.frames.body_buffer import BodyBuffer

TEXTS = ["a", "é", "€", "🐍", "aé", "a€🐍é"]


def put_together(data: bytes, sizes: list[int], *, text: bool) -> str | bytes:
    """In pieces of these sizes, in turn written and read into the buffer."""
    made = BodyBuffer(len(data), text=text)
    at = turn = 0
    while made.left:
        assert made.left == len(data) - at
        size = sizes[turn % len(sizes)]
        if turn % 2:
            with made.unfilled() as unfilled:
                assert len(unfilled) == made.left
                piece = data[at : at + min(size, len(unfilled))]
                unfilled[: len(piece)] = piece
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
def test_content_is_what_was_written(length: int, sizes: list[int]) -> None:
    for text in TEXTS:
        data = (text * length).encode()[:length]  # the last character may be cut
        assert put_together(data, sizes, text=False) == data
        assert put_together(data, sizes, text=True) == data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "data", [b"\xff", b"\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x90", b"\xed\xa0\x80", b"\xc0\x80"]
)
def test_invalid_utf_8_is_replaced_wherever_it_is_split(data: bytes) -> None:
    for before in range(40):
        whole = b"x" * before + data * 9
        assert put_together(whole, [5], text=True) == whole.decode("utf-8", "replace")


def test_empty_body_has_no_content() -> None:
    for text, content in ((True, ""), (False, b"")):
        assert BodyBuffer(0, text=text).content() == content


def test_content_of_a_bytes_body_is_the_buffer_itself() -> None:
    tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy has no tracemalloc")
    tracemalloc.start()
    try:
        made = BodyBuffer(1_000_000, text=False)
        with made.unfilled() as unfilled:
            assert len(unfilled) == 1_000_000
            unfilled[:] = b"x" * len(unfilled)
        made.left = 0
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert made.content() == b"x" * 1_000_000
        _, peak = tracemalloc.get_traced_memory()
        assert peak < before + 1_100_000  # that of the comparison
    finally:
        tracemalloc.stop()


def test_what_has_arrived_can_be_read_before_the_end() -> None:
    buffer = BodyBuffer(10, text=False)
    assert buffer.arrived() == b""
    buffer.write(memoryview(b"abc"))
    assert buffer.arrived() == b"abc"
    buffer.write(memoryview(b"defghij"))
    assert buffer.arrived() == buffer.content() == b"abcdefghij"
