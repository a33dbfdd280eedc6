"""The real daemon hands a call over: judged by the tones and pictures that arrive, not by what it says."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser, synthetic_companion
from bridge.peers.browser.signaling_client import CommandFailedError, Event, guest_client
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.hearing import Hearing
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller
from tests.interop.programs import eventually

TONES_HZ = {"customer": 500.0, "agent": 800.0, "expert": 1300.0}
# Of each chord of the hold music at least one note (config/prompts/make.sh); far from all tones above.
MUSIC_HZ = {"E4": 329.63, "C4": 261.63, "G4": 392.0, "B3": 246.94, "F4": 349.23, "A3": 220.0}
SECONDS = 2
AGENT_PICTURE, COMPANION_PICTURE = 21, 77
SECRET = "0123456789abcdef" * 4


@dataclass
class Stage:
    daemon: DaemonProcess
    caller: SyntheticCaller
    agent: SyntheticBrowser
    interaction_id: str

    async def command(self, command: str, **fields: object) -> Event:
        return await self.agent.client.command(command, interactionId=self.interaction_id, **fields)

    async def interaction(self) -> Event:
        found: Event = (await self.command("getInteraction"))["interaction"]
        return found

    async def participant(self, role: str) -> Event:
        participants = (await self.interaction())["participants"]
        return next(one for one in reversed(participants) if one["role"] == role)


def voices(hearing: Hearing, start: int) -> list[set[str]]:
    """Who was heard, for each second from the `start`th on; "music" for any note of it."""
    heard = []
    for second in list(hearing.seconds)[start:]:
        names = {name for name, level in second.levels_db.items() if level > HEARD_DB}
        heard.append({"music" if name in MUSIC_HZ else name for name in names})
    return heard


async def hears(who: str, hearing: Hearing, *talkers: str) -> None:
    """Waits for full seconds with exactly these voices. `who` is for people."""

    def look() -> bool:
        last = voices(hearing, 0)[-SECONDS:]
        return len(last) == SECONDS and all(heard == set(talkers) for heard in last)

    await eventually(f"{who} hears {talkers}: {voices(hearing, 0)[-SECONDS:]}", look)


@contextlib.asynccontextmanager
async def browser(
    daemon: DaemonProcess, user: str, picture_id: int | None = None
) -> AsyncIterator[SyntheticBrowser]:
    look = Appearance((TONES_HZ[user],), TONES_HZ, picture_id)
    async with synthetic_browser(daemon.websocket_url, daemon.token(user), look) as opened:
        yield opened


@contextlib.asynccontextmanager
async def call(daemon: DaemonProcess, picture_id: int | None = None) -> AsyncIterator[Stage]:
    """A customer and an agent who hear each other."""
    async with (
        browser(daemon, "agent", picture_id) as agent,
        synthetic_caller((TONES_HZ["customer"],), TONES_HZ | MUSIC_HZ) as caller,
    ):
        await agent.go_ready("agent")
        await caller.call(daemon.sip_uri())
        stage = Stage(daemon, caller, agent, await agent.accept_offer())
        await hears("the agent", agent.hearing, "customer")
        await hears("the customer", caller.hearing, "agent")
        yield stage


async def consulting(stage: Stage, expert: SyntheticBrowser) -> None:
    await expert.go_ready("sme")
    await stage.command("consultParticipant", userId="expert")
    await expert.accept_offer()
    await hears("the agent", stage.agent.hearing, "expert")
    await hears("the expert", expert.hearing, "agent")


async def test_consult_then_warm_transfer(daemon: DaemonProcess) -> None:
    async with call(daemon) as stage, browser(daemon, "expert") as expert:
        customer_leg = (await stage.participant("customer"))["legIds"]
        await consulting(stage, expert)
        await hears("the customer", stage.caller.hearing, "music")
        since = len(stage.caller.hearing.seconds) - SECONDS
        await hears("the expert", expert.hearing, "agent")
        assert all(heard <= {"music"} for heard in voices(stage.caller.hearing, since)), (
            "not a word gets through"
        )
        await stage.command("completeTransfer")
        await hears("the customer", stage.caller.hearing, "expert")
        await hears("the expert", expert.hearing, "customer")
        found = (await expert.client.command("getInteraction", interactionId=stage.interaction_id))[
            "interaction"
        ]
        assert found["interactionId"] == stage.interaction_id
        states = {one["role"]: (one["state"], one["disconnectReason"]) for one in found["participants"]}
        assert states["agent"] == ("disconnected", "transferred to expert")
        assert states["customer"][0] == states["sme"][0] == "in-session"
        assert next(o for o in found["participants"] if o["role"] == "customer")["legIds"] == customer_leg
        assert not stage.caller.ended.is_set()


async def test_consult_then_conference(daemon: DaemonProcess) -> None:
    async with call(daemon) as stage, browser(daemon, "expert") as expert:
        await consulting(stage, expert)
        await stage.command("mergeConsult")
        await hears("the customer", stage.caller.hearing, "agent", "expert")
        await hears("the agent", stage.agent.hearing, "customer", "expert")
        await hears("the expert", expert.hearing, "customer", "agent")


async def test_consult_and_back(daemon: DaemonProcess) -> None:
    async with call(daemon) as stage, browser(daemon, "expert") as expert:
        await consulting(stage, expert)
        await stage.command("cancelTransfer")
        await hears("the customer", stage.caller.hearing, "agent")
        await hears("the agent", stage.agent.hearing, "customer")
        assert (await stage.interaction())["transfer"] is None


async def test_blind_transfer(daemon: DaemonProcess) -> None:
    async with call(daemon) as stage, browser(daemon, "expert") as expert:
        await expert.go_ready("sme")
        await stage.command("transferBlind", userId="expert")
        await hears("the customer", stage.caller.hearing, "music")
        await expert.accept_offer()
        await hears("the customer", stage.caller.hearing, "expert")
        await hears("the expert", expert.hearing, "customer")
        assert (await stage.participant("agent"))["disconnectReason"] == "transferred to expert"


class TestShortPatience:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"desk.transfer_timeout_s": 8, "desk.consult_timeout_s": 12}

    async def test_a_blind_transfer_nobody_answers_is_back_in_the_old_place(
        self, daemon: DaemonProcess
    ) -> None:
        async with call(daemon) as stage, browser(daemon, "expert") as expert:
            await expert.go_ready("sme")
            await stage.command("transferBlind", userId="expert")
            await hears("the customer", stage.caller.hearing, "music")
            await hears("the customer", stage.caller.hearing, "agent")
            await hears("the agent", stage.agent.hearing, "customer")

    async def test_a_consultation_nobody_ends_is_back_in_the_old_place(self, daemon: DaemonProcess) -> None:
        async with call(daemon) as stage, browser(daemon, "expert") as expert:
            await consulting(stage, expert)
            await hears("the customer", stage.caller.hearing, "agent")
            timeline = (await stage.command("getTimeline"))["timeline"]
            moved = [entry["facts"]["state"] for entry in timeline if entry["event"] == "transfer_moved"]
            assert moved == ["consulting", "returned"]


async def test_a_companion_browser_shows_the_caller(daemon: DaemonProcess) -> None:
    async with call(daemon, AGENT_PICTURE) as stage:
        assert (await stage.interaction())["attributes"]["customer_video_capable"] == "false"
        link = (await stage.command("createCompanionLink"))["link"]
        status, _ = await daemon.get(link["url"].split("#")[0])
        assert status in (200, 404), "a scanner opened the link"
        async with synthetic_companion(
            daemon.websocket_url, link["token"], SECRET, COMPANION_PICTURE
        ) as companion:
            await companion.join(stage.interaction_id)
            await eventually(
                "the agent sees the caller",
                lambda: (
                    COMPANION_PICTURE in stage.agent.tallies
                    and stage.agent.tallies[COMPANION_PICTURE].seen > 15
                ),
                15.0,
            )
            await eventually(
                "the caller sees the agent",
                lambda: AGENT_PICTURE in companion.tallies and companion.tallies[AGENT_PICTURE].seen > 15,
                15.0,
            )
            customer = await stage.participant("customer")
            assert len(customer["legIds"]) == 2
            assert customer["capabilities"]["video"]["send"]
            assert (await stage.interaction())["attributes"]["customer_video_capable"] == "true"
            with pytest.raises(CommandFailedError, match="conflict"):
                async with guest_client(daemon.websocket_url, link["token"], SECRET[::-1]):
                    pass
            with pytest.raises(CommandFailedError, match="forbidden"):
                await companion.client.command("listUsers")
            await hears("the customer", stage.caller.hearing, "agent")
            await hears("the agent", stage.agent.hearing, "customer")
        async with synthetic_companion(
            daemon.websocket_url, link["token"], SECRET, COMPANION_PICTURE + 1
        ) as reloaded:
            await reloaded.join(stage.interaction_id)
            await eventually(
                "the agent sees the caller again", lambda: COMPANION_PICTURE + 1 in stage.agent.tallies, 15.0
            )
            assert len((await stage.participant("customer"))["legIds"]) == 2
            await reloaded.close_media()
        await eventually("the picture is gone", lambda: _told_incapable(stage), 45.0)
        await hears("the customer", stage.caller.hearing, "agent")


def _told_incapable(stage: Stage) -> bool:
    """By the last word of the bridge."""
    updates = [h.event for h in stage.agent.client.events if h.event["event"] == "interactionUpdated"]
    capable: str = updates[-1]["interaction"]["attributes"]["customer_video_capable"]
    return capable == "false"
