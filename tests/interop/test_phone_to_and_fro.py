"""Voice to video and back ten times in one call: nothing adds up, on either side of it."""

import asyncio
import re

import pytest

from bridge.peers.daemon_process import DaemonProcess
from tests.interop.desktop import desktop
from tests.interop.hostile import metrics, nothing_is_left, rtp_ports_in_use
from tests.interop.test_phone_renegotiation import (
    AGENT_PICTURE,
    PHONE_PICTURE,
    sees,
    talk_goes_on,
    video_phone,
)

TIMES = 10
GAUGES = ("worker_legs", "worker_rtp_ports_lent", "worker_asyncio_tasks", "legs", "sip_calls")


async def held(daemon: DaemonProcess) -> dict[str, float]:
    """What a call holds while it is up: it may be told a second late."""
    found = await metrics(daemon)
    return {name: found[name] for name in GAUGES} | {"sockets": float(len(rtp_ports_in_use(daemon)))}


async def settled(daemon: DaemonProcess, before: dict[str, float]) -> None:
    for _ in range(50):
        if await held(daemon) == before:
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"{await held(daemon)} is not {before}")


async def test_ten_times_to_video_and_back_in_one_call_adds_nothing_up(daemon: DaemonProcess) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        video_phone(video_codecs=("VP8",)) as phone,
    ):
        await phone.call(daemon.sip_uri())
        await agent.accept_offer()
        await talk_goes_on(phone, agent)
        assert phone.picture is not None
        first: dict[str, float] = {}
        for number in range(TIMES):
            await phone.turn_camera(on=True)
            await sees(agent, PHONE_PICTURE)
            await sees(phone, AGENT_PICTURE)
            await phone.turn_camera(on=False)
            assert not phone.has_video
            if number == 0:
                await talk_goes_on(phone, agent)
                await asyncio.sleep(2)  # the worker tells its figures once a second
                first = await held(daemon)
        await talk_goes_on(phone, agent)
        await settled(daemon, first)
        assert len(phone.picture.ssrcs) == 1, "one stream for the call's life, to the phone"
        assert agent.peer_connection is not None
        sections = agent.peer_connection.getTransceivers()
        assert len(sections) <= 3, "sound, its camera, the phone's film: they are used again"
    await nothing_is_left(daemon)
    log = daemon.log.read_text(errors="replace")
    assert len(re.findall(r'"x rtp leg closed"', log)) == 1
