"""The command `stomp`, `python -m stomp` and `python SITE-PACKAGES/stomp`; and the names that stomp.py has here."""

from __future__ import annotations

import sys
from typing import Any

if not __package__ and __name__ == "__main__":
    # Run as a folder: the folder is first on the path then, and its modules would be found without their package.
    sys.path[0] = sys.path[0].rpartition("/stomp")[0] or sys.path[0]

from stomp.cli.app import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # Python asks for some when it imports
        raise AttributeError(name)
    # Not imported above: the start of the command does without them.
    from stomp.cli.shell import stomppy_names

    return getattr(stomppy_names, name)


if __name__ == "__main__":
    sys.exit(main())
