"""Records are what dataclasses would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from stomp.core.record import record


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
