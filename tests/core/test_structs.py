"""Records are what dataclasses would be."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from stomp.core import structs as light
from stomp.core.structs import record


@record
class Point:
    """A place."""

    kind: ClassVar[str] = "place"
    x: int
    y: int = 0

    def moved(self) -> Point:
        return Point(self.x + 1, self.y)


@record
class Nothing:
    """No fields."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a record is to be like."""

    x: int
    y: int = 0


def test_it_is_made_as_a_dataclass_is() -> None:
    assert (Point(1).x, Point(1).y, Point(1, 2).y, Point(y=2, x=1).x) == (1, 0, 2, 1)
    assert Point(1).moved() == Point(2)
    assert repr(Point(1)) == repr(Model(1)).replace("Model", "Point")
    assert Point.__match_args__ == Model.__match_args__
    assert Point.__doc__ == "A place."
    assert Point.kind == "place"


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)])
def test_wrong_arguments_are_told_as_for_any_function(arguments: tuple[int, ...]) -> None:
    make: Any = Point
    with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
        make(*arguments)


def test_equal_is_what_has_equal_values_and_is_of_the_same_kind() -> None:
    assert Point(1, 2) == Point(1, 2) != Point(2, 1)
    other: object = Model(1, 2)
    assert Point(1, 2) != other
    assert Nothing() == Nothing()
    assert {Point(1), Point(1), Point(2)} == {Point(2), Point(1)}


def test_it_has_slots() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 1  # type: ignore[attr-defined]
    assert not hasattr(Point(1), "__dict__")


def test_it_can_be_matched() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


# ------------------------------------------------------------------------------- `dataclass`, `field`, `replace`


@light.dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who."""

    user: str
    password: str | None = light.field(default=None, repr=False)
    roles: list[str] = light.field(default_factory=list[str])
    kind: ClassVar[str] = "person"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RealLogin:
    user: str
    password: str | None = dataclasses.field(default=None, repr=False)
    roles: list[str] = dataclasses.field(default_factory=list[str])
    kind: ClassVar[str] = "person"


@light.dataclass
class Basket:
    size: int
    full: bool = light.field(init=False, compare=False)
    items: list[str] = light.field(default_factory=list[str])
    colour: str = "red"

    def __post_init__(self) -> None:
        self.full = self.size == 0


def test_a_light_dataclass_is_like_a_real_one() -> None:
    one, real = Login(user="me", password="secret"), RealLogin(user="me", password="secret")
    assert repr(one) == repr(real).replace("RealLogin", "Login")
    assert one == Login(user="me", password="secret") != Login(user="me")
    other: object = real
    assert one != other
    assert Login(user="a").roles is not Login(user="a").roles
    assert Login.__match_args__ == RealLogin.__match_args__ == ()
    assert not hasattr(one, "__dict__")
    assert Login.kind == "person"
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_it_may_stand_without_brackets() -> None:
    @light.dataclass
    class Step:
        name: str
        notes: list[str] = light.field(default_factory=list[str])

    assert Step("tls") == Step("tls", [])


def test_a_frozen_one_does_not_change() -> None:
    one: Any = Login(user="me")
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Login\.user does not change"):
        one.user = "you"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.user
    assert hash(Point(1)) == hash(Point(1))
    assert light.replace(one, user="you") == Login(user="you")


def test_without_slots_a_default_is_an_attribute_of_the_class_too() -> None:
    assert Basket.colour == "red"
    assert not hasattr(Basket, "items")


def test_one_that_may_change_does_and_has_no_hash() -> None:
    one = Basket(0)
    assert (one.full, one.items) == (True, [])
    one.size = 2
    assert one == Basket(2, []) != Basket(2, ["bread"])
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    assert light.replace(one, items=["bread"]) == Basket(2, ["bread"])
    assert repr(one) == "Basket(size=2, full=True, items=[], colour='red')"


@pytest.mark.parametrize(
    ("given", "named", "words"),
    [
        ((), {}, "needs an argument 'size'"),
        ((1, [], "blue", 4), {}, "takes 3 arguments"),
        ((1,), {"size": 1}, "two values for 'size'"),
        ((1,), {"full": True}, "has no argument 'full'"),
    ],
)
def test_wrong_arguments_are_told(given: tuple[Any, ...], named: dict[str, Any], words: str) -> None:
    make: Any = Basket
    with pytest.raises(TypeError, match=words):
        make(*given, **named)


def test_the_functions_of_dataclasses_and_inspect_take_it() -> None:
    one = Login(user="me", password="secret")
    assert dataclasses.replace(one, user="you") == Login(user="you", password="secret")
    assert dataclasses.asdict(one) == {"user": "me", "password": "secret", "roles": []}
    names = [field.name for field in dataclasses.fields(Login)]
    assert names == [field.name for field in dataclasses.fields(RealLogin)]
    assert list(inspect.signature(Login).parameters) == names
    assert list(inspect.signature(Basket).parameters) == ["size", "items", "colour"]
    assert dataclasses.is_dataclass(one)


def test_what_is_missing_is_told_though_something_unknown_is_there() -> None:
    make: Any = Basket
    with pytest.raises(TypeError, match="needs an argument 'size'"):
        make(weight=1)


def test_an_attribute_that_is_no_argument_has_its_default() -> None:
    @light.dataclass
    class OutgoingMessage:
        weight: int
        sent: bool = light.field(default=False, init=False)
        stamps: list[str] = light.field(default_factory=list[str], init=False)

    make: Any = OutgoingMessage
    assert (OutgoingMessage(2).sent, OutgoingMessage(2).stamps) == (False, [])
    for name in ("sent", "stamps"):
        with pytest.raises(TypeError, match=f"has no argument '{name}'"):
            make(2, **{name: 1})
