"""For PyInstaller, which asks for this folder by the entry point `pyinstaller40`. Nothing of stompkit imports it."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
#: They import what an application does not need: pytest; OpenTelemetry and Kombu, which `import stomp.otel` and
#: `import stomp.kombu` add.
_LEFT_OUT = ("stomp.__pyinstaller", "stomp.kombu", "stomp.otel", "stomp.testing.pytest_plugin")


def get_hook_dirs() -> list[str]:
    """The folder with the hook."""
    return [str(_HERE)]


def hidden_imports() -> list[str]:
    """The modules of the package `stomp`, many of which are imported by a name from a table: commands, lazy names."""
    package = _HERE.parent
    names = []
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(name for name in names if not name.startswith(_LEFT_OUT))
