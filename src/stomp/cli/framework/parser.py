"""A parser based on argparse, with the conventions of this command.

Rules of this file: a usage error is one line, with exit status 1. Options of stomp.py may be abbreviated as in
stomp.py; options that were added later do not make an abbreviation ambiguous. Each argument declares how its value is
completed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from stomp.cli.framework.exit_status import CommandError
from stomp.core.spellings import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

#: The long options of stomp.py. An abbreviation that fits only one of them means this one.
CLASSIC = (
    *("--version", "--help", "--host", "--port", "--user", "--password", "--file", "--protocol", "--stomp"),
    *("--listen", "--verbose", "--heartbeats", "--ssl", "--ssl-key-file", "--ssl-cert-file", "--ssl-ca-file"),
    "--ssl-insecure",
)
_SWITCH = {"on": True, "off": False}
#: The prefix of each argument that is passed to argparse, which then never takes the argument for an option or "--".
_ARGUMENT_PREFIX = "="


class Word(NamedTuple):
    """An option or an argument of the command line.

    Attributes:
        name: the full name of the option; empty for an argument.
        value: the value of the option, or None if it has none; for an argument its text.
        position: the index of its first word on the command line.
    """

    name: str
    value: str | None
    position: int


def _width() -> int:
    with contextlib.suppress(KeyError, ValueError):
        return int(os.environ["COLUMNS"]) - 2
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns - 2  # type: ignore[union-attr]
    return 78


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats help like stomp.py: ``Usage: stomp [options]``, with a wide column for long option names."""

    def __init__(self, prog: str) -> None:
        # argparse makes a formatter for each declared option, and without a width it imports `shutil` to find one.
        super().__init__(prog, max_help_position=30, width=_width())

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Add the usage line, which begins with a capital letter."""
        super().add_usage(usage, actions, groups, "Usage: " if prefix is None else prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # "-H, --host HOST" instead of "-H HOST, --host HOST". Python has this format only since 3.13.
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        names = ", ".join(name for name in action.option_strings if name not in hidden(action))
        return f"{names} {self._format_args(action, self._get_default_metavar_for_optional(action))}"


class Parser(argparse.ArgumentParser):
    """The parser of one command. Declare options with `add`, then parse with `read`.

    Args:
        prog: the name of the command, as "stomp send".
        description: what the command does, for help.
        commands: the names of commands that may follow `prog`, to suggest one for an unknown command.
    """

    def __init__(self, *, prog: str, description: str, commands: Collection[str] = ()) -> None:
        #: The names of commands that may follow `prog`, for the error about an unknown one.
        self.commands = commands
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
        self, *names: str, completes: str = "", hide: Sequence[str] = (), group: Any = None, **settings: Any
    ) -> None:
        """Declare an option or an argument.

        Args:
            *names: as for `argparse.ArgumentParser.add_argument`.
            completes: the kind of the value, for completion: "file", "directory", "command", "context",
                "destination", or empty. Choices are completed without it. A "switch" may be followed by "on" or "off".
            hide: the names that help does not show.
            group: the argument group in the help; None for the default one.
            **settings: as for `argparse.ArgumentParser.add_argument`.
        """
        if not names[0].startswith("-"):
            settings["type"] = _without_prefix(settings.get("type", str))
        action: Any = (group or self).add_argument(*names, **settings)
        action.completes = completes
        action.hidden = tuple(hide)

    def arguments_are(self, usage: str) -> None:
        """Set the usage line: the text after the options, as ``DEST [BODY]``."""
        self.usage = f"%(prog)s [options] {usage}"

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse the command line. Options may be before, between and after the arguments; ``--`` ends the options.

        Raises:
            CommandError: an option or an argument is unknown, missing or invalid.
            SystemExit: help or the version was requested, and has been printed.
        """
        options: list[str] = []
        words: list[str] = []
        for word in self.scan(arguments):
            if not word.name:
                words.append(f"{_ARGUMENT_PREFIX}{word.value}")
            elif (action := self.options.get(word.name)) is None:
                self._refuse_option(word.name, words)
            elif completes(action) == "switch":
                if word.value not in (None, *_SWITCH):
                    self.error(f'{word.name} takes "on", "off" or no value')
                options += [word.name] if _SWITCH[word.value or "on"] else []
            elif takes_value(action):
                if word.value is None:
                    self._refuse_missing_value(word, arguments)
                options.append(f"{word.name}={word.value}")
            elif word.value is not None:
                self.error(f"{word.name} takes no value")
            else:
                options.append(word.name)
        # Each option is one word here, and options come first: all versions of argparse parse that in the same way.
        # Arguments between options, "--" and values that begin with "-" are parsed differently by different versions.
        namespace, rest = self.parse_known_args([*options, *words])
        if rest:
            self._refuse_argument(rest[0].removeprefix(_ARGUMENT_PREFIX))
        return namespace

    def error(self, message: str) -> NoReturn:
        """Raise a `CommandError` with a hint about --help, instead of exiting as argparse does."""
        raise CommandError(message, hint=f"see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # The text of argparse has no suggestion before Python 3.14.
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if suggestion := nearest(str(value), choices):
            hint = f"did you mean {suggestion!r}?"
        else:
            hint = f"use {', '.join(choices[:-1])} or {choices[-1]}"
        raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}")

    def _refuse_option(self, name: str, before: Sequence[str]) -> NoReturn:
        if self.commands and before:  # options of an unknown command
            self._refuse_argument(before[0].removeprefix(_ARGUMENT_PREFIX))
        known = [one for one, action in self.options.items() if one not in hidden(action)]
        if suggestion := nearest(name, known):
            self.error(f"unknown option {name!r}; did you mean {suggestion!r}?")
        if not self._get_positional_actions():
            self.error(f"unknown option {name!r}")
        hint = f"to pass an argument that starts with '-', put -- before it; see {self.prog} --help"
        raise CommandError(f"unknown option {name!r}", hint=hint)

    def _refuse_argument(self, word: str) -> NoReturn:
        if self.commands:
            self.refuse_command(word)
        if "://" in word:  # not shown, it may have a password
            given_with = next((name for name in ("--url", "--page-url") if name in self.options), None)
            hint = f"give it with {given_with}; see" if given_with else "see"
            hint = f"{hint} {self.prog} --help"
            raise CommandError("there is a URL among the arguments", hint=hint)
        self.error(f"unexpected argument {word!r}")

    def refuse_command(self, word: str) -> NoReturn:
        """Raise the error for an unknown command, with the name of a similar one."""
        suggestion = nearest(word, self.commands)
        self.error(f"unknown command {word!r}" + (f"; did you mean {suggestion!r}?" if suggestion else ""))

    def _refuse_missing_value(self, word: Word, arguments: Sequence[str]) -> NoReturn:
        next_words = arguments[word.position + 1 : word.position + 2]
        hint_text = (
            f"; for the value {next_words[0]!r} write {word.name}={next_words[0]}" if next_words else ""
        )
        self.error(f"{word.name} needs a value{hint_text}")

    # ------------------------------------------------------------------------------------- before argparse

    def scan(self, arguments: Sequence[str]) -> list[Word]:
        """The options with their values, and the arguments, in the order of the command line.

        Raises:
            CommandError: an abbreviation is ambiguous.
        """
        found: list[Word] = []
        position = 0
        while position < len(arguments):
            text = arguments[position]
            if text == "--":
                rest = enumerate(arguments[position + 1 :], position + 1)
                return [*found, *(Word("", value, number) for number, value in rest)]
            pairs = self._option_in(text) or [("", text)]
            found += [Word(name, value, position) for name, value in pairs]
            position += 1
            name, value = pairs[-1]
            if value is None and self._is_value(name, arguments[position : position + 1]):
                found[-1] = Word(name, arguments[position], position - 1)
                position += 1
        return found

    def _option_in(self, text: str) -> list[tuple[str, str | None]]:
        """The options in a word, with their values; an empty list if the word is an argument."""
        if not text.startswith("-") or text == "-":
            return []
        name, equals, value = text.partition("=")
        if name.startswith("--"):
            name = self.full_name(name)
        if name in self.options:
            return [(name, value if equals else None)]
        if name.startswith("--"):
            return [] if " " in name else [(name, value if equals else None)]
        if f"-{text[1]}" not in self.options or _is_number(text):
            return [] if " " in text or _is_number(text) else [(text[:2], None)]
        return self._cluster(text[1:])

    def _cluster(self, letters: str) -> list[tuple[str, str | None]]:
        """Split short options in one word, as ``-vv``. The last one may be followed by its value: ``-P61613``."""
        found: list[tuple[str, str | None]] = []
        for position, letter in enumerate(letters, 1):
            name = f"-{letter}"
            if takes_value(self.options.get(name)):
                return [*found, (name, letters[position:] or None)]
            found.append((name, None))
        return found

    def _is_value(self, name: str, next_words: Sequence[str]) -> bool:
        """True if the next word is the value of the option."""
        action = self.options.get(name)
        if action is None or not next_words:
            return False
        if completes(action) == "switch":
            return next_words[0] in _SWITCH
        # A word that is an option is not a value: the value was forgotten.
        return (
            takes_value(action)
            and next_words[0] != "--"
            and next_words[0].partition("=")[0] not in self.options
        )

    def full_name(self, name: str) -> str:
        """The long option for an abbreviation; the word itself if it abbreviates no option.

        Raises:
            CommandError: the abbreviation is ambiguous.
        """
        known = self._option_string_actions
        if name in known:
            return name
        found = [option for option in known if option.startswith(name)]
        classic = [option for option in found if option in CLASSIC]
        # Two names of the same option are not ambiguous.
        for options in (found, classic):
            if options and len({id(known[option]) for option in options}) == 1:
                return options[0]
        if found:
            self.error(f"{name} could be {' or '.join(found)}")
        return name

    def help_of(self, action: argparse.Action) -> str:
        """The help text of an option, with its default filled in."""
        return self._get_formatter()._expand_help(action) if action.help else ""

    @property
    def options(self) -> dict[str, argparse.Action]:
        """The options, by their names."""
        return self._option_string_actions

    @property
    def groups(self) -> list[tuple[str, list[argparse.Action]]]:
        """The groups of the help: a title and its options and arguments."""
        return [(group.title or "", group._group_actions) for group in self._action_groups]

    @property
    def actions(self) -> list[argparse.Action]:
        """All declared options and arguments."""
        return self._actions


