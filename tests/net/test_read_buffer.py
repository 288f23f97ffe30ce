"""`ReadBuffer`: the size of the buffer follows the traffic."""

from stomp.net.read_buffer import LARGE, MEDIUM, SMALL, ReadBuffer


def fill(buffer, *, frames):
    return buffer.take(len(buffer.view), frames)


def test_bytes_of_a_read_do_not_change_with_the_next_read():
    buffer = ReadBuffer()
    buffer.view[:5] = b"first"
    first = buffer.take(5, 0)
    buffer.view[:6] = b"second"
    assert (first, buffer.take(6, 1)) == (b"first", b"second")


def test_buffer_is_small_while_reads_are_short():
    buffer = ReadBuffer()
    view = buffer.view
    for number in range(100):
        buffer.take(SMALL - 1, number)
    assert buffer.view is view
    assert len(view) == SMALL


def test_full_read_of_small_frames_makes_it_medium_and_no_larger():
    buffer = ReadBuffer()
    for number in range(10):
        fill(buffer, frames=number * 1000)
    assert len(buffer.view) == MEDIUM


def test_full_reads_of_large_frames_make_it_large():
    buffer = ReadBuffer()
    fill(buffer, frames=0)
    assert len(buffer.view) == MEDIUM
    fill(buffer, frames=0)
    fill(buffer, frames=0)
    assert len(buffer.view) == LARGE
    fill(buffer, frames=LARGE // 100)
    assert len(buffer.view) == MEDIUM


def test_it_is_small_again_after_short_reads_in_succession():
    buffer = ReadBuffer()
    fill(buffer, frames=0)
    for _ in range(15):
        buffer.take(10, 0)
    buffer.take(SMALL, 0)  # not short: the count begins again
    for _ in range(15):
        buffer.take(10, 0)
    assert len(buffer.view) == MEDIUM
    buffer.take(10, 0)
    assert len(buffer.view) == SMALL
