"""What a release uploads: the same bytes each time, with links that work on the package index."""

from __future__ import annotations

import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stomp._version import __version__
from tests.documents import ROOT

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
WORKFLOWS = ROOT / ".github/workflows"


def project(folder: str = ".") -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def build(source: Path, folder: Path) -> dict[str, Path]:
    """Run scripts/dist in a copy of the repository; returns the files by their name."""
    done = subprocess.run(
        [source / "scripts/dist", folder],
        env=os.environ | {"PYTHON": sys.executable, "SOURCE_DATE_EPOCH": "1700000000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is in the repository, or would be committed next."""
    folder = tmp_path_factory.mktemp("sources")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no checkout: the files of the repository are not known")
    for name in done.stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(sources, tmp_path_factory.mktemp("dist"))


building = pytest.mark.slow(reason="builds three distributions, each by a new process")


@building
def test_two_builds_are_equal(sources: Path, built: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(sources, other, symlinks=True)
    for file in other.rglob("*"):
        if not file.is_symlink():
            os.utime(file, (1, 1))
    again = build(other, tmp_path / "dist")
    assert again.keys() == built.keys()
    assert len(built) == 3
    for name, file in built.items():
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, again[name])}
        assert len(digests) == 1, name


@building
def test_the_archives_have_what_is_needed_to_build_and_test(built: dict[str, Path]) -> None:
    with tarfile.open(built[f"stompkit-{__version__}.tar.gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "Makefile",
        "src/stomp/__init__.py",
        "tests/test_release.py",
        "docs/man/stomp.1",
    } <= names
    with tarfile.open(built[f"stompkit_native-{project('native')['project']['version']}.tar.gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "src/stomp_native/_codec.c",
        "src/stomp_native/_encode.c",
        "src/stomp_native/_shared.h",
    } <= names


@building
def test_the_description_on_the_index_has_absolute_links(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built[f"stompkit-{__version__}-py3-none-any.whl"]) as archive:
        metadata = email.message_from_bytes(archive.read(f"stompkit-{__version__}.dist-info/METADATA"))
    text = metadata.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]+)\)", text)
    source = project()["project"]["urls"]["Source"]
    assert links
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(source):
            assert (ROOT / link.removeprefix(f"{source}/blob/main/").partition("#")[0]).exists(), link


def test_links_of_the_native_readme_are_absolute_and_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "native/README.md").read_text())
    source = project("native")["project"]["urls"]["Source"]
    assert links
    for link in links:
        assert link.startswith(f"{source}/blob/main/"), link
        assert (ROOT / link.removeprefix(f"{source}/blob/main/")).exists(), link


@pytest.mark.parametrize("folder", [".", "native"])
def test_the_classifiers_name_the_supported_pythons(folder: str) -> None:
    found = [
        line.rpartition(" ")[2]
        for line in project(folder)["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    assert found == PYTHONS
    assert project(folder)["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_there_are_wheels_of_the_codec_for_the_supported_pythons() -> None:
    builds = project("native")["tool"]["cibuildwheel"]["build"]
    assert [name for name in builds if "t-" not in name] == [
        f"cp{version.replace('.', '')}-*" for version in PYTHONS
    ]


def test_the_workflow_tests_the_supported_pythons() -> None:
    text = (WORKFLOWS / "tests.yml").read_text()
    [line] = re.findall(r"python: \[(.+)\]", text)
    assert re.findall(r"[\d.]+", line) == PYTHONS


def test_the_workflows_run_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    found = re.findall(r"run: make (.+)", "".join(file.read_text() for file in WORKFLOWS.glob("*.yml")))
    targets = {target for line in found for target in line.split()}
    assert {"lint", "types", "test-all", "dist"} <= targets
    for target in targets:
        assert f"\n{target}:" in makefile


def test_each_action_is_pinned_to_a_commit() -> None:
    for file in WORKFLOWS.glob("*.yml"):
        for action in re.findall(r"uses: (.+)", file.read_text()):
            assert re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action


def test_the_changelog_has_this_version() -> None:
    first = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert __version__ in first[:2]


@pytest.mark.parametrize(
    "page", ["SECURITY.md", "CODE_OF_CONDUCT.md", "RELEASING.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_links_to_files_exist(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        if not link.startswith("https:"):
            assert (ROOT / link).exists(), link
