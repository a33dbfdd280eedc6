"""Each direction of sound beside each direction of film on one dialog, whoever changes it: frames and tones flow
exactly where both sides want them. The phone sends both all the time, and what nobody wants is not let through.

It is encrypted, and its sequence numbers roll over while the first rows are walked.
"""

import contextlib
import itertools
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.interop.desktop import desktop, heard_in, hears
from tests.interop.hand_phone import HOST, HandPhone, Step
from tests.interop.hostile import metrics
from tests.interop.programs import eventually

AGENT_PICTURE, PHONE_PICTURE = 17, 77
FRAMES = 15  # a second of film
PACKETS = 50  # a second of sound
IN_FLIGHT = 5  # packets or frames that were on their way while the answer was
NEARLY_OVER = {2: "ff80"}  # a first sequence number, 128 packets before the rollover
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
SEED = 4


def row(sound: str, film: str, connection: str = "", film_connection: str = "") -> Step:
    """Named by what it says; what flows follows from it."""
    name = f"sound {sound} {connection}, film {film} {film_connection}".replace(" ,", ",").strip()
    up, down = sound in ("sendrecv", "sendonly"), sound in ("sendrecv", "recvonly") and not connection
    return Step(name, up, down, sound, connection=connection, film=film, film_connection=film_connection)


ALL = row("sendrecv", "sendrecv")
ROWS = [row(sound, film) for sound, film in itertools.product(DIRECTIONS, DIRECTIONS)]
random.Random(SEED).shuffle(ROWS)
ENDS = (
    row("sendrecv", "off"),
    row("sendrecv", "sendrecv", film_connection="0.0.0.0"),
    row("sendrecv", "sendonly"),
    row("recvonly", "off"),
    row("sendrecv", "sendrecv", connection="0.0.0.0"),
    row("sendrecv", "sendrecv", connection="0.0.0.0", film_connection=HOST),
)
MIXED = (row("sendrecv", "recvonly"), row("sendonly", "sendrecv"), row("recvonly", "sendonly"))


@contextlib.asynccontextmanager
async def video_conversation(
    daemon: DaemonProcess, mki: bytes = b""
) -> AsyncIterator[tuple[HandPhone, SyntheticBrowser]]:
    phone = HandPhone(
        PHONE_PICTURE,
        encrypts=True,
        mki=mki,
        token_hex=lambda size: NEARLY_OVER.get(size) or secrets.token_hex(size),
    )
    async with desktop(daemon, picture_id=AGENT_PICTURE) as agent, phone.running():
        await phone.call(daemon.sip_uri(), ALL)
        await agent.accept_offer()
        await flows(phone, agent, ALL)
        yield phone, agent
        assert not phone.ended
        assert not any(has_ended(heard.event) for heard in agent.client.events)
        assert phone.film is not None
        assert [pair.undecryptable for pair in (phone.media[HOST].pair, phone.film.pair)] == [0, 0]
        assert [len(keys) for keys in phone.peer_keys] == [1, 1]
        assert (await metrics(daemon))["worker_rtp_undecryptable_total"] == 0


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    config = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\nsrtp = "optional"\n'
    async with daemon_process(tmp_path, config=config) as running:
        yield running


class Counts:
    """What had come by one moment, to either side."""

    def __init__(self, phone: HandPhone, agent: SyntheticBrowser) -> None:
        assert phone.film is not None
        tally = phone.film.tallies.get(AGENT_PICTURE)
        seen = agent.tallies.get(PHONE_PICTURE)
        self.sound_down = phone.media[HOST].traffic.packets_received
        self.film_down = tally.seen if tally is not None else 0
        self.film_up = seen.seen if seen is not None else 0
        self.agent_seconds = len(agent.hearing.seconds)
        self.phone_seconds = len(phone.media[HOST].hearing.seconds)


async def flows(phone: HandPhone, agent: SyntheticBrowser, step: Step, *, on_hold: bool = False) -> None:
    """Exactly as the step says; while the desk has the phone on hold, nothing but music to it."""
    film_up = step.film in ("sendrecv", "sendonly") and not on_hold
    film_down = step.film in ("sendrecv", "recvonly") and not on_hold
    film_down = film_down and (step.film_connection or step.connection) in ("", HOST)
    sound_up = step.up and not on_hold
    wanted = {"sound_down": PACKETS * step.down, "film_up": FRAMES * film_up, "film_down": FRAMES * film_down}
    before = Counts(phone, agent)

    def has_come() -> bool:
        now = Counts(phone, agent)
        return all(getattr(now, name) >= getattr(before, name) + least for name, least in wanted.items())

    await eventually(f"{step.name}: so much more of each: {wanted}", has_come)
    # All changes have come through by now; two whole seconds of the agent's after this one are judged.
    start = Counts(phone, agent)
    await eventually(
        f"{step.name}: three more seconds are heard",
        lambda: Counts(phone, agent).agent_seconds >= start.agent_seconds + 3,
    )
    await hears(agent, *(["customer"] if sound_up else []))
    after = Counts(phone, agent)
    for name, least in wanted.items():
        if not least:
            came = getattr(after, name) - getattr(start, name)
            assert came <= IN_FLIGHT, f"{step.name}: {came} of {name}, which is not wanted"
    if step.down:
        second = phone.media[HOST].hearing.seconds[-1]
        assert after.phone_seconds > before.phone_seconds, step.name
        assert ("agent" in heard_in(second)) is not on_hold, step.name


@pytest.mark.parametrize("rows", [ROWS[:8], ROWS[8:], ENDS], ids=["first half", "second half", "ends"])
async def test_every_row_of_sound_and_film_flows_exactly_as_the_phone_says(
    bridge: DaemonProcess, rows: list[Step]
) -> None:
    async with video_conversation(bridge) as (phone, agent):
        for step in (*rows, ALL):
            answer = await phone.offer(step)
            assert "m=audio 0" not in answer
            await flows(phone, agent, step)


async def test_the_desk_holds_and_resumes_a_phone_with_mixed_directions(bridge: DaemonProcess) -> None:
    """What the desk does not hold comes back as the phone has it, and no further."""
    async with video_conversation(bridge) as (phone, agent):
        listed = (await agent.client.command("listInteractions"))["interactions"]
        (interaction,) = listed
        customer = next(p for p in interaction["participants"] if p["role"] == "customer")
        about = {
            "interactionId": interaction["interactionId"],
            "participantId": customer["participantId"],
        }
        for step in MIXED:
            await phone.offer(step)
            await flows(phone, agent, step)
            await agent.client.command("holdParticipant", **about)
            await flows(phone, agent, step, on_hold=True)
            await agent.client.command("resumeParticipant", **about)
            await flows(phone, agent, step)


async def test_an_offer_that_ends_the_sound_is_refused_and_all_goes_on(bridge: DaemonProcess) -> None:
    """A conversation without a voice is none: 488, and both sides keep what they had (RFC 3261 section 14.2)."""
    async with video_conversation(bridge) as (phone, agent):
        answer = await phone.offer(row("off", "sendrecv"))
        assert answer.startswith("refused: 488")
        await flows(phone, agent, ALL)


async def test_a_phone_whose_packets_carry_an_mki_is_heard_and_seen(bridge: DaemonProcess) -> None:
    """Elsewhere: accepted in SDP and not understood in the packets."""
    async with video_conversation(bridge, mki=b"\0\0\0\1") as (phone, agent):
        for step in (MIXED[0], ALL):
            await phone.offer(step)
            await flows(phone, agent, step)
