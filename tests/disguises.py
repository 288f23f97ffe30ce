"""Subclasses of str, int and bytes whose conversions return something other than their value."""

import enum
from collections.abc import Callable
from typing import Any

LIE = "SOMETHING-ELSE"


def _lie(self, *args, **kwargs):
    return LIE


class Misleading(str):
    """A str with overridden methods, as Markup, SafeString and enumerations have them."""

    __slots__ = ()
    __str__ = __format__ = __repr__ = __add__ = __mod__ = _lie
    strip = lower = upper = replace = translate = partition = rpartition = split = join = removeprefix = _lie

    def encode(self, *args, **kwargs):
        return LIE.encode()

    def __len__(self):
        return 1

    def __iter__(self):
        return iter(LIE)

    def __getitem__(self, index):
        return LIE[index]


class MisleadingInt(int):
    """An int whose str() is not its number."""

    __str__ = __format__ = __repr__ = _lie


class MisleadingBytes(bytes):
    """Bytes with overridden methods."""

    __str__ = __repr__ = _lie

    def decode(self, *args, **kwargs):
        return LIE

    def __bytes__(self):
        return LIE.encode()

    def __len__(self):
        return 1


def member(text):
    """A member of a `(str, Enum)` class: its str() is "Member.THIS" on most Pythons."""

    class Member(str, enum.Enum):  # noqa: UP042 - programs use such classes
        THIS = text

    return Member.THIS


def str_enum(text):
    """A member of a `StrEnum` class that overrides `__str__`."""

    class Named(enum.StrEnum):
        THIS = text

        def __str__(self):
            return LIE

    return Named.THIS


#: Name -> function that converts a text to another kind of str.
TEXTS: dict[str, Callable[[str], Any]] = {
    "a str subclass": Misleading,
    "(str, Enum)": member,
    "StrEnum": str_enum,
}
