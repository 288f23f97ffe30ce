"""Reads the parameters of requests: the query, and bodies in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.requests import Request

#: Characters of a parameter in the query.
_LONGEST = 4096


class BadRequest(ValueError):
    """A request is invalid.

    Args:
        text: what is wrong.
        status: the HTTP status.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The body of a request, which must be a JSON object.

    Args:
        request: the request.
        limit: maximum number of bytes.

    Raises:
        BadRequest: it is larger, or no JSON object, or the request has another type.
    """
    # A form of another page cannot have this type.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("the Content-Type must be application/json", 415)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise BadRequest(f"the request is larger than {limit} bytes", 413)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise BadRequest("the request is not valid JSON") from err
    if not isinstance(found, dict):
        raise BadRequest("the request must be a JSON object")
    return found


def checked(name: str, value: str) -> str:
    """A text that can be sent in UTF-8; others are refused: JSON can contain half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError as err:
        raise BadRequest(f"{name} is not valid Unicode") from err
    return value


class Query:
    """The query of a request."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str) -> str:
        """A parameter, or an empty text."""
        value = self._values.get(name, "")
        if len(value) > _LONGEST:
            raise BadRequest(f"{name} is longer than {_LONGEST} characters")
        return value

    def needed(self, name: str) -> str:
        """A parameter that the request must have."""
        value = self.text(name)
        if not value:
            raise BadRequest(f"the parameter {name} is missing")
        return value

    def choice(self, name: str, values: Sequence[str]) -> str:
        """One of several values; the first one if the request has none."""
        value = self.text(name) or values[0]
        if value not in values:
            raise BadRequest(f"{name} must be one of {', '.join(values)}")
        return value

    def number(self, name: str, default: int = 0, *, least: int = 0, most: int = 2**53) -> int:
        """A number."""
        value = self.text(name)
        return _number(name, value, least, most) if value else default

    def numbers(self, name: str) -> list[int] | None:
        """The numbers of a parameter that may be repeated; None if the request has none."""
        values = self._values.getlist(name)
        return [_number(name, value, 0, 2**53) for value in values] if values else None


def _number(name: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 17 and least <= int(value) <= most):
        raise BadRequest(f"{name} must be a number from {least} to {most}")
    return int(value)


class Fields:
    """The fields of a JSON object.

    Args:
        values: the object.
        known: the names of all fields.

    Raises:
        BadRequest: there is an unknown field.
    """

    def __init__(self, values: dict[str, Any], known: Iterable[str]) -> None:
        self._values = values
        unknown = sorted(values.keys() - set(known))
        if unknown:
            raise BadRequest(f"unknown field {unknown[0]!r:.60}; the fields are {', '.join(known)}")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def _get(self, name: str, kind: type | tuple[type, ...], what: str) -> Any:
        if name not in self._values:
            raise BadRequest(f"the field {name} is missing")
        value = self._values[name]
        # A bool is an int for Python, and none for JSON.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadRequest(f"{name} must be {what}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        if default is not None and name not in self._values:
            return default
        return checked(name, self._get(name, str, "a text"))

    def flag(self, name: str) -> bool:
        """True or False."""
        return bool(self._get(name, bool, "true or false"))

    def number(self, name: str, *, least: float, most: float) -> float:
        """A number."""
        value = self._get(name, (int, float), "a number")
        if not least <= value <= most:
            raise BadRequest(f"{name} must be from {least:g} to {most:g}")
        return float(value)

    def numbers(self, name: str) -> list[int] | None:
        """A list of whole numbers; None if the field is missing."""
        if self._values.get(name) is None:
            return None
        values = self._get(name, list, "a list of numbers")
        if not all(isinstance(each, int) and not isinstance(each, bool) for each in values):
            raise BadRequest(f"{name} must be a list of numbers")
        return list(values)

    def headers(self, name: str) -> dict[str, str]:
        """An object whose values are texts."""
        if name not in self._values:
            return {}
        values = self._get(name, dict, "an object of texts")
        for header, value in values.items():
            if not isinstance(value, str) or not header:
                raise BadRequest(f"{name} must be an object of texts")
            checked(name, header + value)
        return dict(values)
