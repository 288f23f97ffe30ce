"""The package: `import stomp` is fast and needs no third-party package, and the examples in docstrings run."""

import doctest
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import stomp.core
import stomp.testing

SRC = Path(__file__).parent.parent / "src"


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter loads for a statement, without those loaded at its start."""
    code = (
        f"import sys, json; sys.path.insert(0, {str(SRC)!r}); before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def foreign(modules: set[str]) -> set[str]:
    """The top-level packages that are neither stompkit, its native codec included, nor of the standard library."""
    # Debian's Python has a module with hints for missing modules, which `traceback` imports since 3.15.
    ours = {"stomp", "stomp_native", "_missing_stdlib_info"}
    return {name.partition(".")[0] for name in modules} - ours - sys.stdlib_module_names


def test_import_stomp_loads_nothing_heavy() -> None:
    loaded = loaded_by("import stomp")
    assert foreign(loaded) == set()
    assert loaded.isdisjoint({"asyncio", "ssl", "socket", "argparse", "logging"})


def test_the_names_for_websockets_load_no_package_before_there_is_a_connection() -> None:
    assert foreign(loaded_by("import stomp; stomp.WSConnection([('localhost', 15674)])")) == set()


def test_no_module_has_a_name_of_the_standard_library() -> None:
    # `python SITE-PACKAGES/stomp` puts this folder first on sys.path: such a file would shadow the standard module.
    assert {path.stem for path in (SRC / "stomp").iterdir()}.isdisjoint(sys.stdlib_module_names)


def test_the_core_needs_nothing_that_can_wait() -> None:
    names = [found.name for found in pkgutil.walk_packages(stomp.core.__path__, "stomp.core.")]
    loaded = loaded_by(f"import {', '.join(names)}")
    assert foreign(loaded) == set()
    assert loaded.isdisjoint({"asyncio", "ssl", "socket", "threading", "selectors", "random", "logging"})


def documented() -> list[ModuleType]:
    """The modules whose examples run here: stomp.core and stomp.testing."""
    found = [stomp.testing]
    for package in (stomp.core, stomp.testing):
        prefix = package.__name__ + "."
        found += [
            importlib.import_module(module.name) for module in pkgutil.walk_packages(package.__path__, prefix)
        ]
    return found


@pytest.mark.parametrize("module", documented(), ids=lambda module: module.__name__)
def test_examples_in_docstrings_are_correct(module: ModuleType) -> None:
    failures, _ = doctest.testmod(module)
    assert failures == 0


def test_docstrings_have_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for module in documented() for test in finder.find(module)) > 15
