"""Secrets that are kept as their argon2id hashes (RFC 9106), and checked away from the event loop."""

import asyncio

import argon2

CHECKS_AT_ONCE = 2  # 64 MiB and tens of milliseconds each

_HASHER = argon2.PasswordHasher()  # the library's defaults are RFC 9106's second recommendation


def hash_secret(secret: str) -> str:
    return _HASHER.hash(secret)


class SecretCheck:
    """Compares a secret with a hash. A name nobody has costs as much as a wrong secret, and tells as little."""

    __slots__ = ("_nobody", "_slots")

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._nobody = ""

    async def matches(self, secret: str, secret_hash: str | None) -> bool:
        async with self._slots:
            return await asyncio.to_thread(self._compare, secret, secret_hash)

    def _compare(self, secret: str, secret_hash: str | None) -> bool:
        if secret_hash is None and not self._nobody:
            self._nobody = hash_secret("nobody")
        try:
            _HASHER.verify(secret_hash or self._nobody, secret)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return secret_hash is not None
