"""stomp.core.frames.limits"""

import dataclasses
import inspect

import pytest

from stomp.core.errors import UsageError
from stomp.core.frames.limits import LENIENT, STRICT, TRIM, Leniency, Lenient, Limits


def test_every_limit_is_documented() -> None:
    assert Limits.__doc__ is not None
    for field in dataclasses.fields(Limits):
        assert f"\n    {field.name}: " in inspect.cleandoc(Limits.__doc__)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_one_is_refused(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"Limits.{name} is {value} .pass a whole number, at least 1"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1MiB", 1.5, None])
def test_a_limit_that_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"Limits\.body is .* \(pass a whole number, at least 1"):
        Limits(body=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "leniency"),
    [(True, LENIENT), (False, STRICT), ("trim", TRIM), *((member, member) for member in Leniency)],
)
def test_lenient_arguments_are_accepted(value: Lenient, leniency: Leniency) -> None:
    assert Leniency.of(value) is leniency


@pytest.mark.parametrize("value", ["yes", "no", "", 1, 0, None])
def test_other_lenient_arguments_are_refused(value: object) -> None:
    with pytest.raises(UsageError) as caught:
        Leniency.of(value)  # type: ignore[arg-type]
    assert str(caught.value) == f"lenient is {value!r} (pass True, False or 'trim')"
