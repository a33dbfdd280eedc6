"""Secrets and passwords, kept as their argon2id hashes (RFC 9106), and worked out away from the event loop."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import argon2

from bridge.errors import CapacityError

AT_ONCE = 2  # 64 MiB and tens of milliseconds each
WAITING_MAX = 64  # some two seconds of work; whoever comes then is told to come back

_HASHER = argon2.PasswordHasher()  # the library's defaults are RFC 9106's second recommendation
# A hash of nothing that anybody knows, at the same price as one made here.
_NOBODY = (
    f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)


def hash_secret(secret: str) -> str:
    return _HASHER.hash(secret)


class SecretCheck:
    """Compares a secret with a hash. A name nobody has costs as much as a wrong secret, and tells as little."""

    __slots__ = ("_slots", "_threads", "_waiting", "refused")

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "argon2")
        self._waiting = 0
        self.refused = 0

    async def matches(self, secret: str, secret_hash: str | None) -> bool:
        """Raises CapacityError when too many wait already, as `hash` does."""
        async with self._turn():
            loop = asyncio.get_running_loop()
            same = await loop.run_in_executor(self._threads, _compare, secret, secret_hash or _NOBODY)
        return same and bool(secret_hash)

    async def hash(self, secret: str) -> str:
        async with self._turn():
            return await asyncio.get_running_loop().run_in_executor(self._threads, hash_secret, secret)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MAX:
            self.refused += 1
            raise CapacityError("too many are signing in at this moment")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1


def _compare(secret: str, secret_hash: str) -> bool:
    try:
        return _HASHER.verify(secret_hash, secret)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