def _without_prefix(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A type for arguments, which removes the mark that `Parser.read` has added."""
    return lambda text: kind(text.removeprefix(_ARGUMENT_PREFIX))


def _is_number(text: str) -> bool:
    """True for negative numbers such as "-5" and "-0.5", which are arguments and not options."""
    digits = text[1:].replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


def takes_value(action: argparse.Action | None) -> bool:
    """True for an option that takes a value."""
    return action is not None and action.nargs != 0


def hidden(action: argparse.Action) -> tuple[str, ...]:
    """The names of an option that help does not show."""
    return getattr(action, "hidden", ())


def completes(action: argparse.Action) -> str:
    """The kind of the value of an option or argument, for completion; see `Parser.add`."""
    return getattr(action, "completes", "")


# ----------------------------------------------------------------------------------------- types of values


def number(minimum: float, maximum: float | None = None, *, whole: bool = True) -> Any:
    """A type for `Parser.add`: a number from `minimum` to `maximum`, whole numbers only unless `whole` is False.

    >>> number(0, whole=False)("0.5")
    0.5
    """

    def read(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = minimum - 1
        # `not >=` and not `<`, because all comparisons with "nan" are false.
        if not value >= minimum or value == float("inf") or (maximum is not None and value > maximum):
            kind = "a whole number" if whole else "a number"
            end = "on" if maximum is None else f"to {maximum:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kind} from {minimum:g} {end}")
        return value

    return read


#: Units of time, in seconds.
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def duration(minimum: float) -> Any:
    """A type for `Parser.add`: a time of at least `minimum` seconds, as "5", "0.5", "200ms", "5s", "2m", "1h" or "7d".

    >>> duration(0)("2m"), duration(0)("0.5")
    (120.0, 0.5)
    """

    def read(text: str) -> float:
        word = text.strip().replace("_", "?")  # Python reads 1_0 as 10
        unit = next((unit for unit in _UNITS if word.endswith(unit)), "")
        try:
            seconds = float(word.removesuffix(unit)) * _UNITS.get(unit, 1.0)
        except ValueError:
            seconds = minimum - 1
        # `not >=`: all comparisons with "nan" are false.
        if not seconds >= minimum or seconds == float("inf"):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a time of at least {minimum:g} seconds; write 5, 0.5, 200ms, 5s, 2m, 1h or 7d"
            )
        return seconds

    return read


def header(text: str) -> tuple[str, str]:
    """A type for `Parser.add`: ``name:value`` as a pair, without white space around name and value.

    >>> header("content-type: text/plain")
    ('content-type', 'text/plain')
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a header; write name:value")
    return name, value


def gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as a dictionary. A repeated name has a tuple of all its values.

    >>> gathered([("a", "1"), ("b", "2"), ("a", "3")])
    {'a': ('1', '3'), 'b': '2'}
    """
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            previous = result[name]
            result[name] = (*previous, value) if isinstance(previous, tuple) else (previous, value)
        else:
            result[name] = value
    return result
