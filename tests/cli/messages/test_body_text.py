from __future__ import annotations

import pytest

from stomp.cli.messages import body_text


@pytest.mark.parametrize("limit", [None, 0, 6, 7])
def test_a_body_up_to_the_limit_is_whole(limit: int | None) -> None:
    assert body_text.cut(b"abcdef", limit) == b"abcdef"


@pytest.mark.parametrize(("limit", "beginning"), [(1, ""), (2, "\u20ac"[:0]), (3, "\u20ac"), (4, "\u20ac")])
def test_a_character_is_not_cut(limit: int, beginning: str) -> None:
    body = "\u20ac\u20ac".encode()
    shown = body_text.cut(body, limit, "hint").decode()
    assert shown == f"{beginning}\n... {len(body) - len(beginning.encode())} more bytes; hint"


def test_bytes_that_are_no_text_are_cut_at_the_limit_or_before() -> None:
    assert body_text.cut(b"\xff" * 10, 4, "hint") == b"\xff" * 4 + b"\n... 6 more bytes; hint"
    assert body_text.cut(b"\x80" * 10, 4, "hint") == b"\n... 10 more bytes; hint"
