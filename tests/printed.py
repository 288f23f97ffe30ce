"""The output of a program under test, read line by line from top to bottom."""

from __future__ import annotations

import io
import re
import threading

#: Timeout for a line in seconds.
PATIENCE = 15.0


class Printed(io.StringIO):
    """Replaces `sys.stdout`; any thread can write to it. It is read from top to bottom."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._seen = 0

    def write(self, text: str) -> int:
        with self._changed:
            count = super().write(text)
            self._changed.notify_all()
            return count

    def find(self, pattern: str, within: float = PATIENCE) -> re.Match[str] | None:
        """Wait for complete lines that match, after the lines found before."""
        lines = re.compile(f"^{pattern}$", re.MULTILINE)
        with self._changed:
            match = self._changed.wait_for(lambda: lines.search(self.getvalue(), self._seen), within)
            if match:
                self._seen = match.end()
            return match

    def expect(self, pattern: str) -> re.Match[str]:
        """Like `find`, but fails if no such lines are printed."""
        match = self.find(pattern)
        assert match, f"no line {pattern!r} came; printed so far:\n{self.getvalue()}"
        return match
