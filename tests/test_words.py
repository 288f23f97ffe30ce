"""Identifiers and prose use the terms of the field: words of an invented vocabulary are rare.

The list is that of the rules in CONTRIBUTING.md. Each word may occur once per 1,000 lines of an area, because some of
them have a meaning in the field, too (`SO_LINGER`, a host name that is looked up).
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Lines for which one occurrence of each word is allowed.
LINES = 1000

#: The words by their base form, with a pattern of all forms. Identifiers are split at underscores and capitals before.
WORDS = {
    "tell": "tell|tells|told|telling|untold",
    "hear": "hear|hears|heard|hearing",
    "glance": "glances?",
    "wish": "wish|wishes|wished",
    "door": "doors?",
    "farewell": "farewell|good-?bye|good bye|last words",
    "look": "(look|looks|looked|looking)(?! up|-up)",
    "rouse": "rouse|rouses|asleep|tired|sleeper",
    "let in": r"lets? (\w+ )?in",
    "hand on": r"hand(s|ed|ing)? (\w+ )?(on|out|over)",
    "dash": "dash",
    "hurry": "hurry|hurries|hurried",
    "bear": "bear|bears|borne|bore",
    "company": "company",
    "linger": "linger|lingers|lingering",
    "passed over": "pass(ed|es)? over",
    "straight": "(hot|short|straight|careful) way|straight|in less steps",
    "so many": "so many",
    "whoever": "whoever|whomever",
    "nobody": "nobody",
    "somebody": "somebody|someone|anybody|everybody",
    "of its own": "of its own",
    "dice": "dice",
    "hour": "knows the hour",
    "floor": "floors?",
    "room": "rooms?",
    "house": "house",
}
PATTERNS = {
    word: re.compile(rf"(?<![A-Za-z])({forms})(?![A-Za-z])", re.IGNORECASE) for word, forms in WORDS.items()
}
#: Any of them in a lower-case line: one search instead of one for each word, which take seven times as long.
ANY = re.compile(rf"(?<![a-z])(?:{'|'.join(WORDS.values())})(?![a-z])")
AREAS = {
    "src": ["src"],
    "docs": ["docs", *(path.name for path in ROOT.glob("*.md"))],
    "tests": ["tests"],
    "tools": ["bench", "examples", "scripts", "native", "shim", "Makefile", ".ci", ".github"],
}
SUFFIXES = {".py", ".md", ".1", ".yml", ".c", ".h", ".sh", ".mjs", ".go", ".toml", ""}
#: Made by programs, or the list itself.
SKIPPED = {"bench/results.md", "tests/test_words.py"}
FOLDERS_SKIPPED = {"__pycache__", "_build", "build", "node_modules", ".hypothesis"}


def files_of(area: str) -> list[Path]:
    """The text files of an area."""
    found: list[Path] = []
    for name in AREAS[area]:
        top = ROOT / name
        found += [top] if top.is_file() else [file for file in top.rglob("*") if file.is_file()]
    return [
        file
        for file in found
        if file.suffix in SUFFIXES
        and file.relative_to(ROOT).as_posix() not in SKIPPED
        and not FOLDERS_SKIPPED.intersection(file.parts)
        and not any(part.endswith(".egg-info") for part in file.parts)
    ]


def split_names(text: str) -> str:
    """The text with identifiers as separate words.

    >>> split_names("def lookUp_name(): TlsDoors")
    'def look Up name(): Tls Doors'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ")


@pytest.fixture(scope="module")
def counted() -> dict[str, tuple[int, dict[str, Counter[str]]]]:
    """For each area: its lines, and for each word how often it occurs in each file."""
    result: dict[str, tuple[int, dict[str, Counter[str]]]] = {}
    for area in AREAS:
        lines, places = 0, {word: Counter[str]() for word in WORDS}
        for file in files_of(area):
            text = file.read_text(encoding="utf-8", errors="replace")
            lines += text.count("\n")
            found = [line for line in split_names(text).split("\n") if ANY.search(line.lower())]
            for word, pattern in PATTERNS.items():
                if count := sum(len(pattern.findall(line)) for line in found):
                    places[word][file.relative_to(ROOT).as_posix()] = count
        result[area] = lines, places
    return result


@pytest.mark.parametrize("area", AREAS)
def test_words_outside_of_the_field_are_rare(
    area: str, counted: dict[str, tuple[int, dict[str, Counter[str]]]]
) -> None:
    lines, places = counted[area]
    too_often = {
        word: found.most_common(8) for word, found in places.items() if found.total() > max(1, lines / LINES)
    }
    assert not too_often


def test_every_area_has_files() -> None:
    assert all(len(files_of(area)) > 5 for area in AREAS)


def test_every_word_is_found_by_the_search_for_any() -> None:
    for word in (
        "tell",
        "Hears",
        "farewell",
        "look",
        "let them in",
        "handed it over",
        "straight way",
        "so many",
    ):
        assert ANY.search(word.lower()), word
    assert not ANY.search("indoors, look up")


def test_identifiers_are_split_into_words() -> None:
    assert PATTERNS["door"].findall(split_names("TlsDoors _a_door indoors"))
    assert not PATTERNS["door"].findall(split_names("indoors"))
    assert not PATTERNS["look"].findall(split_names("look_up"))


def test_told_is_no_identifier() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files_of("src")
        if file.suffix == ".py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id.strip("_") == "told")
        or (isinstance(node, ast.arg) and node.arg == "told")
        or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") == "told")
        or (isinstance(node, ast.Attribute) and node.attr.strip("_") == "told")
    ]
    assert wrong == []


def test_take_has_at_most_three_definitions() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files_of("src")
        if file.suffix == ".py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") == "take"
    ]
    assert len(found) <= 3, found
