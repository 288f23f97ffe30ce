"""LIKE of message selectors: matches a text with a pattern of ``%`` and ``_``.

Rules of this file: the pattern is split at its ``%`` into parts. The first part is at the start of the text, the last
one at its end, and each other part is searched after the part before it: the leftmost place is always right. A part
without ``_`` is searched by `str.find`, another one by the Shift-And algorithm. Both take time in proportion to the
length of the text, for a part of limited length.
"""

from __future__ import annotations

#: A part of a pattern: its characters; None for "_", which matches any one character.
_Part = list[str | None]


class Like:
    """A compiled pattern.

    Args:
        pattern: the pattern.
        escape: the character after which ``%`` and ``_`` have no meaning; "" for none.

    Attributes:
        is_expensive: a part with ``_`` must be searched.

    Raises:
        ValueError: the pattern ends in its escape character.

    >>> Like("a%b_")("a--bc"), Like("a%b_")("a--b"), Like("50!%", "!")("50%")
    (True, False, True)
    """

    __slots__ = ("_first", "_last", "_least", "_middle", "is_expensive")

    def __init__(self, pattern: str, escape: str = "") -> None:
        parts: list[_Part] = [[]]
        letters = iter(pattern)
        for letter in letters:
            if letter == escape:
                literal = next(letters, None)
                if literal is None:
                    raise ValueError("the pattern ends in its ESCAPE")
                parts[-1].append(literal)
            elif letter == "%":
                parts.append([])
            else:
                parts[-1].append(None if letter == "_" else letter)
        self._first = parts[0]
        self._last = parts[-1] if len(parts) > 1 else None
        self._middle = [_Search(part) for part in parts[1:-1] if part]
        self._least = sum(map(len, parts))
        self.is_expensive: bool = any(part.needs_shift_and for part in self._middle)

    def __call__(self, text: str) -> bool:
        """True if the whole text matches."""
        first, last = self._first, self._last
        if len(text) < self._least or not _is_at(first, text, 0):
            return False
        if last is None:
            return len(text) == len(first)
        end = len(text) - len(last)
        if not _is_at(last, text, end):
            return False
        place = len(first)
        for part in self._middle:
            place = part.find(text, place, end)
            if place < 0:
                return False
        return True


def _is_at(part: _Part, text: str, place: int) -> bool:
    return all(letter is None or letter == text[place + at] for at, letter in enumerate(part))


class _Search:
    """Searches a part."""

    __slots__ = ("_any", "_final", "_literal", "_masks", "_size", "needs_shift_and")

    def __init__(self, part: _Part) -> None:
        self._size = len(part)
        self.needs_shift_and: bool = None in part and any(part)
        self._literal = "".join(letter for letter in part if letter is not None)
        # Bit n of a mask: the part has this character, or "_", at place n.
        self._any = sum(1 << at for at, letter in enumerate(part) if letter is None)
        self._masks: dict[str, int] = {}
        self._final = 1 << (len(part) - 1)
        for at, letter in enumerate(part if self.needs_shift_and else ()):
            if letter is not None:
                self._masks[letter] = self._masks.get(letter, self._any) | 1 << at

    def find(self, text: str, start: int, end: int) -> int:
        """The end of the leftmost match in text[start:end]; -1 if there is none."""
        if not self.needs_shift_and:
            if not self._literal:  # only "_"
                return start + self._size if start + self._size <= end else -1
            found = text.find(self._literal, start, end)
            return found + self._size if found >= 0 else -1
        masks, other, final = self._masks, self._any, self._final
        matched = 0  # bit n: the n + 1 characters before match the start of the part
        for place in range(start, end):
            matched = (matched << 1 | 1) & masks.get(text[place], other)
            if matched & final:
                return place + 1
        return -1
