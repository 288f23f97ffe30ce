"""The modules of `stomp.client.sync` are what `scripts/generate_sync.py` makes of those of `stomp.client.aio`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "generate_sync.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_sync", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_modules_are_up_to_date() -> None:
    result = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_check_reports_a_module_that_was_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script()
    for package in ("aio", "sync"):
        (tmp_path / package).mkdir()
        for name in module.MODULES:
            (tmp_path / package / name).write_text((module.CLIENT / package / name).read_text())
    monkeypatch.setattr(module, "CLIENT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate_sync", "--check"])
    edited = tmp_path / "sync" / "driver.py"
    edited.write_text(edited.read_text() + "\nEDITED = True\n")
    assert module.main() == 1
    monkeypatch.setattr(sys, "argv", ["generate_sync"])
    assert module.main() == 0
    assert "EDITED" not in edited.read_text()


def test_async_and_await_are_removed_and_asyncio_names_replaced() -> None:
    source = '''@decorated  # ASYNC
async def f(client: AsyncClient) -> AsyncGenerator[int, None]:
    """See `AsyncClient.f`: ``await client.f()``."""
    if True:  # ASYNC
        if client.busy:

            await client.turn()

    async with client as message:  # an ``async with`` block
        await g(message)
'''
    assert (
        script().generate(source)
        == '''def f(client: Client) -> Generator[int, None, None]:
    """See `Client.f`: ``client.f()``."""

    with client as message:  # a ``with`` block
        g(message)
'''
    )
