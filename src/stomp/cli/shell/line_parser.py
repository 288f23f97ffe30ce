"""Parses a line of the prompt: words with quotes as in a shell, and a message that is kept as it was typed."""

from __future__ import annotations

from stomp.cli.framework.exit_status import CommandError

_QUOTES = "\"'"


def split(line: str, count: int) -> list[str]:
    """Split a line into at most `count` words and the rest of the line as the last item.

    A word with blanks must be in quotes. The rest is a message: its inner blanks, quotes and backslashes are kept. The
    quotes are removed only if the whole message is one quoted text.

    >>> split('"/queue/with blanks"  {"a":  "b"} ', 1)
    ['/queue/with blanks', '{"a":  "b"}']
    >>> split('/queue/a "  blanks around  "', 1)
    ['/queue/a', '  blanks around  ']

    Raises:
        CommandError: a quote in a word is not closed, or a word is not UTF-8. The message may contain any bytes, see
            `body`.
    """
    found: list[str] = []
    rest = line.strip()
    while rest and len(found) < count:
        word, end = _word(rest)
        if any("\udc80" <= char <= "\udcff" for char in word):
            raise CommandError("a word is not UTF-8")
        found.append(word)
        rest = rest[end:].lstrip()
    if rest:
        found.append(_message(rest))
    return found


def body(message: str) -> str | bytes:
    """The body to send for a message: the text, or bytes if the input was not UTF-8 (PEP 383)."""
    try:
        message.encode()
    except UnicodeEncodeError:
        return message.encode("utf-8", "surrogateescape")
    return message


def words(line: str) -> list[str]:
    """All words of a line.

    Raises:
        CommandError: a quote is not closed, or a word is not UTF-8.
    """
    return split(line, len(line))


def _message(text: str) -> str:
    if text[0] in _QUOTES:
        try:
            word, end = _word(text)
        except CommandError:
            return text
        # 'a'b'c' is one word in a shell, but it is not one quoted text.
        if end == len(text) and _closing(text, 0) == end - 1:
            return word
    return text


def _word(text: str) -> tuple[str, int]:
    """The first word of a text without its quotes, and the index of its end."""
    found: list[str] = []
    index = 0
    while index < len(text) and not text[index].isspace():
        if text[index] in _QUOTES:
            end = _closing(text, index)
            if end is None:
                raise CommandError(f"the quote {text[index]} is not closed")
            found.append(_unescaped(text[index + 1 : end], text[index]))
            index = end + 1
        else:
            found.append(text[index])
            index += 1
    return "".join(found), index


def _closing(text: str, index: int) -> int | None:
    """The index of the closing quote; None if there is none. A backslash escapes a character inside double quotes."""
    quote = text[index]
    end = index + 1
    while end < len(text):
        if text[end] == quote:
            return end
        end += 2 if text[end] == "\\" and quote == '"' else 1
    return None


def _unescaped(text: str, quote: str) -> str:
    if quote == "'":
        return text
    return text.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
