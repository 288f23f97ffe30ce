"""What a program under test prints, read as somebody at a terminal reads it."""

from __future__ import annotations

import io
import re
import threading

#: Seconds that a line may take to appear.
PATIENCE = 15.0


class Printed(io.StringIO):
    """Takes the place of `sys.stdout`, from whichever thread. The reader goes from top to bottom."""

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
        """Wait for whole lines that match, below those found before."""
        lines = re.compile(f"^{pattern}$", re.MULTILINE)
        with self._changed:
            match = self._changed.wait_for(lambda: lines.search(self.getvalue(), self._seen), within)
            if match:
                self._seen = match.end()
            return match

    def expect(self, pattern: str) -> re.Match[str]:
        """Like `find`, but they must come."""
        match = self.find(pattern)
        assert match, f"no line {pattern!r} came; printed so far:\n{self.getvalue()}"
        return match
