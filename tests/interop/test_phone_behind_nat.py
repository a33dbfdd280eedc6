"""A phone that only looks, from behind a NAT: no RTP of its own says where it is, and its description is wrong."""

import asyncio

import pytest

from bridge.peers.beside import beside
from bridge.peers.daemon_process import DaemonProcess
from bridge.plane.messages import RtpVideo
from bridge.wire.rtcp import ReceiverReport, serialize_rtcp
from tests.interop.desktop import desktop
from tests.interop.hand_phone import HOST, VP8, HandPhone, Step
from tests.interop.hostile import metrics
from tests.interop.programs import eventually
from tests.interop.test_phone_renegotiation import FRAMES

AGENT_PICTURE, PHONE_PICTURE = 17, 77
INSIDE = "127.0.0.3"  # as it calls itself, and nobody is there
LOOKS = Step(
    "looks",
    up=False,
    down=False,
    direction="inactive",
    connection=INSIDE,
    film="recvonly",
    film_connection=INSIDE,
)
KEEP_ALIVES = {"reports": serialize_rtcp([ReceiverReport(7, ())]), "zeroes": bytes(4)}


@pytest.mark.parametrize("kind", KEEP_ALIVES)
async def test_it_is_shown_the_picture_by_what_it_sends_for_its_nat(daemon: DaemonProcess, kind: str) -> None:
    async with (
        desktop(daemon, picture_id=AGENT_PICTURE) as agent,
        HandPhone(PHONE_PICTURE).running() as phone,
    ):
        await phone.call(daemon.sip_uri(), LOOKS)
        await agent.accept_offer()
        film = phone.film
        assert film is not None
        for media in phone.media.values():
            media.sends = False

        async def keep_alive() -> None:
            port = phone.film_port
            film.follow(RtpVideo(HOST, port, port + 1, VP8, VP8, sends=False))
            while True:
                film.pair.send(KEEP_ALIVES[kind], (HOST, port))
                await asyncio.sleep(0.4)

        async with beside(keep_alive()):
            await eventually(
                "the phone sees the agent",
                lambda: AGENT_PICTURE in film.tallies and film.tallies[AGENT_PICTURE].seen >= FRAMES,
                20.0,
            )
        assert (await metrics(daemon))["worker_rtp_malformed_total"] == 0
