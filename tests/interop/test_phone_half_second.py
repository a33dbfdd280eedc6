"""After every renegotiation sound flows both ways within half a second, whoever began it.

Elsewhere: one-way audio after a re-INVITE. The sound itself is the clock, so that a busy machine is no reason: who
waits has sent, or heard, no more than half a second of it meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.codec.g711 import RATE_HZ
from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.phone.caller import SyntheticCaller, synthetic_caller
from bridge.peers.phone.rtp_phone import FRAME_S
from bridge.peers.tone import SEGMENT_S, level_db
from tests.interop.desktop import CUSTOMER_HZ, EXPERT_HZ, TONES_HZ, desktop, hears
from tests.interop.hand_phone import HOST, TALK, HandPhone, Step
from tests.interop.programs import eventually
from tests.interop.sip.called_in import joined
from tests.interop.test_phone_direction import CHANGES, HOLDS

PIECE = round(RATE_HZ * SEGMENT_S)  # half a second: the least of which a tone can be told
PACKETS = round(SEGMENT_S / FRAME_S)
PHONE_PICTURE = 77
WITH_FILM = Step("video on", up=True, down=True, film="sendrecv")
WITHOUT_FILM = Step("video off", up=True, down=True, film="off")
FILM_ENDS = (WITH_FILM, WITHOUT_FILM, WITH_FILM)


@dataclass
class Conversation:
    """A phone that says what it is told, the agent, and an expert on a phone who listens."""

    phone: HandPhone
    agent: SyntheticBrowser
    listener: SyntheticCaller
    interaction_id: str

    def phone_is_in(self, start: int) -> bool:
        """Whether the phone's tone is in the half second that the expert heard from this sample on."""
        return level_db(self.listener.pcm[start : start + PIECE], RATE_HZ, CUSTOMER_HZ) > HEARD_DB

    @property
    def heard(self) -> int:
        """Samples, by the expert."""
        return len(self.listener.pcm)

    async def is_at_rest(self, step: Step) -> None:
        """The expert hears what the step says, and has for half a second."""
        await eventually(f"{step.name} holds", lambda: self.phone_is_in(self.heard - PIECE) is step.up)

    async def is_back_at_once(self, step: Step) -> None:
        """The phone has just been told that both ways are open."""
        here = self.phone.media[step.host].traffic
        sent, received, heard = here.packets_sent, here.packets_received, self.heard
        async with asyncio.timeout(10):
            while here.packets_received == received:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.002)
        assert here.packets_sent - sent <= PACKETS, f"{step.name}: down"
        await eventually(f"{step.name}: half a second is heard", lambda: self.heard >= heard + PIECE)
        assert self.phone_is_in(heard), f"{step.name}: up"


@asynccontextmanager
async def conversation(daemon: DaemonProcess, phone: HandPhone) -> AsyncIterator[Conversation]:
    async with (
        desktop(daemon) as agent,
        phone.running(),
        synthetic_caller((EXPERT_HZ,), TONES_HZ) as listener,
    ):
        await phone.call(daemon.sip_uri())
        id_ = await agent.accept_offer()
        await agent.client.command("addParticipant", interactionId=id_, address=listener.sip_uri)
        state = joined(id_, listener.sip_uri)
        await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 10)
        await hears(agent, "customer", "expert")
        yield Conversation(phone, agent, listener, id_)
        assert not phone.ended


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    config = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "optional"\n'
    async with daemon_process(tmp_path, config=config) as running:
        yield running


@pytest.mark.parametrize("encrypts", [False, True], ids=["RTP", "SRTP"])
async def test_sound_is_back_within_half_a_second_of_whatever_the_phone_changes(
    bridge: DaemonProcess, encrypts: bool
) -> None:
    async with conversation(bridge, HandPhone(PHONE_PICTURE, encrypts=encrypts)) as talk:
        changes = [step for hold in HOLDS for step in (hold, TALK)]
        elsewhere = [] if encrypts else list(CHANGES)  # its keys are those of one address
        for step in (*changes, *elsewhere, TALK, *FILM_ENDS):
            await talk.phone.offer(step)
            if step.up and step.down:
                await talk.is_back_at_once(step)
            else:
                await talk.is_at_rest(step)


async def test_sound_is_back_within_half_a_second_of_a_resume_by_the_desk(bridge: DaemonProcess) -> None:
    async with conversation(bridge, HandPhone(PHONE_PICTURE)) as talk:
        known = await talk.agent.client.command("getInteraction", interactionId=talk.interaction_id)
        customer = next(p for p in known["interaction"]["participants"] if p["role"] == "customer")
        about = {"interactionId": talk.interaction_id, "participantId": customer["participantId"]}
        held = Step("held by the desk", up=False, down=True)
        for _ in range(3):
            await talk.agent.client.command("holdParticipant", **about)
            await talk.is_at_rest(held)
            await talk.agent.client.command("resumeParticipant", **about)
            await talk.is_back_at_once(TALK)
        assert talk.phone.media[HOST].traffic.packets_lost == 0
