"""The version of this distribution, for the build and for ``stomp.__version__``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__version__ = "9.1.0"


class PackageVersion(str):
    """A version that is a string, as in stomp.py since 8.2, and compares with tuples of numbers, as before 8.2.

    >>> (
    ...     PackageVersion("9.10.0") >= (9, 2),
    ...     PackageVersion("9.10.0") > "9.2.0",
    ...     PackageVersion("9.10.0")[0] < 5,
    ... )
    (True, True, False)
    """

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        # Programs use both `__version__[0] < "5"` and `__version__[0] < 5`.
        return PackageVersion(super().__getitem__(index))

    def __iter__(self) -> Iterator[PackageVersion]:
        # Iterates over the parts, not the characters, for programs written for the tuple of 4.1, such as
        # `"%s.%s.%s" % (*stomp.__version__,)`.
        return map(PackageVersion, self.split("."))

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.split(".") if part.isdigit())

    def _pair(self, other: object) -> tuple[Any, Any] | None:
        """The two values to compare, as tuples of numbers; None for other types."""
        if isinstance(other, tuple):
            return self._numbers, tuple(int(part) for part in other if str(part).isdigit())
        if isinstance(other, int):
            return self._numbers[:1], (other,)
        if isinstance(other, str):
            return self._numbers, PackageVersion(other)._numbers
        return None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        pair = self._pair(other)
        return pair is not None and pair[0] == pair[1]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __lt__(self, other: Any) -> bool:
        pair = self._pair(other)
        return NotImplemented if pair is None else bool(pair[0] < pair[1])

    def __le__(self, other: Any) -> bool:
        pair = self._pair(other)
        return NotImplemented if pair is None else bool(pair[0] <= pair[1])

    def __gt__(self, other: Any) -> bool:
        pair = self._pair(other)
        return NotImplemented if pair is None else bool(pair[0] > pair[1])

    def __ge__(self, other: Any) -> bool:
        pair = self._pair(other)
        return NotImplemented if pair is None else bool(pair[0] >= pair[1])
