"""Placeholders in bodies and headers, for `stomp send --template`."""

from __future__ import annotations

import re
from typing import Any

from stomp.cli.framework.exit_status import CommandError

_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}")

#: The placeholders, for help.
PLACEHOLDERS = """\
Placeholders of --template, in the body and in the values of headers:
  {{count}}          the number of the message, from 1
  {{uuid}}           a new UUID
  {{time}}           the time in seconds since 1970
  {{iso}}            the time, ISO 8601
  {{random 1 100}}   a whole number from 1 to 100
"""


def fill(text: str, number: int) -> str:
    """Replace the placeholders of a text.

    Args:
        text: the text.
        number: the number of the message, from 1.

    Raises:
        CommandError: a placeholder is unknown.

    >>> fill("order {{ count }}", 7)
    'order 7'
    """
    return _PLACEHOLDER.sub(lambda match: _value(match[1].split(), number), text)


def fill_options(options: dict[str, Any], number: int) -> dict[str, Any]:
    """Replace the placeholders in the headers of the arguments of ``send``."""
    headers = {
        name: tuple(fill(each, number) for each in value) if isinstance(value, tuple) else fill(value, number)
        for name, value in options["headers"].items()
    }
    return {**options, "headers": headers}


def _value(words: list[str], number: int) -> str:
    # Imported here: most commands need none of them.
    import random
    import time
    import uuid
    from datetime import UTC, datetime

    match words:
        case ["count"]:
            return str(number)
        case ["uuid"]:
            return str(uuid.uuid4())
        case ["time"]:
            return f"{time.time():.3f}"
        case ["iso"]:
            return datetime.now(UTC).isoformat(timespec="milliseconds")
        case ["random", low, high] if low.isdigit() and high.isdigit() and int(low) <= int(high):
            return str(random.randint(int(low), int(high)))
        case _:
            pass
    name = " ".join(words)
    raise CommandError(f"unknown placeholder {{{{{name}}}}}", hint="see stomp send --help")
