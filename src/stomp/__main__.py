"""The command `stomp`, `python -m stomp` and `python SITE-PACKAGES/stomp`."""

from __future__ import annotations

import sys

if not __package__ and __name__ == "__main__":
    # Run as a folder: the folder is first on the path then, and its modules would be found without their package.
    sys.path[0] = sys.path[0].rpartition("/stomp")[0] or sys.path[0]

from stomp.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
