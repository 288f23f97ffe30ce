"""`record`: a class for what belongs together, written as a dataclass is, and made in a tenth of the time.

`dataclasses` compiles up to six methods for each class when a module is loaded; with the events and effects of this
package that was an eighth of the time in which the command `stomp send` starts. One method is compiled here, the others
are shared. And a frozen dataclass is filled by `object.__setattr__`, at three times the cost for each field.

Type checkers take a record for a frozen dataclass, and complain when one is changed; nothing does at run time.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def record(cls: type[_T]) -> type[_T]:
    """Make a class of the annotated names in its body: they are its slots, in order, and its arguments.

    >>> @record
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(x=1, y=0), Point(1) == Point(2)
    (Point(x=1, y=0), True, False)
    """
    body = dict(vars(cls))
    names = tuple(
        name for name, kind in body.get("__annotations__", {}).items() if "ClassVar" not in str(kind)
    )
    defaults = {name: body.pop(name) for name in names if name in body}
    for made_anew in ("__dict__", "__weakref__"):
        body.pop(made_anew, None)
    arguments = "".join(f", {name}=_{name}" if name in defaults else f", {name}" for name in names)
    lines = "".join(f"\n    self.{name} = {name}" for name in names)
    scope: dict[str, Any] = {f"_{name}": value for name, value in defaults.items()}
    exec(f"def __init__(self{arguments}):{lines or ' pass'}", scope)
    # A function of the class has the names that its documentation and tracebacks give it.
    scope["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    body |= {
        "__slots__": names,
        "__match_args__": names,
        "__init__": scope["__init__"],
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _shown,
    }
    made: Any = type(cls.__name__, cls.__bases__, body)
    return cast("type[_T]", made)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__slots__)


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _shown(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__qualname__}({told})"
