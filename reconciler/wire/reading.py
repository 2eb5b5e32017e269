"""A cursor over bytes from a stranger: every read is bounded by what is there, so a length can lie but not cost."""

from __future__ import annotations

from typing import final

from reconciler.model.errors import VerificationError


def varint(value: int) -> bytes:
    """Bitcoin's variable-length integer, shortest form."""
    if value < 0xFD:
        return value.to_bytes(1, "little")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    return b"\xff" + value.to_bytes(8, "little")


@final
class Reading:
    """Reads forward; raises VerificationError where the bytes end too early. `what` names the format in that error."""

    __slots__ = ("_data", "_what", "position")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self.position

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.position + count
        if end > len(self._data):
            raise VerificationError(f"{self._what} ends {end - len(self._data)} bytes too early")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def integer(self, size: int) -> int:
        """An unsigned little-endian integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        """A variable-length integer, in any of its forms."""
        first = self.integer(1)
        return first if first < 0xFD else self.integer(1 << (first - 0xFC))

    def count(self, least: int) -> int:
        """A varint that counts items of at least `least` bytes each; refused at once where they cannot all follow."""
        counted = self.varint()
        if counted * least > self.remaining:
            raise VerificationError(f"{self._what} announces {counted} items, but only {self.remaining} bytes follow")
        return counted

    def rest(self) -> bytes:
        """Everything up to the end."""
        return self.take(self.remaining)

    def end(self) -> None:
        """Raises VerificationError unless everything has been read."""
        if self.remaining:
            raise VerificationError(f"{self._what} is followed by {self.remaining} bytes too many")
