"""MESSAGE frames that break a rule of STOMP, or seem to, and how a lenient client reads them.

The end of the frames in `ODD` is certain: all of them are delivered. The end of those in `IN_DOUBT` is not.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD = b"message-id:1\nsubscription:1\ndestination:/queue/a\n"
#: The frame after an odd frame; it must be delivered, too.
NEXT = b"MESSAGE\nmessage-id:2\nsubscription:1\ndestination:/queue/a\n\nnext\0\n"


class Odd(NamedTuple):
    """The bytes of one odd frame; `headers` are some of the headers that it is delivered with."""

    name: str
    data: bytes
    headers: dict[str, str] = {}  # noqa: RUF012 - never modified
    body: bytes = b"hello"
    version: str = "1.2"
    #: A strict client accepts it, too.
    legal: bool = False


def message(lines: bytes, body: bytes = b"hello") -> bytes:
    return b"MESSAGE\n" + HEAD + lines + b"\n" + body + b"\0\n"


ODD = [
    Odd("latin-1 in a value", message(b"from:Jos\xe9\n"), {"from": "Jos\ufffd"}),
    Odd("latin-1 in a name", message(b"pr\xe9nom:x\n"), {"pr\ufffdnom": "x"}),
    Odd("latin-1 in content-type", message(b"content-type:text/\xfc\n"), {"content-type": "text/\ufffd"}),
    Odd("a surrogate of CESU-8", message(b"a:\xed\xa0\xbd\xed\xb8\x80\n"), {"a": "\ufffd" * 6}),
    Odd("an overlong character", message(b"a:\xc0\xaf\n"), {"a": "\ufffd\ufffd"}),
    Odd("a line without a colon", message(b"what\na:b\n"), {"a": "b"}),
    Odd("an empty name", message(b":x\na:b\n"), {"a": "b"}),
    Odd("an undefined escape", message(b"a:C:\\temp\\n\n"), {"a": "C:\\temp\n"}),
    Odd("a backslash at the end", message(b"a:x\\\n"), {"a": "x\\"}),
    Odd("the escape of CR in 1.1", message(b"a:x\\r\n"), {"a": "x\\r"}, version="1.1"),
    Odd("a plus sign in content-length", message(b"content-length:+5\n"), {"content-length": "+5"}),
    Odd("a blank before content-length", message(b"content-length: 5\n"), {"content-length": " 5"}),
    Odd("a blank behind content-length", message(b"content-length:5 \n"), {"content-length": "5 "}),
    Odd("zeros before content-length", message(b"content-length:005\n"), legal=True),
    Odd("content-length twice, equal", message(b"content-length:5\ncontent-length:5\n")),
    Odd("content-length twice, the first is right", message(b"content-length:5\ncontent-length:9\n")),
    Odd("CR LF in 1.0", message(b"a:b\n").replace(b"\n", b"\r\n"), {"a": "b"}, version="1.0"),
    Odd("CR LF in 1.1", message(b"a:b\n").replace(b"\n", b"\r\n"), {"a": "b"}, version="1.1"),
    Odd("CR LF in 1.2", message(b"a:b\n").replace(b"\n", b"\r\n"), {"a": "b"}, legal=True),
    Odd("NULs around it", b"\0\0" + message(b"a:b\n") + b"\0\n\0", {"a": "b"}),
    Odd("many line ends around it", b"\n\r\n\n" + message(b"a:b\n") + b"\r\n\n", {"a": "b"}, legal=True),
    Odd("a command in lower case", message(b"a:b\n").lower(), {"a": "b"}),
    Odd("a blank behind the command", message(b"a:b\n").replace(b"MESSAGE", b"MESSAGE \t"), {"a": "b"}),
    Odd("an unknown command before it", b"NEWS\n\nx\0\n" + message(b"a:b\n"), {"a": "b"}, legal=True),
    Odd("a CR at the end of a value in 1.1", message(b"a:b\r\n"), {"a": "b\r"}, version="1.1", legal=True),
    Odd("blanks around names and values", message(b" a : b \n"), {" a ": " b "}, legal=True),
]

#: name -> a frame whose end is uncertain.
IN_DOUBT = {
    "content-length is too small": message(b"content-length:4\n"),
    "content-length is too large": message(b"content-length:6\n"),
    "content-length twice, the first is wrong": message(b"content-length:9\ncontent-length:5\n"),
    "content-length is no number": message(b"content-length:five\n"),
    "content-length is negative": message(b"content-length:-1\n"),
    "content-length is empty": message(b"content-length:\n"),
    "content-length is hexadecimal": message(b"content-length:0x5\n"),
    "a NUL in a text without content-length": message(b"", b"he\0llo"),
    "a NUL in the head": message(b"a:x\0y\n"),
    "no empty line": b"MESSAGE\n" + HEAD + b"\0\n",
    "a blank in the command": message(b"").replace(b"MESSAGE", b"MESS AGE"),
    "a byte order mark": b"\xef\xbb\xbf" + message(b""),
}
