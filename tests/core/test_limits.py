"""stomp.core.limits"""

import dataclasses
import inspect

import pytest

from stomp.core.errors import UsageError
from stomp.core.limits import LENIENT, STRICT, Leniency, Limits


def test_every_limit_is_documented() -> None:
    assert Limits.__doc__ is not None
    for field in dataclasses.fields(Limits):
        assert f"\n    {field.name}: " in inspect.cleandoc(Limits.__doc__)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_one_is_refused(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"Limits.{name} is {value} .pass a whole number, at least 1"):
        Limits(**{name: value})


def test_the_table_names_every_leniency() -> None:
    assert Leniency.__doc__ is not None
    rows = [
        line.split("|")[1].strip() for line in Leniency.__doc__.splitlines() if line.strip().startswith("|")
    ]
    assert rows[2:] == [member.name for member in Leniency]


def test_strict_forgives_nothing_and_lenient_everything() -> None:
    assert not STRICT
    assert list(LENIENT) == list(Leniency)
