"""The layers, checked in the source: a module imports only from the layers below.

    listener API (connect, protocol, transport, listener ... adapter/, classic/)     cli/     testing/
      client/sync  client/aio                                                       broker/
      client/threads
      client/  (code that both clients share)
      net/
      core/engine     the reconnecting client without I/O
      core/session    one connection, either end
      core/frames     bytes <-> frames; with the modules of core/ itself

A module may import from its own package and from the layers below. Imports in functions, and imports for type checkers
only, count like all others.
"""

import ast
import io
import tokenize
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

SRC = Path(__file__).parent.parent / "src"
#: Package -> layer, counted from the bottom. All other packages are in the top layer.
LAYERS = {
    "core": 0,
    "core.frames": 0,
    "core.session": 1,
    "core.engine": 2,
    "net": 3,
    "client": 4,
    "client.threads": 5,
    "client.sync": 6,
    "client.aio": 6,
    "broker": 6,
    "broker.dialects": 6,
}
TOP = 7
#: Packages that may import each other: errors refer to frames, and the code of frames raises errors; the engine of the
#: broker asks the dialects, which use its records.
TOGETHER = (frozenset({"core", "core.frames"}), frozenset({"broker", "broker.dialects"}))
#: Modules of the standard library that block, read the clock, are random, or do I/O.
IMPURE = frozenset(
    ["socket", "ssl", "threading", "asyncio", "time", "random", "uuid", "os", "logging", "selectors"]
)
LATE_IMPORTS = frozenset(["importlib.import_module", "import_module", "__import__"])
#: Maximum lines of code of a module, without docstrings, comments and empty lines. A longer one is split by subject.
MODULE_LINES = 500
#: Maximum lines of a function, without its docstring.
FUNCTION_LINES = 60


class Import(NamedTuple):
    """One imported module, as `target`; `star` for `from target import *`."""

    target: str
    line: int
    star: bool


def modules() -> dict[str, Path]:
    """Every module of the source, by its dotted name."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"), str(MODULES[name]))


@cache
def imports_of(name: str) -> tuple[Import, ...]:
    """All imports of a module, including those in functions. `from package import module` imports the module."""
    return tuple(imports_in(tree_of(name), name, is_package=MODULES[name].name == "__init__.py"))


def imports_in(tree: ast.Module, name: str, *, is_package: bool) -> list[Import]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.append(Import(inner if inner in MODULES else base, node.lineno, alias.name == "*"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in LATE_IMPORTS:
            # Only literals can be checked here; stomp/__init__.py computes module names, see test_house.
            literals = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            found += [Import(str(literal), node.lineno, False) for literal in literals]
    return found


def package(name: str) -> str:
    """The package of a module, without ``stomp.``; an empty string for the modules of stomp/ itself."""
    parts = name.split(".")[1:]
    return ".".join(parts if MODULES[name].name == "__init__.py" else parts[:-1])


def folder(name: str) -> str:
    """The folder of a module in stomp/, or an empty string."""
    return package(name).partition(".")[0]


def layer(name: str) -> int:
    return LAYERS.get(package(name), TOP)


def faults_of(name: str) -> list[str]:
    """The imports of a module from a higher layer, or from another package of the same lower layer."""
    faults = []
    for target, line, _ in imports_of(name):
        if target not in MODULES or target in ("stomp._version", "stomp._installation"):
            continue
        upward = layer(target) > layer(name)
        sideways = (
            layer(target) == layer(name) < TOP
            and package(target) != package(name)
            and not any({package(target), package(name)} <= together for together in TOGETHER)
        )
        if upward or sideways:
            faults.append(f"{name}:{line} imports {target}")
    return faults


def test_source_files_are_found() -> None:
    assert "stomp.core.frames.decoder" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down_only(name: str) -> None:
    assert faults_of(name) == []


@pytest.mark.parametrize("name", [name for name in MODULES if folder(name) == "core"])
def test_the_core_imports_nothing_that_waits_reads_a_clock_or_is_random(name: str) -> None:
    assert IMPURE.isdisjoint(target.partition(".")[0] for target, _, _ in imports_of(name))


@pytest.mark.parametrize("name", [name for name in MODULES if folder(name) == "client"])
def test_each_driver_has_one_way_of_waiting(name: str) -> None:
    forbidden = "threading" if name.startswith("stomp.client.aio") else "asyncio"
    assert forbidden not in [target.partition(".")[0] for target, _, _ in imports_of(name)]


@pytest.mark.parametrize("name", [name for name in MODULES if folder(name) != "testing"])
def test_nothing_but_the_test_kit_imports_the_test_kit(name: str) -> None:
    assert [target for target, _, _ in imports_of(name) if target.startswith("stomp.testing")] == []


@pytest.mark.parametrize("name", [name for name in MODULES if layer(name) < TOP])
def test_the_lower_layers_do_not_import_the_package_itself(name: str) -> None:
    assert "stomp" not in [target for target, _, _ in imports_of(name)]


def test_imports_make_no_circle() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target, _, _ in imports_of(name):
                # A package that imports one of its modules is no cycle.
                if target in MODULES and target != name:
                    visit(target, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_no_star_import(name: str) -> None:
    assert [found.line for found in imports_of(name) if found.star] == []


def lines_of_code(source: str) -> int:
    """The number of lines with code: docstrings and comments do not count towards the limit."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.string.strip() and token.type != tokenize.COMMENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if first is not None and ast.get_docstring(node) is not None:
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_are_limited_in_size(name: str) -> None:
    assert lines_of_code(MODULES[name].read_text(encoding="utf-8")) <= MODULE_LINES
    long = []
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            first = node.body[0]
            # The docstring does not count towards the limit.
            explained = ast.get_docstring(node) is not None
            said = (first.end_lineno or first.lineno) - first.lineno + 1 if explained else 0
            if node.end_lineno - node.lineno + 1 - said > FUNCTION_LINES:
                long.append(f"{node.name} at line {node.lineno}")
    assert long == []


# Tests of the checks above: they find what they are written for.


def test_all_kinds_of_imports_are_seen() -> None:
    source = """
import os.path
from stomp.core import errors
from stomp.core.frames import decoder
from . import ledger
from ...net.dial import dial
if TYPE_CHECKING:
    from stomp.core.frames.frame import Frame
def late():
    from stomp.core.session.ledger import *
    importlib.import_module("asyncio")
"""
    found = imports_in(ast.parse(source), "stomp.core.session.base", is_package=False)
    assert sorted({target for target, _, _ in found}) == [
        "asyncio",
        "os.path",
        "stomp.core.errors",
        "stomp.core.frames.decoder",
        "stomp.core.frames.frame",
        "stomp.core.session.ledger",
        "stomp.net.dial",
    ]
    assert [target for target, _, star in found if star] == ["stomp.core.session.ledger"]


def test_docstrings_and_comments_are_no_code() -> None:
    source = '''"""A module

of three lines."""

# A comment.
def f():
    """Says what it does."""
    return """two
lines"""
'''
    assert lines_of_code(source) == 3


def test_packages_and_layers() -> None:
    assert folder("stomp.core") == folder("stomp.core.frames.decoder") == "core"
    assert package("stomp.core.frames") == package("stomp.core.frames.decoder") == "core.frames"
    assert folder("stomp") == package("stomp.connect") == ""
    assert layer("stomp") == layer("stomp.cli.app") == TOP
    assert (
        layer("stomp.core.frames.decoder")
        < layer("stomp.core.session.base")
        < layer("stomp.core.engine.engine")
    )
    assert {package(name) for name in MODULES} >= LAYERS.keys()
