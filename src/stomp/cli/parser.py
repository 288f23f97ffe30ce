"""argparse, with the habits of this command.

Wrong usage is one line and exit status 1. An option that stomp.py has may be abbreviated as it can be there, whatever
options have been added since. What can be completed is told with the argument that it completes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from stomp.cli.status import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The long options of stomp.py. What abbreviates only one of them means that one.
CLASSIC = (
    *("--version", "--help", "--host", "--port", "--user", "--password", "--file", "--protocol", "--stomp"),
    *("--listen", "--verbose", "--heartbeats", "--ssl", "--ssl-key-file", "--ssl-cert-file", "--ssl-ca-file"),
    "--ssl-insecure",
)
_SWITCH = {"on": True, "off": False}


def _width() -> int:
    with contextlib.suppress(KeyError, ValueError):
        return int(os.environ["COLUMNS"]) - 2
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns - 2  # type: ignore[union-attr]
    return 78


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as stomp.py gives it: ``Usage: stomp [options]``, and room for the long names of options."""

    def __init__(self, prog: str) -> None:
        # The width is asked for here, because argparse makes a formatter for each option that is declared, and loads a
        # package to ask with.
        super().__init__(prog, max_help_position=30, width=_width())

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """With a capital letter."""
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # "-H, --host HOST" in place of "-H HOST, --host HOST", which Python has only since 3.13.
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        names = ", ".join(name for name in action.option_strings if name not in hidden(action))
        return f"{names} {self._format_args(action, self._get_default_metavar_for_optional(action))}"


class Parser(argparse.ArgumentParser):
    """The parser of one command. `add` declares; `read` parses."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            usage="%(prog)s [options]",
            description=description,
            formatter_class=Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._optionals.title = "Options"
        self._positionals.title = "Arguments"
        self.add("-h", "--help", action="help", help="show this help and exit")

    def add(
        self, *names: str, completes: str = "", hide: Sequence[str] = (), group: Any = None, **how: Any
    ) -> None:
        """Declare an option or an argument.

        Args:
            *names: as for `argparse.ArgumentParser.add_argument`.
            completes: what its value is, for completion: "file", "directory", "command", "context",
                "destination", or nothing. Choices complete themselves. A "switch" may be followed by "on" or "off".
            hide: those of the names that help does not show.
            group: of the help.
            **how: as for `argparse.ArgumentParser.add_argument`.
        """
        action: Any = (group or self).add_argument(*names, **how)
        action.completes = completes
        action.hidden = tuple(hide)

    def arguments_are(self, usage: str) -> None:
        """Say what stands behind the options in the usage line, as ``DEST [BODY]``."""
        self.usage = f"%(prog)s [options] {usage}"

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse.

        Raises:
            CommandError: they are wrong.
            SystemExit: they asked for help or the version, which was printed.
        """
        return self.parse_args(self.spelled_out(arguments))

    def error(self, message: str) -> NoReturn:
        """Complain as everything here does."""
        raise CommandError(message, hint=f"see {self.prog} --help")

    # ------------------------------------------------------------------------------------- before argparse

    def spelled_out(self, arguments: Sequence[str]) -> list[str]:
        """The arguments with the long options written out, and ``--verbose=on`` as the switch that it is."""
        result: list[str] = []
        rest = list(arguments)
        while rest:
            word = rest.pop(0)
            if word == "--":
                return [*result, word, *rest]
            if not word.startswith("-") or word == "-":
                result.append(word)
                continue
            name, equals, value = word.partition("=")
            if name.startswith("--"):
                name = self.full_name(name)
            action = self._option_string_actions.get(name)
            if action is not None and completes(action) == "switch":
                if not equals and rest and rest[0] in _SWITCH:
                    equals, value = "=", rest.pop(0)
                if equals and value not in _SWITCH:
                    self.error(f'{name} is "on" or "off", or stands alone')
                if not equals or _SWITCH[value]:
                    result.append(name)
                continue
            result.append(name + equals + value)
            if takes_value(action) and not equals and rest:
                result.append(rest.pop(0))
        return result

    def full_name(self, name: str) -> str:
        """The long option that a word abbreviates; the word itself if it is none.

        Raises:
            CommandError: it could be several.
        """
        known = self._option_string_actions
        if name in known:
            return name
        found = [option for option in known if option.startswith(name)]
        classic = [option for option in found if option in CLASSIC]
        # Two names of one option are no choice.
        for options in (found, classic):
            if options and len({id(known[option]) for option in options}) == 1:
                return options[0]
        if found:
            self.error(f"{name} could be {' or '.join(found)}")
        return name

    def first_argument(self, arguments: Sequence[str]) -> int | None:
        """Where the first word is that is neither an option nor the value of one."""
        place = 0
        while place < len(arguments):
            word = arguments[place]
            if word == "--":
                return None
            if not word.startswith("-") or word == "-":
                return place
            name, equals, _ = word.partition("=")
            name = self.full_name(name) if name.startswith("--") else name
            action = self._option_string_actions.get(name)
            if action is not None and completes(action) == "switch":
                follows = arguments[place + 1 : place + 2]
                place += bool(not equals and follows and follows[0] in _SWITCH)
            elif takes_value(action) and not equals:
                place += 1
            place += 1
        return None

    def count_arguments(self, arguments: Sequence[str]) -> int:
        """How many of the words are neither options nor values of options."""
        count, rest = 0, list(arguments)
        while (place := self.first_argument(rest)) is not None:
            count, rest = count + 1, rest[place + 1 :]
        return count

    def help_of(self, action: argparse.Action) -> str:
        """The help text of an option, with its default."""
        return self._get_formatter()._expand_help(action) if action.help else ""

    @property
    def options(self) -> dict[str, argparse.Action]:
        """The options, by their names."""
        return self._option_string_actions

    @property
    def groups(self) -> list[tuple[str, list[argparse.Action]]]:
        """The titles of the help, and what stands under them."""
        return [(group.title or "", group._group_actions) for group in self._action_groups]

    @property
    def actions(self) -> list[argparse.Action]:
        """All that was declared."""
        return self._actions


def takes_value(action: argparse.Action | None) -> bool:
    """True for an option that is followed by one value at least."""
    return action is not None and action.nargs != 0


def hidden(action: argparse.Action) -> tuple[str, ...]:
    """The names of an option that help does not show."""
    return getattr(action, "hidden", ())


def completes(action: argparse.Action) -> str:
    """What the value of an option or argument is, for completion."""
    return getattr(action, "completes", "")


# ----------------------------------------------------------------------------------------- types of values


def number(least: float, *, whole: bool = True) -> Any:
    """A type for `Parser.add`: a number that is not smaller than this.

    >>> number(0, whole=False)("0.5")
    0.5
    """

    def read(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = least - 1
        # `not >=`, because nothing is true of "nan".
        if not value >= least or value == float("inf"):
            kind = "a whole number" if whole else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} from {least:g} on")
        return value

    return read


def header(text: str) -> tuple[str, str]:
    """A type for `Parser.add`: ``name:value`` as a pair.

    >>> header("content-type:text/plain")
    ('content-type', 'text/plain')
    """
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a header; write name:value")
    return name, value


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as a dictionary: a name that is repeated has a tuple of all its values.

    >>> gathered([("a", "1"), ("b", "2"), ("a", "3")])
    {'a': ('1', '3'), 'b': '2'}
    """
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            before = result[name]
            result[name] = (*before, value) if isinstance(before, tuple) else (before, value)
        else:
            result[name] = value
    return result
