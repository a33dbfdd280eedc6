"""A websocket that drops and comes back: nothing missed, nothing twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.interop.web.front_desk import FrontDesk, Visitor, front_desk, token
from tests.unit.switchboard.theatre import ALICE


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


def numbered(visitor: Visitor) -> list[tuple[int, int]]:
    return [(event["number"], event["part"]) for event in visitor.events if "number" in event]


async def arrive(visitor: Visitor, place: dict[str, Any] | None = None) -> dict[str, Any]:
    reply = await visitor.say("authenticate", token=token("alice"), **({"resume": place} if place else {}))
    assert reply["ok"], reply
    result: dict[str, Any] = reply["result"]
    return {name: result[name] for name in ("bootId", "number", "part", "resumed")}


async def test_a_desktop_that_drops_in_a_storm_gets_every_event_once(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    chance = random.Random(7)
    seen: list[tuple[int, int]] = []
    async with desk.desktop("alice") as witness, asyncio.TaskGroup() as tasks:
        arrived = asyncio.Event()

        async def storm() -> None:
            await arrived.wait()
            for number in range(120):
                await desk.stage.board.interactions.set_attributes(ALICE, interaction_id, {"n": str(number)})

        running = tasks.create_task(storm())
        place: dict[str, Any] = {}
        first, done = (0, 0), False
        while not done:
            done = running.done()
            async with desk.stranger() as alice:
                start = await arrive(alice, place)
                if place:
                    assert start["resumed"] is True
                else:
                    place = {name: start[name] for name in ("bootId", "number", "part")}
                    first = (start["number"], start["part"])
                    arrived.set()
                for _ in range(chance.randrange(1, 8)):
                    await alice.say("ping")
                seen += numbered(alice)
            if seen:
                place["number"], place["part"] = seen[-1]
        await witness.say("ping")
        told = [one for one in numbered(witness) if one > first]
    assert len(told) >= 120
    assert [one for one in seen if one >= told[0]] == told
    assert len(set(seen)) == len(seen)


async def test_what_cannot_be_told_completely_is_said_to_be_so(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    async with desk.stranger() as alice:
        start = await arrive(alice)
    assert start["resumed"] is False
    place = {name: start[name] for name in ("bootId", "number", "part")}
    for other in ({"bootId": "boot_before"}, {"number": 2**40}, {"number": 0}):
        async with desk.stranger() as alice:
            assert (await arrive(alice, {**place, **other}))["resumed"] is (other == {"number": 0})
    for number in range(600):
        await desk.stage.board.interactions.set_attributes(ALICE, interaction_id, {"n": str(number)})
    async with desk.stranger() as alice:
        assert (await arrive(alice, place))["resumed"] is False, "more than a queue holds"


async def test_a_resumed_desktop_sees_only_what_it_may(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    async with desk.stranger() as bob:
        reply = await bob.say("authenticate", token=token("bob"))
    start = reply["result"]
    await desk.stage.board.interactions.set_attributes(ALICE, interaction_id, {"secret": "x"})
    async with desk.stranger() as bob:
        place = {name: start[name] for name in ("bootId", "number", "part")}
        reply = await bob.say("authenticate", token=token("bob"), resume=place)
        assert reply["result"]["resumed"] is True
        await bob.say("ping")
        assert bob.events == []
