"""Message selectors: the conditional expressions of JMS 1.1, section 3.8.1.1, a subset of SQL-92.

The ``selector`` header of SUBSCRIBE is compiled once to a function, which is called with the headers of each message::

    color = 'red' AND (size BETWEEN 3 AND 5 OR size IS NULL)
    name LIKE 'order-%' AND kind NOT IN ('test', 'trial')

Rules of this file:

- Headers are strings. In a comparison with a number, a string that contains a number is converted, as in ActiveMQ 5.17.
  Artemis needs the prefix ``convert_string_expressions:`` for this, which is accepted here. After the prefix
  ``hyphenated_props:`` a name may contain hyphens, as in Artemis.
- A missing header is NULL, and the result of an operation with NULL is unknown. A message is delivered only if the
  result is true.
- Only values of the same type are compared; for other types the result is false. Strings and booleans support ``=``
  and ``<>`` only: a selector that uses another comparison with a string literal is refused.
- The time is bounded for all inputs: expressions have at most `DEPTH` nested parentheses and 100 calculations, and
  LIKE uses no regular expression; its time is proportional to the length of the value (see `stomp.broker.like`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from stomp.broker.like import Like

#: Maximum depth of nested parentheses.
DEPTH = 50

#: Maximum number of calculations in one selector: each one is a nested call.
_CALCULATIONS = 100

#: A value. None is NULL, and as a boolean "unknown".
Value = str | int | float | bool | None
#: Evaluates an expression; the argument returns the value of a name.
Expression = Callable[[Callable[[str], Value]], Value]

#: The cost of a name or literal, of a LIKE, and of a LIKE that has `_` between two `%`; see `Selector.cost`.
_COST, _COST_LIKE, _COST_LIKE_ONE = 10, 300, 20_000

_CONVERT = "convert_string_expressions:"
_HYPHENS = "hyphenated_props:"
_KEYWORDS = frozenset(["AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE"])
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
#: Maximum length of a number in characters: converting long numbers takes long.
_LONGEST_NUMBER = 40


class Selector:
    """A compiled selector: a function of the headers of a message.

    Attributes:
        cost: an upper bound of the time that one call takes, in units of about 0.2 microseconds.
        text: the text that it was compiled from.
    """

    __slots__ = ("_expression", "cost", "text")

    def __init__(self, expression: Expression, cost: int, text: str = "") -> None:
        self._expression = expression
        self.cost = cost
        self.text = text

    def __call__(self, headers: Mapping[str, str]) -> bool:
        """True if the selector accepts a message with these headers."""
        return self._expression(lambda name: _header(headers, name)) is True


class SelectorError(ValueError):
    """The selector is invalid; the text contains the position and the reason."""


class _Token(NamedTuple):
    kind: str  # "name", "text", "number", "sign", "word" (a keyword, in upper case) or "end"
    text: str
    at: int


def compile_selector(text: str) -> Selector:
    """Compile a selector to a function of the headers of a message.

    >>> wanted = compile_selector("color = 'red' AND size IS NOT NULL")
    >>> wanted({"color": "red", "size": "3"}), wanted({"color": "red"}), wanted({})
    (True, False, False)

    Raises:
        SelectorError: the selector is invalid.
    """
    text = text.removeprefix(_CONVERT)
    hyphens = text.startswith(_HYPHENS)
    text = text.removeprefix(_HYPHENS).removeprefix(_CONVERT)
    parser = _Parser(text, hyphens=hyphens)
    return Selector(parser.parse(), parser.cost, text)


def _header(headers: Mapping[str, str], name: str) -> Value:
    """The value of a header, or of a header field defined by JMS (JMS 1.1, section 3.4)."""
    if not name.startswith("JMS"):
        return headers.get(name)
    if name == "JMSDeliveryMode":
        return "PERSISTENT" if headers.get("persistent", "").lower() == "true" else "NON_PERSISTENT"
    numbers = {
        "JMSPriority": ("priority", 4),
        "JMSExpiration": ("expires", 0),
        "JMSTimestamp": ("timestamp", None),
    }
    if name in numbers:
        header, usual = numbers[name]
        text = headers.get(header, "")
        return int(text) if len(text) < _LONGEST_NUMBER and text.isascii() and text.isdigit() else usual
    texts = {"JMSCorrelationID": "correlation-id", "JMSType": "type", "JMSReplyTo": "reply-to"}
    return headers.get(texts.get(name, name))


# ------------------------------------------------------------------------------------- reading


def _tokens(text: str, *, hyphens: bool) -> list[_Token]:
    name = r"[^\W\d][\w$.-]*" if hyphens else r"[^\W\d][\w$.]*"
    pattern = re.compile(
        rf"(?P<space>\s+)|(?P<text>'(?:[^']|'')*')|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[lLfFdD]?)"
        rf"|(?P<name>{name})|(?P<sign><>|<=|>=|[=<>()+*/,-])"
    )
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = pattern.match(text, at)
        if found is None:
            raise SelectorError(f"at {at + 1}: unexpected character {text[at]!r}")
        kind = found.lastgroup or ""
        piece = found[0]
        if kind == "name" and piece.upper() in _KEYWORDS:
            tokens.append(_Token("word", piece.upper(), at))
        elif kind == "text":
            tokens.append(_Token(kind, piece[1:-1].replace("''", "'"), at))
        elif kind != "space":
            tokens.append(_Token(kind, piece, at))
        at = found.end()
    tokens.append(_Token("end", "the end", at))
    return tokens


class _Parser:
    """Recursive descent parser with one method for each level of operator precedence."""

    def __init__(self, text: str, *, hyphens: bool) -> None:
        self._tokens = _tokens(text, hyphens=hyphens)
        self._next = 0
        self._depth = 0
        self._calculations = 0
        self.cost: int = 0  # see `Selector.cost`
        self._texts: list[Expression] = []  # the string literals

    def parse(self) -> Expression:
        """Parse the whole selector."""
        expression = self._either()
        if self._token.kind != "end":
            raise self._unexpected()
        return expression

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _unexpected(self, wanted: str = "") -> SelectorError:
        token = self._token
        return SelectorError(
            f"at {token.at + 1}: {token.text[:40]!r} is not expected" + (f", but {wanted}" if wanted else "")
        )

    def _accept(self, *texts: str) -> str | None:
        """Consume and return the next sign or keyword if it is one of these, else return None."""
        token = self._token
        if token.kind not in ("sign", "word") or token.text not in texts:
            return None
        self._next += 1
        return token.text

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._unexpected(text)

    def _text(self) -> str:
        token = self._token
        if token.kind != "text":
            raise self._unexpected("a text in '...'")
        self._next += 1
        return token.text

    def _either(self) -> Expression:
        sides = [self._all()]
        while self._accept("OR"):
            sides.append(self._all())
        return sides[0] if len(sides) == 1 else lambda of: _any_of(side(of) for side in sides)

    def _all(self) -> Expression:
        sides = [self._negation()]
        while self._accept("AND"):
            sides.append(self._negation())
        if len(sides) == 1:
            return sides[0]
        # NOT (NOT a OR NOT b)
        return lambda of: _not(_any_of(_not(side(of)) for side in sides))

    def _negation(self) -> Expression:
        negated = False
        while self._accept("NOT"):
            negated = not negated
        inner = self._comparison()
        return (lambda of: _not(inner(of))) if negated else inner

    def _comparison(self) -> Expression:
        left = self._sum()
        if sign := self._accept("=", "<>", "<", "<=", ">", ">="):
            right = self._sum()
            if sign not in ("=", "<>"):
                self._must_be_no_texts(left, right)
            compare = _COMPARISONS[sign]
            return lambda of: _compare(sign, compare, left(of), right(of))
        if self._accept("IS"):
            negated = self._accept("NOT") is not None
            self._expect("NULL")
            return lambda of: (left(of) is None) != negated
        negated = self._accept("NOT") is not None
        if self._accept("BETWEEN"):
            found = self._between(left)
        elif self._accept("IN"):
            found = self._in(left)
        elif self._accept("LIKE"):
            found = self._like(left)
        elif negated:
            raise self._unexpected("BETWEEN, IN or LIKE")
        else:
            return left
        return (lambda of: _not(found(of))) if negated else found

    def _must_be_no_texts(self, *sides: Expression) -> None:
        if any(side is text for side in sides for text in self._texts):
            raise SelectorError(f"before {self._token.at + 1}: texts have no order, only = and <>")

    def _between(self, left: Expression) -> Expression:
        low = self._sum()
        self._expect("AND")
        high = self._sum()
        self._must_be_no_texts(left, low, high)

        def between(of: Callable[[str], Value]) -> Value:
            value = left(of)
            above = _compare(">=", _COMPARISONS[">="], value, low(of))
            below = _compare("<=", _COMPARISONS["<="], value, high(of))
            return _not(_any_of([_not(above), _not(below)]))

        return between

    def _in(self, left: Expression) -> Expression:
        self._expect("(")
        texts = {self._text()}
        while self._accept(","):
            texts.add(self._text())
        self._expect(")")

        def is_in(of: Callable[[str], Value]) -> Value:
            value = left(of)
            return None if value is None else isinstance(value, str) and value in texts

        return is_in

    def _like(self, left: Expression) -> Expression:
        at = self._token.at
        pattern = self._text()
        escape = self._text() if self._accept("ESCAPE") else ""
        if len(escape) > 1:
            raise SelectorError("the ESCAPE of LIKE is one character")
        try:
            matches = Like(pattern, escape)
        except ValueError as err:
            raise SelectorError(f"at {at + 1}: {err}") from err
        self.cost += _COST_LIKE_ONE if matches.is_expensive else _COST_LIKE

        def like(of: Callable[[str], Value]) -> Value:
            value = left(of)
            return None if value is None else isinstance(value, str) and matches(value)

        return like

    def _sum(self) -> Expression:
        left = self._product()
        while sign := self._accept("+", "-"):
            left = self._calculation(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._signed()
        while sign := self._accept("*", "/"):
            left = self._calculation(sign, left, self._signed())
        return left

    def _calculation(self, sign: str, left: Expression, right: Expression) -> Expression:
        self._calculations += 1
        if self._calculations > _CALCULATIONS:
            raise SelectorError(f"at {self._token.at}: more than {_CALCULATIONS} calculations")
        return _calculation(sign, left, right)

    def _signed(self) -> Expression:
        minus = False
        while sign := self._accept("+", "-"):
            minus ^= sign == "-"
        value = self._single()
        return self._calculation("-", lambda of: 0, value) if minus else value

    def _single(self) -> Expression:
        token = self._token
        self.cost += _COST
        if self._accept("("):
            self._depth += 1
            if self._depth > DEPTH:
                raise SelectorError(f"at {token.at + 1}: more than {DEPTH} parentheses in each other")
            inner = self._either()
            self._expect(")")
            self._depth -= 1
            return inner
        if word := self._accept("TRUE", "FALSE"):
            return lambda of: word == "TRUE"
        if token.kind not in ("name", "text", "number"):
            raise self._unexpected("a name, a text in '...' or a number")
        self._next += 1
        if token.kind == "name":
            return lambda of: of(token.text)
        value = token.text if token.kind == "text" else _number(token)

        def literal(of: Callable[[str], Value]) -> Value:
            return value

        if token.kind == "text":
            self._texts.append(literal)
        return literal


def _number(token: _Token) -> float | int:
    text = token.text.rstrip("lLfFdD")
    if len(text) > _LONGEST_NUMBER:
        raise SelectorError(f"at {token.at + 1}: the number is too long")
    return int(text) if text.isdigit() else float(text)


# ------------------------------------------------------------------------------------- computing

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _number_of(value: Value) -> float | None:
    """The value as a number; a string that contains a number is converted. None for all other values."""
    if isinstance(value, str):
        return float(value) if len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value) else None
    return None if isinstance(value, bool) else value


def _compare(sign: str, compare: Callable[[float, float], bool], left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return sign in ("=", "<>") and (left == right) == (sign == "=")
    if isinstance(left, bool) and isinstance(right, bool):
        return sign in ("=", "<>") and (left == right) == (sign == "=")
    a, b = _number_of(left), _number_of(right)
    return a is not None and b is not None and compare(a, b)


def _calculation(sign: str, left: Expression, right: Expression) -> Expression:
    def calculate(of: Callable[[str], Value]) -> Value:
        a, b = _number_of(left(of)), _number_of(right(of))
        if a is None or b is None:
            return None
        try:
            # Floats, because the time for integers of unlimited size is unlimited, too.
            x, y = float(a), float(b)
            return x + y if sign == "+" else x - y if sign == "-" else x * y if sign == "*" else x / y
        except (ZeroDivisionError, OverflowError):
            return None

    return calculate


def _not(value: Value) -> bool | None:
    return not value if isinstance(value, bool) else None


def _any_of(values: Iterable[Value]) -> bool | None:
    found: bool | None = False
    for value in values:
        if value is True:
            return True
        if value is not False:
            found = None
    return found
