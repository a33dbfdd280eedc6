"""Chance as `secrets` gives it, fetched for many at once: each way to the kernel gives up the interpreter's lock."""

import os

POOL_BYTES = 4096  # five hundred ids


class Chance:
    """`token_hex` does what `secrets.token_hex` does. For one thread."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def token_hex(self, size_bytes: int) -> str:
        begin, self._at = self._at, self._at + size_bytes
        if self._at > len(self._pool):
            self._pool = os.urandom(max(POOL_BYTES, size_bytes))
            begin, self._at = 0, size_bytes
        return self._pool[begin : self._at].hex()
