"""The list in README.md is complete, and every test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")

#: All that are known; the gaps are numbers that were given up.
KNOWN = [
    *(f"B{number:02}" for number in (*range(1, 7), *range(8, 27), *range(28, 34), 40, 41, *range(45, 50))),
    *(f"B{number}" for number in (53, *range(57, 65), *range(67, 70))),
    *("C7", "C8"),
]


def rows():
    """The number at the head of each row of a table, and the tests that the row names."""
    for line in README.splitlines():
        if found := re.match(r"\| ([BC]\d+) \|", line):
            yield found[1], re.findall(r"`(tests/[^`]+)`", line)


@cache
def described_in(path):
    """The tests of a file by name, with their docstrings."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def numbers_in(docstring):
    return re.findall(r"B\d\d", docstring.partition(":")[0])


def test_every_defect_has_a_test():
    listed = [number for number, _ in rows()]
    assert sorted(listed) == sorted(KNOWN)
    assert [number for number, tests in rows() if not tests] == []


def test_every_test_that_is_named_exists():
    named = re.findall(r"`(tests/[^`]+)::(\w+)`", README)
    assert len(named) > len(KNOWN)
    for path, name in named:
        assert name in described_in(path), f"{path}::{name}"


def test_every_number_in_a_docstring_is_in_the_list():
    listed = {(number, test) for number, tests in rows() for test in tests}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        relative = path.relative_to(ROOT).as_posix()
        for name, docstring in described_in(relative).items():
            for number in numbers_in(docstring):
                assert (number, f"{relative}::{name}") in listed
