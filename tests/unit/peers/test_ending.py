"""What a synthetic peer does in the background ends when its block does, whatever arrives in that moment."""

import asyncio

import pytest

from bridge.peers.beside import beside
from bridge.peers.browser.signaling_client import SignalingClient
from bridge.peers.within import within


class SilentConnection:
    """Takes every command and says nothing."""

    async def send(self, _text: str) -> None:
        pass


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_task_that_commands_in_a_loop_ends_even_if_its_reply_comes_with_the_end() -> None:
    client = SignalingClient(SilentConnection())  # type: ignore[arg-type]

    async def proves() -> None:
        while True:
            await client.command("proveReady")

    async with asyncio.timeout(10):
        async with beside(proves()):
            await turns(3)
            client._receive({"id": 1, "ok": True})


async def test_who_waits_for_a_task_that_does_not_end_can_be_cancelled() -> None:
    stuck = asyncio.Event()

    async def clings() -> None:
        while not stuck.is_set():
            try:
                await stuck.wait()
            except asyncio.CancelledError:
                continue

    async def block() -> None:
        async with beside(clings()):
            await turns(3)

    with pytest.raises(TimeoutError):
        await within(0.05, block())
    stuck.set()


async def test_an_error_beside_is_raised_at_the_end_of_the_block() -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        async with beside(fails()):
            await turns(3)


async def test_within_gives_the_result_or_a_timeout() -> None:
    async def late(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "result"

    assert await within(5, late(0)) == "result"
    with pytest.raises(TimeoutError):
        await within(0, asyncio.Event().wait())
