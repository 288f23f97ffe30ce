"""Escape sequences for terminal colours; empty strings on Windows."""

import platform

_ANSI = platform.system() != "Windows"

GREEN = "\33[32m" if _ANSI else ""
RED = "\33[31m" if _ANSI else ""
BOLD = "\33[1m" if _ANSI else ""
NO_COLOUR = "\33[0m" if _ANSI else ""
#: The name in stomp.py until 4.1.
NO_COLOR = NO_COLOUR
