"""The loggers of the clients, without the module `logging` until there is somebody to hear them.

While nobody has imported `logging`, nobody has asked for notes, and they are dropped. What is a warning or worse goes
to standard error then, as `logging` does it by itself, and is reason enough to import it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

_muted: set[str] = set()
_found: dict[str, logging.Logger] = {}


class Log:
    """A logger, under its name.

    Args:
        name: of the logger of `logging` that gets the notes. Its methods take what those of the logger take.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, text: object, *args: Any, **how: Any) -> None:
        """Something for those who look for a defect."""
        if "logging" in sys.modules:
            _logger(self._name).debug(text, *args, **_placed(how))

    def info(self, text: object, *args: Any, **how: Any) -> None:
        """Something went as it should."""
        if "logging" in sys.modules:
            _logger(self._name).info(text, *args, **_placed(how))

    def warning(self, text: object, *args: Any, **how: Any) -> None:
        """Something went wrong, and it goes on."""
        if self._heard():
            _logger(self._name).warning(text, *args, **_placed(how))

    def error(self, text: object, *args: Any, **how: Any) -> None:
        """Something went wrong that somebody must know."""
        if self._heard():
            _logger(self._name).error(text, *args, **_placed(how))

    def exception(self, text: object, *args: Any, **how: Any) -> None:
        """An exception was caught, and nobody else will tell of it. Call it where it was caught."""
        if self._heard():
            _logger(self._name).exception(text, *args, **_placed(how))

    def _heard(self) -> bool:
        return "logging" in sys.modules or self._name not in _muted


def _placed(how: dict[str, Any]) -> dict[str, Any]:
    """With the line of the note that of the caller of `Log`."""
    how.setdefault("stacklevel", 2)
    return how


def mute(name: str) -> None:
    """Keep the warnings of a logger from standard error; who sets up `logging` gets them still."""
    _muted.add(name)
    if "logging" in sys.modules:
        _logger(name)


def _logger(name: str) -> logging.Logger:
    import logging

    found = _found.get(name)
    if found is None:  # asking for it takes a lock, and longer than a note that nobody wants
        found = _found[name] = logging.getLogger(name)
    if name in _muted and not found.handlers and not logging.getLogger().handlers:
        found.addHandler(logging.NullHandler())
    return found
