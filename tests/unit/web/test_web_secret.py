"""Hashes of secrets: what matches, what a name that nobody has costs, and how many may ask at once."""

import asyncio
import time

import argon2
import pytest

from bridge.errors import CapacityError
from signaling.web.access import secret
from signaling.web.access.secret import WAITING_MAX, SecretCheck, hash_secret


async def test_only_the_secret_itself_matches() -> None:
    check, kept = SecretCheck(), hash_secret("correct horse")
    assert await check.matches("correct horse", kept)
    assert not await check.matches("wrong horse", kept)
    assert not await check.matches("correct horse", None)
    assert not await check.matches("correct horse", "")
    assert not await check.matches("correct horse", "no hash at all")
    assert await check.matches("another", await check.hash("another"))


async def test_a_name_nobody_has_is_compared_with_a_hash_of_the_same_price() -> None:
    parameters = argon2.extract_parameters(hash_secret("x"))
    assert argon2.extract_parameters(secret._NOBODY) == parameters
    check, kept, spent = SecretCheck(), hash_secret("x"), [0.0, 0.0]
    for turn in range(10):
        for index, secret_hash in enumerate((kept, None)):
            began = time.process_time()  # of all threads: other processes do not count
            await check.matches(f"guess {turn}", secret_hash)
            spent[index] += time.process_time() - began
    assert 0.5 < spent[0] / spent[1] < 2.0


async def test_a_crowd_is_refused_rather_than_queued() -> None:
    check = SecretCheck()
    crowd = [asyncio.ensure_future(check.matches("x", None)) for _ in range(WAITING_MAX)]  # noqa: TID251
    await asyncio.sleep(0)
    with pytest.raises(CapacityError):
        await check.matches("x", None)
    assert check.refused == 1
    for waiting in crowd:
        waiting.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert not await check.matches("x", None)
