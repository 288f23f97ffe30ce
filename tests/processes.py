"""What Linux says about processes."""

from __future__ import annotations


def catches(pid: int, number: int) -> bool:
    """True when a process has a handler for this signal."""
    with open(f"/proc/{pid}/status") as status:
        [mask] = [line.split()[1] for line in status if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (number - 1) & 1)
