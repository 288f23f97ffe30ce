"""Checks that the package `stomp` is stompkit's: pip installs stomp.py into the same directory without an error.

If stomp.py was installed after stompkit, `stomp/__init__.py` is that of stomp.py; if stomp.py was uninstalled
afterwards, the file is missing. Modules that stomp.py does not have are still those of stompkit, and call `check`.
"""

from __future__ import annotations

import sys

from stomp._version import __version__

#: The repair, for both cases.
MEND = "pip uninstall stomp.py; then: pip install --force-reinstall --no-deps stompkit"


def damage() -> str:
    """Describe the damage and the repair in one line; an empty string if the installation is complete."""
    package = sys.modules.get("stomp")
    if getattr(package, "_DISTRIBUTION", None) == "stompkit":
        return ""
    if getattr(package, "__file__", None) is None:
        return f"files of stompkit {__version__} are missing: they were removed with stomp.py; run: {MEND}"
    version = getattr(package, "__version__", "")
    if isinstance(version, tuple):  # until stomp.py 8.0
        version = ".".join(map(str, version))
    return f"stomp.py {version} is installed over stompkit {__version__}, in the same folder; run: {MEND}"


def check() -> None:
    """Check the installation.

    Raises:
        ImportError: stomp.py was installed over stompkit.
    """
    if words := damage():
        raise ImportError(words, name="stomp")
