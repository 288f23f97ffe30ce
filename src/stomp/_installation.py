"""Is the package `stomp` stompkit's? pip installs stomp.py into the same folder without an error.

Where stomp.py was installed after stompkit, `stomp/__init__.py` is stomp.py's; where stomp.py was removed afterwards,
there is none. What stomp.py does not have is still stompkit's: those modules call `check`.
"""

from __future__ import annotations

import sys

from stomp._version import __version__

#: What to do, whichever of the two has happened.
MEND = "pip uninstall stomp.py; then: pip install --force-reinstall --no-deps stompkit"


def damage() -> str:
    """What has happened to stompkit and what to do, in one line; an empty string if it is whole."""
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
    """Refuse to work on a damaged installation.

    Raises:
        ImportError: stomp.py was installed over stompkit.
    """
    if words := damage():
        raise ImportError(words, name="stomp")
