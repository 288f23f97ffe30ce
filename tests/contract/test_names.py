"""Every public name of stomp.py 4.1.22, 8.2.0 and 9.0.0 is here, with a signature that takes the same calls.

`names.json` has the facts, found by introspection of those releases: for each module and name what it is, either
one fact for all three or a list of three (null where a release did not have it). `differences.json` has what is
otherwise here on purpose, by reason; `docs/migrating.md` lists those that a program can notice.
"""

import builtins
import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

RELEASES = ("4.1.22", "8.2.0", "9.0.0")
HERE = Path(__file__).parent
NAMES: dict[str, dict[str, Any]] = json.loads((HERE / "names.json").read_text())
#: reason -> names
REASONS: dict[str, list[str]] = json.loads((HERE / "differences.json").read_text())
DIFFERENCES = {name for names in REASONS.values() for name in names}


def entries() -> list[tuple[str, str, list[Any]]]:
    found = []
    for module, names in NAMES.items():
        for name, facts in names.items():
            found.append((module, name, facts if isinstance(facts, list) else [facts] * 3))
    return found


ENTRIES = entries()


def faults(module: str, name: str, facts: list[Any]) -> list[str]:
    """What of an entry is not so here: one line for each release, without repetitions."""
    seen: dict[str, str] = {}
    for release, fact in zip(RELEASES, facts, strict=True):
        if fact is not None:
            for fault in faults_of_fact(module, name, fact):
                seen.setdefault(fault, release)
    return [f"{release}: {fault}" for fault, release in seen.items()]


def faults_of_fact(module: str, name: str, fact: dict[str, Any]) -> list[str]:
    try:
        ours: Any = importlib.import_module(module)
        for part in name.split("."):
            owner, ours = ours, getattr(ours, part)
    except (ImportError, AttributeError):
        return ["missing"]
    if "params" in fact:
        static = inspect.isclass(owner) and isinstance(inspect.getattr_static(owner, part), staticmethod)
        return not_taken(fact["params"], ours, bound=inspect.isclass(owner) and not static)
    if "bases" in fact:
        return [f"no subclass of {base}" for base in fact["bases"] if resolved(base) not in ours.__mro__]
    if "is" in fact:
        return [] if ours is resolved(fact["is"]) else [f"not {fact['is']}"]
    if "value" in fact:
        return [] if text_of(ours) == fact["value"] else [f"not {fact['value']}"]
    if "pattern" in fact:
        return [] if text_of(ours.pattern) == fact["pattern"] else [f"another pattern than {fact['pattern']}"]
    if "callable" in fact:
        return [] if callable(ours) else ["cannot be called"]
    if "type" in fact:
        return [] if type(ours).__name__ == fact["type"] else [f"no {fact['type']}"]
    return []


def resolved(path: str) -> Any:
    """What a dotted path means here; None if it means nothing."""
    if "." not in path and hasattr(builtins, path):
        return getattr(builtins, path)
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            return None


def text_of(value: object) -> str:
    """A value as the facts write it."""
    if inspect.isfunction(value):
        return value.__name__
    if type(value).__name__ == "_SSLMethod":
        return f"ssl.{value.name}"  # type: ignore[attr-defined]
    return repr(value)


def not_taken(theirs: list[str], ours: Any, *, bound: bool) -> list[str]:
    """What of a call that fits their parameters does not fit ours."""
    parameters = list(inspect.signature(ours).parameters.values())
    kinds = {parameter.kind for parameter in parameters}
    if bound:
        theirs, parameters = theirs[1:], parameters[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    found = []
    for index, text in enumerate(theirs):
        name, _, default = text.partition("=")
        if text.startswith("**"):
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                found.append(f"takes no {text}")
        elif text.startswith("*"):
            if inspect.Parameter.VAR_POSITIONAL not in kinds and not positional[index:]:
                found.append(f"takes no {text}")
        elif index >= len(positional) or positional[index].name != name:
            if inspect.Parameter.VAR_POSITIONAL not in kinds:
                found.append(f"argument {index + 1} is not {name}")
        elif default and text_of(positional[index].default) != default:
            found.append(f"{name} is not {default} by default")
    if any(text[0] == "*" and text[1] != "*" for text in theirs):
        return found
    taken = {text.partition("=")[0] for text in theirs}
    return found + [f"needs {p.name}" for p in positional if p.default is p.empty and p.name not in taken]


@pytest.mark.parametrize(("module", "name", "facts"), ENTRIES, ids=[f"{m}.{n}" for m, n, _ in ENTRIES])
def test_contract_name_exists_with_its_signature(module, name, facts):
    found = faults(module, name, facts)
    if f"{module}.{name}" in DIFFERENCES:
        assert found, "this is no difference any more: take it off the list"
    else:
        assert found == []


def test_differences_are_of_names_that_are_in_the_contract_and_have_reasons():
    assert {f"{module}.{name}" for module, name, _ in ENTRIES} >= DIFFERENCES
    assert all(len(reason.split()) > 3 for reason in REASONS)


def test_contract_file_is_not_empty():
    assert len(ENTRIES) > 700


# The judge is judged.


def sample(a, b="x", *, c=1):
    pass


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (["a"], []),
        (["a", "b='x'"], []),
        (["a", "b='y'"], ["b is not 'y' by default"]),
        (["b", "a"], ["argument 1 is not b", "argument 2 is not a"]),
        (["a", "b", "d"], ["argument 3 is not d"]),
        (["a", "**more"], ["takes no **more"]),
        (["a", "*rest"], []),
        (["a", "b", "*rest"], ["takes no *rest"]),
        ([], ["needs a"]),
    ],
)
def test_signatures_are_compared(theirs, expected):
    assert not_taken(theirs, sample, bound=False) == expected


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("nothing", {"is": "stomp.nothing"}),
        ("Frame", {"is": "stomp.nothing"}),
        ("Frame", {"bases": ["dict"]}),
        ("NULL", {"value": "b'x'"}),
        ("NULL", {"type": "list"}),
        ("NULL", {"callable": True}),
        ("LINE_END_RE", {"pattern": "'x'"}),
    ],
)
def test_comparison_finds_differences(name, fact):
    (fault,) = faults("stomp.utils", name, [fact, None, None])
    assert fault.startswith("4.1.22: ")
