"""The command `stomp`, for `python -m stomp` and `python SITE-PACKAGES/stomp`; and the names of stomp.py's module."""

from __future__ import annotations

import sys
from typing import Any

if not __package__ and __name__ == "__main__":
    # Run as a directory: the directory is first on the path, and its modules would be imported as top-level modules.
    sys.path[0] = sys.path[0].rpartition("/stomp")[0] or sys.path[0]

from stomp.cli.app import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # the import system reads some of these
        raise AttributeError(name)
    # Imported here, as the command does not need it.
    from stomp.cli.shell import stomppy_names

    return getattr(stomppy_names, name)


if __name__ == "__main__":
    sys.exit(main())
