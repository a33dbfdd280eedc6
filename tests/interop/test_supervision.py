"""A supervisor beside a real phone: what each party hears and sees in every mode, by tone and by picture.

The phone shows what it is shown. So whoever sees the own picture, or one that only the phone could have, sees
what the customer saw.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser
from bridge.peers.browser.signaling_client import Event
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.tone import level_db
from tests.interop.baresip import Baresip, PhoneVideo, baresip
from tests.interop.desktop import hears
from tests.interop.programs import eventually

TONES_HZ = {"customer": 500.0, "agent": 800.0, "expert": 1300.0, "supervisor": 2100.0}
PICTURES = {"agent": 21, "expert": 42, "supervisor": 84}
FRAMES = 10
PATIENCE_S = 30.0


@dataclass
class Floor:
    """A customer, an agent and an expert in conversation, and a supervisor who is not there yet."""

    phone: Baresip
    agent: SyntheticBrowser
    expert: SyntheticBrowser
    supervisor: SyntheticBrowser
    interaction_id: str

    async def supervise(self, mode: str, participant_id: str | None = None) -> None:
        whom = {} if participant_id is None else {"participantId": participant_id}
        await self.supervisor.client.command(
            "superviseInteraction", interactionId=self.interaction_id, mode=mode, **whom
        )

    async def participant(self, role: str) -> Event:
        found = await self.agent.client.command("getInteraction", interactionId=self.interaction_id)
        return next(one for one in found["interaction"]["participants"] if one["role"] == role)


@contextlib.asynccontextmanager
async def browser(daemon: DaemonProcess, user: str) -> AsyncIterator[SyntheticBrowser]:
    look = Appearance((TONES_HZ[user],), TONES_HZ, PICTURES[user])
    async with synthetic_browser(daemon.websocket_url, daemon.token(user), look) as opened:
        yield opened


@contextlib.asynccontextmanager
async def conference(daemon: DaemonProcess, directory: Path) -> AsyncIterator[Floor]:
    async with (
        browser(daemon, "agent") as agent,
        browser(daemon, "expert") as expert,
        browser(daemon, "supervisor") as supervisor,
        baresip(directory / "phone", TONES_HZ["customer"], video=PhoneVideo(mirror=True)) as phone,
    ):
        await agent.go_ready("agent")
        await expert.go_ready("sme")
        await phone.dial(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await agent.client.command("addParticipant", interactionId=interaction_id, userId="expert")
        await expert.accept_offer()
        await hears(agent, "customer", "expert")
        await hears(expert, "customer", "agent")
        yield Floor(phone, agent, expert, supervisor, interaction_id)


def seen(viewer: SyntheticBrowser, who: str) -> int:
    tally = viewer.tallies.get(PICTURES[who])
    return tally.seen if tally else 0


async def sees(viewer: SyntheticBrowser, who: str) -> None:
    """Waits until `viewer` has read some more frames of that camera."""
    until = seen(viewer, who) + FRAMES
    await eventually(
        f"{viewer.client.identity['userId']} sees {who}", lambda: seen(viewer, who) >= until, PATIENCE_S
    )


async def nobody_sees_the_supervisor(floor: Floor, *but: SyntheticBrowser) -> None:
    """While others' pictures go on, none of the supervisor's arrives anywhere else."""
    others = [one for one in (floor.agent, floor.expert, floor.supervisor) if one not in but]
    before = [seen(one, "supervisor") for one in others]
    await sees(floor.agent, "expert")
    await sees(floor.expert, "agent")
    await sees(floor.supervisor, "agent")
    assert [seen(one, "supervisor") for one in others] == before


async def test_who_hears_and_sees_a_supervisor_in_every_mode(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with conference(daemon, tmp_path) as floor:
        agent, expert, supervisor = floor.agent, floor.expert, floor.supervisor
        await floor.supervise("monitor")
        await supervisor.join(floor.interaction_id)
        await hears(supervisor, "customer", "agent", "expert")
        await sees(supervisor, "agent")
        await sees(supervisor, "expert")
        await hears(agent, "customer", "expert")
        await hears(expert, "customer", "agent")
        await nobody_sees_the_supervisor(floor)
        assert not any(seen(one, "supervisor") for one in (agent, expert, supervisor))

        await floor.supervise("whisper")
        await hears(agent, "customer", "expert", "supervisor")
        await hears(expert, "customer", "agent")
        await nobody_sees_the_supervisor(floor)

        await floor.supervise("coach")
        await sees(agent, "supervisor")
        await hears(agent, "customer", "expert", "supervisor")
        await hears(expert, "customer", "agent")
        await nobody_sees_the_supervisor(floor, agent)

        await floor.supervise("coach", (await floor.participant("sme"))["participantId"])
        await sees(expert, "supervisor")
        await hears(expert, "customer", "agent", "supervisor")
        await hears(agent, "customer", "expert")
        await nobody_sees_the_supervisor(floor, expert)

        await floor.supervise("monitor")
        await hears(expert, "customer", "agent")
        await hears(agent, "customer", "expert")
        await nobody_sees_the_supervisor(floor)
        await hears(supervisor, "customer", "agent", "expert")

        await supervisor.client.command("leaveInteraction", interactionId=floor.interaction_id)
        await supervisor.close_media()
        await hears(agent, "customer", "expert")
        assert seen(supervisor, "supervisor") == 0, "the customer never saw the supervisor"
        await floor.phone.hang_up()
        heard_by_customer(floor.phone)


def heard_by_customer(phone: Baresip) -> None:
    """Every second of the call: agent and expert at its end, the supervisor in none of them."""
    sound, rate_hz = phone.heard(), phone.rate_hz
    seconds = [sound[start : start + rate_hz] for start in range(0, len(sound) - rate_hz, rate_hz)]
    assert len(seconds) > 20, "the recording has the whole call"
    for name in ("agent", "expert"):
        assert level_db(sound[-5 * rate_hz :], rate_hz, TONES_HZ[name]) > HEARD_DB
    loudest = max(level_db(second, rate_hz, TONES_HZ["supervisor"]) for second in seconds)
    assert loudest < HEARD_DB - 10, "the customer never heard the supervisor"
