"""A class name has one meaning in the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"

#: Names with two definitions, and the reason. A definition is named by its module.
TWO_DEFINITIONS = {
    "Client": "stomp.Client, and what the broker knows about a connected client",
    "Consumer": "the handler of Client.consume, and what the broker knows about a subscription",
    "Transport": "the transport of the listener API, and that of Kombu, as all transports of Kombu are called",
    "Frame": "the frame of the core, and the class that stomp.py has in stomp.utils",
}


def definitions(sources: dict[str, str]) -> dict[str, set[str]]:
    """The modules that define each class name, nested classes included.

    `client/sync` is generated from `client/aio`: a class that both have counts once.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                found[node.name].add(module.replace(".client.sync.", ".client.aio."))
    return found


def sources_of_the_package() -> dict[str, str]:
    return {
        ".".join(file.relative_to(SRC).with_suffix("").parts): file.read_text(encoding="utf-8")
        for file in sorted((SRC / "stomp").rglob("*.py"))
    }


def test_each_class_name_has_one_meaning() -> None:
    found = definitions(sources_of_the_package())
    repeated = {name: sorted(modules) for name, modules in found.items() if len(modules) > 1}
    assert {name: modules for name, modules in repeated.items() if name not in TWO_DEFINITIONS} == {}
    assert repeated.keys() == TWO_DEFINITIONS.keys(), "an exception that is not needed any more"
    assert {len(modules) for modules in repeated.values()} == {2}


def test_a_name_in_two_modules_is_found() -> None:
    nested = "class A:\n    class B: pass\ndef f():\n    class C: pass\n"
    sources = {"stomp.x": nested, "stomp.y": "class B: pass\nclass C: pass\n", "stomp.z": "class D: pass\n"}
    assert {name for name, modules in definitions(sources).items() if len(modules) > 1} == {"B", "C"}


def test_generated_classes_count_once() -> None:
    sources = dict.fromkeys(("stomp.client.aio.handles", "stomp.client.sync.handles"), "class A: pass")
    assert definitions(sources) == {"A": {"stomp.client.aio.handles"}}
