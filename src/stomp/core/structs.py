"""Struct-like classes: the parts of `dataclasses` that this package uses, defined in a tenth of the time.

`dataclasses` compiles up to six methods for each class when a module is loaded, and imports `inspect`. For the
configuration, events and effects of this package that took a quarter of the start-up time of the command `stomp send`.
There are two kinds of classes:

- `record` is for objects that are created for each message. One method is compiled, `__init__`, and it assigns the
  attributes directly. (The `__init__` of a frozen dataclass calls `object.__setattr__`, which costs three times as much
  for each field.) Type checkers treat it as a frozen dataclass and report assignments; nothing prevents them at run
  time.
- `dataclass`, `field` and `replace` are for objects that are created rarely. Nothing is compiled. Type checkers treat
  them as those of `dataclasses`, whose functions (`replace`, `fields`, `asdict`) work on these objects, too. Missing
  are inheritance of fields, `order`, `unsafe_hash`, `metadata`, `InitVar` and `KW_ONLY`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from inspect import Signature

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def record(cls: type[_T]) -> type[_T]:
    """Make a class whose annotated names are its slots and, in this order, the arguments of its `__init__`.

    >>> @record
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(x=1, y=0), Point(1) == Point(2)
    (Point(x=1, y=0), True, False)
    """
    names = _annotated(cls)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    arguments = "".join(f", {name}=_{name}" if name in defaults else f", {name}" for name in names)
    lines = "".join(f"\n    self.{name} = {name}" for name in names)
    scope: dict[str, Any] = {f"_{name}": value for name, value in defaults.items()}
    exec(f"def __init__(self{arguments}):{lines or ' pass'}", scope)
    # Tracebacks and `help` show this name.
    scope["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return _slotted(
        cls,
        names,
        {
            "__match_args__": names,
            "__init__": scope["__init__"],
            "__eq__": _equal,
            "__hash__": _hash,
            "__reduce__": _anew,
            "__repr__": _shown,
        },
    )


def _annotated(cls: type) -> tuple[str, ...]:
    return tuple(name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind))


def _slotted(cls: type[_T], names: tuple[str, ...], methods: dict[str, Any]) -> type[_T]:
    """Return a copy of the class with slots. Slots cannot be added to an existing class."""
    body = {name: value for name, value in vars(cls).items() if name not in names}
    for made_anew in ("__dict__", "__weakref__"):
        body.pop(made_anew, None)
    made: Any = type(cls.__name__, cls.__bases__, {**body, "__slots__": names, **methods})
    return cast("type[_T]", made)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__slots__)


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _anew(self: Any) -> tuple[Any, ...]:
    return type(self), _values(self)


def _shown(self: Any) -> str:
    told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{type(self).__qualname__}({told})"


# --------------------------------------------------------------------------------------- dataclass, field, replace

_MISSING: Any = object()


class _Field:
    """The definition of one attribute, as returned by `field`."""

    __slots__ = ("compare", "default", "default_factory", "init", "name", "repr")

    def __init__(
        self,
        default: Any,
        default_factory: Any,
        *,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


class _Late:
    """A class attribute that is computed on each access."""

    def __init__(self, make: Callable[[Any], object]) -> None:
        self._make = make

    def __get__(self, instance: object, owner: Any) -> object:
        return self._make(owner)


if not TYPE_CHECKING:

    def field(*, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True):
        """Define more of an attribute than its default, as `dataclasses.field` does."""
        return _Field(default, default_factory, init=init, repr=repr, compare=compare)

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, repr=True):
        """Make a class from the annotated names in its body, as `dataclasses.dataclass` does. It inherits no fields.

        >>> @dataclass(frozen=True, slots=True)
        ... class Login:
        ...     user: str
        ...     password: str = field(default="", repr=False)
        >>> Login("me", password="secret"), replace(Login("me"), user="you")
        (Login(user='me'), Login(user='you'))
        """

        def made(cls):
            fields = tuple(_field(cls, name) for name in _annotated(cls))
            by_place = () if kw_only else tuple(one.name for one in fields if one.init)
            methods = {**_SHARED, "__match_args__": by_place, "__replace__": replace, **_sorted(fields)}
            if repr:
                methods["__repr__"] = _shown_fields
            if frozen:
                methods |= _FROZEN
            if slots:
                return _slotted(cls, tuple(one.name for one in fields), methods)
            for one in fields:
                if isinstance(vars(cls).get(one.name), _Field):
                    delattr(cls, one.name)
            for name, value in methods.items():
                setattr(cls, name, value)
            return cls

        # Used as `@dataclass` or as `@dataclass(...)`.
        return made if cls is None else made(cls)

    def replace(instance, /, **changes):
        """Return a copy with these values changed, as `dataclasses.replace` does."""
        kept = {one.name: getattr(instance, one.name) for one in instance._fields if one.init}
        return type(instance)(**{**kept, **changes})


def _field(cls: type, name: str) -> _Field:
    told = vars(cls).get(name, _MISSING)
    made = told if isinstance(told, _Field) else _Field(told, _MISSING)
    made.name = name
    return made


def _sorted(fields: tuple[_Field, ...]) -> dict[str, Any]:
    """Return the class attributes that `_fill` reads, computed once so that it need not loop over the fields."""
    arguments = frozenset(one.name for one in fields if one.init)
    factories = [(one.name, one.default_factory) for one in fields if one.default_factory is not _MISSING]
    defaults = {one.name: one.default for one in fields if one.default is not _MISSING}
    return {
        "_fields": fields,
        "_arguments": arguments,
        "_required": arguments.difference(defaults, dict(factories)),
        "_defaults": defaults,
        "_factories": factories,
    }


def _fill(self: Any, *given: Any, **named: Any) -> None:
    """The `__init__` of all classes."""
    cls = type(self)
    told = {**dict(zip(cls.__match_args__, given, strict=False)), **named} if given else named
    if len(told) < len(given) + len(named) or not cls._required <= told.keys() <= cls._arguments:
        _complain(cls, given, named)
    set_attribute = object.__setattr__
    for name, value in {**cls._defaults, **told}.items():
        set_attribute(self, name, value)
    for name, make in cls._factories:
        if name not in told:
            set_attribute(self, name, make())
    if (finish := getattr(self, "__post_init__", None)) is not None:
        finish()


def _complain(cls: Any, given: tuple[Any, ...], named: dict[str, Any]) -> NoReturn:
    """Raise a TypeError that names the wrong argument."""
    by_place = cls.__match_args__
    if len(given) > len(by_place):
        raise TypeError(
            f"{cls.__qualname__}() takes {len(by_place)} arguments without a name, not {len(given)}"
        )
    told = by_place[: len(given)]
    for name in told:
        if name in named:
            raise TypeError(f"{cls.__qualname__}() got two values for {name!r}")
    for one in cls._fields:
        if one.name in cls._required and one.name not in (*told, *named):
            raise TypeError(f"{cls.__qualname__}() needs an argument {one.name!r}")
    unknown = next(name for name in named if name not in cls._arguments)
    raise TypeError(f"{cls.__qualname__}() has no argument {unknown!r}")


def _compared(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, one.name) for one in self._fields if one.compare)


def _equal_fields(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash_fields(self: Any) -> int:
    return hash(_compared(self))


def _shown_fields(self: Any) -> str:
    told = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in self._fields if one.repr)
    return f"{type(self).__qualname__}({told})"


def _refuse(self: Any, name: str, *value: object) -> None:
    # Imported in the function, as below: the import is slow and rarely needed.
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"{type(self).__qualname__}.{name} does not change; make another by replace()")


def _reduce(self: Any) -> tuple[Any, ...]:
    return _made_anew, (type(self), {one.name: getattr(self, one.name) for one in self._fields if one.init})


def _made_anew(cls: type[_T], values: dict[str, Any]) -> _T:
    return cls(**values)


def _real_fields(cls: Any) -> dict[str, Any]:
    """Return `__dataclass_fields__`, which the functions of `dataclasses` read."""
    import dataclasses

    rows: list[tuple[str, Any, Any]] = []
    for one in cls._fields:
        told: dict[str, Any] = {
            name: getattr(one, name)
            for name in ("default", "default_factory")
            if getattr(one, name) is not _MISSING
        }
        how: Any = dataclasses.field(init=one.init, repr=one.repr, compare=one.compare, **told)
        rows.append((one.name, cls.__annotations__[one.name], how))
    real: Any = dataclasses.make_dataclass(cls.__name__, rows, kw_only=True)
    return dict(real.__dataclass_fields__)


def _signature(cls: Any) -> Signature:
    """Return `__signature__`, which `inspect` and `help` show."""
    from inspect import Parameter, Signature

    parameters: list[Parameter] = []
    for one in cls._fields:
        if one.init:
            default = one.default
            if default is _MISSING:
                default = Parameter.empty if one.default_factory is _MISSING else one.default_factory
            kind = Parameter.POSITIONAL_OR_KEYWORD if cls.__match_args__ else Parameter.KEYWORD_ONLY
            note = cls.__annotations__[one.name]
            parameters.append(Parameter(one.name, kind, default=default, annotation=note))
    return Signature(parameters)


_SHARED: dict[str, Any] = {
    "__init__": _fill,
    "__eq__": _equal_fields,
    "__hash__": None,
    "__reduce__": _reduce,
    "__signature__": _Late(_signature),
    "__dataclass_fields__": _Late(_real_fields),
}
_FROZEN: dict[str, Any] = {"__hash__": _hash_fields, "__setattr__": _refuse, "__delattr__": _refuse}
