"""The websocket over real uvicorn: the straight way, bad input, floods and slow readers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.peers.within import within
from bridge.plane import messages
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import MediaOffered
from tests.interop.programs import eventually
from tests.interop.web.front_desk import FrontDesk, Visitor, front_desk, token
from tests.unit.switchboard.theatre import browser_offer


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


async def test_an_agent_takes_a_call_over_the_websocket(desk: FrontDesk) -> None:
    async with desk.desktop("alice") as alice:
        reply = await alice.say("setPresence", presence="ready")
        assert reply["result"]["user"]["presence"] == "ready"
        await desk.stage.call()
        offer = (await alice.event("offerMade"))["offer"]
        assert offer["caller"] == "+4930123"
        reply = await alice.say("acceptOffer", offerId=offer["offerId"])
        interaction_id = reply["result"]["interaction"]["interactionId"]
        reply = await alice.say("offerMedia", interactionId=interaction_id, sdp=browser_offer("alice"))
        assert reply["result"]["sdp"].startswith("v=0")
        desk.stage.board.plane_event(messages.LegConnected(reply["result"]["legId"]))
        assert (await alice.event("mediaConnected"))["legId"] == reply["result"]["legId"]
        reply = await alice.say("trickleCandidate", legId=reply["result"]["legId"], candidate=None)
        assert reply == {"id": reply["id"], "ok": True}
        reply = await alice.say("getInteraction", interactionId=interaction_id)
        states = {p["role"]: p["state"] for p in reply["result"]["interaction"]["participants"]}
        assert states == {"customer": "in-session", "agent": "in-session"}


async def test_two_desktops_and_every_command_about_a_conference(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    async with desk.desktop("alice") as alice, desk.desktop("eve") as eve, desk.desktop("bob") as bob:
        await eve.say("setPresence", presence="ready", role="sme")
        await bob.say("setPresence", presence="away", role="sme")
        about = {"interactionId": interaction_id}
        reply = await alice.say("addParticipant", **about, userId="eve", properties={"case_number": "12"})
        expert = reply["result"]["participant"]["participantId"]
        offer = (await eve.event("offerMade"))["offer"]
        assert offer["attributes"]["case_number"] == "12"
        again = await alice.say("addParticipant", **about, userId="eve")
        assert again["result"]["participant"]["participantId"] == expert
        other = await alice.say("addParticipant", **about, userId="bob")
        assert other["error"]["code"] == "conflict"
        assert other["error"]["participantId"] == expert
        assert (await eve.say("rejectOffer", offerId=offer["offerId"], reason="lunch"))["ok"]
        reply = await alice.say("getInteraction", **about)
        (customer,) = [
            p["participantId"]
            for p in reply["result"]["interaction"]["participants"]
            if p["role"] == "customer"
        ]
        for command in ("muteParticipant", "unmuteParticipant", "holdParticipant", "resumeParticipant"):
            assert (await alice.say(command, **about, participantId=customer))["ok"], command
        reply = await alice.say("setAttributes", **about, attributes={"priority": "High"})
        assert reply["result"]["interaction"]["attributes"]["priority"] == "High"
        assert (await alice.say("playPrompt", **about, prompt="greeting"))["ok"]
        assert len((await alice.say("getTimeline", **about))["result"]["timeline"]) > 5
        assert len((await alice.say("listInteractions"))["result"]["interactions"]) == 1
        assert {u["userId"] for u in (await alice.say("listUsers"))["result"]["users"]} == {
            "alice",
            "bob",
            "eve",
        }
        assert (await bob.say("getInteraction", **about))["error"]["code"] == "not_found"
        assert (await alice.say("endInteraction", **about))["ok"]
        last = [e for e in alice.events if e["event"] == "interactionUpdated"][-1]
        assert last["interaction"]["state"] == "ended"


async def test_a_bearer_token_in_the_handshake_saves_the_command(desk: FrontDesk) -> None:
    async with desk.stranger(Authorization=f"Bearer {token('alice')}") as client:
        assert (await client.hear())["identity"]["userId"] == "alice"
        assert (await client.say("ping"))["ok"]


async def test_a_bad_token_ends_the_connection(desk: FrontDesk) -> None:
    async with desk.stranger() as client:
        assert (await client.say("authenticate", token="x"))["error"]["code"] == "unauthorized"
        assert await client.closed() == 4401
    async with desk.stranger(Authorization="Bearer x") as client:
        assert await client.closed() == 4401


async def test_an_expired_token_ends_the_connection(desk: FrontDesk) -> None:
    async with desk.stranger() as client:
        # Over by the clock, alive by the leeway for clocks that differ, for half a second more.
        assert (await client.say("authenticate", token=token("alice", lifetime_s=-8.5)))["ok"]
        assert (await client.event("tokenExpiring"))["expiresAt"]
        assert await client.closed() == 4401


async def test_a_missing_scope_is_named(desk: FrontDesk) -> None:
    async with desk.desktop("alice", "interaction:read") as alice:
        error = (await alice.say("setPresence", presence="ready"))["error"]
        assert error["code"] == "forbidden"
        assert "routing:write" in error["reason"]


@pytest.mark.parametrize(
    ("protocols", "origin", "status"),
    [([], None, 400), (["warmbridge.v2"], None, 400), (["warmbridge.v1"], "http://evil.example", 403)],
)
async def test_a_handshake_that_does_not_fit_is_refused_with_a_problem(
    desk: FrontDesk, protocols: list[str], origin: str | None, status: int
) -> None:
    address = f"ws://127.0.0.1:{desk.port}/ws"
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, subprotocols=protocols or None, origin=origin, proxy=None)  # type: ignore[arg-type]
    assert refused.value.response.status_code == status
    assert b'"status":%d' % status in (refused.value.response.body or b"")
    assert desk.troubles("handshake") == 1


async def test_malformed_messages_are_answered_and_the_connection_goes_on(desk: FrontDesk) -> None:
    async with desk.desktop("alice") as alice:
        for text in ("{", "[]", '{"id": 5, "command": "dance"}', "\N{SNOWMAN}", "[" * 100_000):
            await alice.websocket.send(text)
            reply = await alice.hear()
            assert reply["error"]["code"] == "malformed"
        sdp = "v=0\r\n" + "a=x\r\n" * 20_000
        reply = await alice.say("offerMedia", interactionId="int_1", sdp=sdp)
        assert reply["error"]["code"] == "malformed"
        assert (await alice.say("ping"))["ok"]
    assert desk.troubles("malformed") == 6


async def test_an_sdp_that_is_none_is_refused_by_name(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    async with desk.desktop("alice") as alice:
        for sdp in ("x", "v=0", "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 100):
            reply = await alice.say("offerMedia", interactionId=interaction_id, sdp=sdp)
            assert reply["error"]["code"] in ("malformed", "not_acceptable"), reply
        assert (await alice.say("answerMedia", legId="leg_x", sdp="v=0"))["error"]["code"] == "not_found"


@pytest.mark.parametrize(("message", "code"), [(b"\x00", 1003), ("x" * 300_000, 1009)])
async def test_what_is_no_message_ends_only_its_own_connection(
    desk: FrontDesk, message: str | bytes, code: int
) -> None:
    async with desk.desktop("alice") as alice, desk.desktop("eve") as eve:
        await alice.websocket.send(message)
        assert await alice.closed() == code
        assert (await eve.say("ping"))["ok"]


async def test_a_flood_is_closed_while_others_are_served(desk: FrontDesk) -> None:
    async def flood(client: Visitor) -> None:
        with suppress(ConnectionClosed):
            for _ in range(5000):
                await client.websocket.send('{"id": 1, "command": "ping"}')

    async with desk.desktop("alice") as alice, desk.desktop("eve") as eve:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flood(alice))
            code = tasks.create_task(alice.closed())
            assert (await eve.say("ping"))["ok"]
        assert code.result() == 4429
        assert (await eve.say("ping"))["ok"]
    assert desk.troubles("flood") == 201


async def test_a_client_that_does_not_read_is_closed_and_counted(desk: FrontDesk) -> None:
    event = MediaOffered("int_1", "leg_1", "v=0" + "x" * 50_000)  # type: ignore[arg-type]
    async with desk.desktop("alice") as alice, desk.desktop("eve") as eve:
        alice.websocket.transport.pause_reading()
        for _ in range(200):
            desk.door.on_events(((event, Audience(users=frozenset({"alice"}))),))  # type: ignore[arg-type]
            await asyncio.sleep(0)
        assert (await eve.say("ping"))["ok"]
        assert desk.troubles("slow_consumer") == 1
        alice.websocket.transport.resume_reading()
        assert await alice.closed() == 4503


async def test_a_desktop_that_is_silent_is_closed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.web.app.PING_INTERVAL_S", 0.2)
    async with front_desk() as desk, desk.desktop("eve") as eve:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: warmbridge.v1\r\nAuthorization: Bearer %s\r\n\r\n"
            % token("alice").encode()
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        # It answers no ping, as one whose network went away.
        await within(20.0, reader.read())
        writer.close()
        assert desk.troubles("silent") == 1
        await eventually("one is left", lambda: len(desk.door._sockets) == 1)
        assert (await eve.say("ping"))["ok"]


async def test_a_mistake_of_ours_ends_one_command_and_not_the_connection(desk: FrontDesk) -> None:
    interaction_id = await desk.stage.answered_call()
    desk.stage.plane.refuse[messages.DeclareWebRtcLeg] = _MistakeError("not a BridgeError")  # type: ignore[assignment]
    async with desk.desktop("alice") as alice:
        reply = await alice.say("offerMedia", interactionId=interaction_id, sdp=browser_offer("other"))
        assert reply["error"]["code"] == "internal_error"
        assert "not a BridgeError" not in json.dumps(reply)
        desk.stage.plane.refuse.clear()
        assert (await alice.say("ping"))["ok"]


class _MistakeError(Exception):
    """Not in the tree of bridge.errors."""


async def test_a_lost_desktop_goes_offline_after_the_grace_period(desk: FrontDesk) -> None:
    async with desk.desktop("eve") as eve:
        async with desk.desktop("alice") as alice:
            await alice.say("setPresence", presence="ready")
            assert (await eve.event("userUpdated"))["user"]["presence"] == "ready"
        await eventually("the desk knows", lambda: desk.stage.board.timer() is not None)
        await desk.stage.pass_time(60.0)
        users = (await eve.say("listUsers"))["result"]["users"]
        assert [u["presence"] for u in users if u["userId"] == "alice"] == ["offline"]


async def test_a_shutdown_says_goodbye(desk: FrontDesk) -> None:
    async with desk.desktop("alice") as alice:
        desk.door.close()
        assert await alice.closed() == 1001
