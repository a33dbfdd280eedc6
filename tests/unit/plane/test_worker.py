"""What a worker does with each command: one answer each, and a mistake costs one command or one leg."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from bridge.clock import SystemClock
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.peers.ports import free_media_ports
from bridge.plane import messages
from bridge.plane.worker import Worker
from bridge.wire.rtp import RtpPacket, serialize_rtp

E = TypeVar("E", bound=messages.Event)

PHONE, BROWSER, NOBODY = LegId("leg_phone"), LegId("leg_browser"), LegId("leg_nobody")
ROOM, PARTICIPANT = RoomId("room_1"), ParticipantId("prt_1")
CREDENTIALS = messages.IceCredentials("abcd", "0123456789012345678901")


class Stage:
    """A worker and what it said so far."""

    def __init__(self) -> None:
        first = free_media_ports(2)
        config = messages.WorkerConfig(
            ice_port=0, rtp_port_min=first, rtp_port_max=first + 1, rtp_drain_s=0.0
        )
        self.said: list[messages.Event] = []
        self.worker = Worker(config, SystemClock(), self.said.append)
        self.rtp_port = first

    def audio(self, srtp: messages.SrtpKeys | None = None) -> messages.RtpAudio:
        """Of a phone at which nobody listens."""
        codec = messages.Codec("PCMU", 0, 8000)
        return messages.RtpAudio("127.0.0.1", 9, 9, codec, dtmf_payload_type=101, srtp=srtp)

    def ask(self, command: messages.Command) -> messages.Event:
        """The one answer to a command, which comes at once."""
        told = len(self.said)
        self.worker.execute(command)
        (answer,) = self.said[told:]
        return answer

    async def hears(self, kind: type[E]) -> E:
        """The next event of a kind that comes by itself."""
        told = len(self.said)
        async with asyncio.timeout(5.0):
            while True:
                found = [event for event in self.said[told:] if isinstance(event, kind)]
                if found:
                    return found[0]
                await asyncio.sleep(0.01)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.worker.start()
    yield stage
    stage.worker.close()
    stage.worker.close()  # twice is fine


def phone(leg_id: LegId = PHONE, audio: messages.RtpAudio | None = None) -> messages.DeclareRtpLeg:
    return messages.DeclareRtpLeg(1, messages.RtpLegSpec(leg_id, PARTICIPANT, ROOM, audio))


def browser(leg_id: LegId = BROWSER) -> messages.DeclareWebRtcLeg:
    return messages.DeclareWebRtcLeg(
        2, messages.WebRtcLegSpec(leg_id, PARTICIPANT, ROOM, CREDENTIALS, None, (), dtls_server=True)
    )


async def test_the_first_thing_it_says_is_what_browsers_need_to_find_it(stage: Stage) -> None:
    ready = stage.said[0]
    assert isinstance(ready, messages.WorkerReady)
    assert ready.fingerprint.algorithm == "sha-256"
    assert ready.probe.ufrag


async def test_a_phone_keeps_its_port_however_often_it_is_declared(stage: Stage) -> None:
    for declared in (phone(), phone(audio=stage.audio()), phone(audio=stage.audio())):
        assert stage.ask(declared) == messages.RtpLegDeclared(1, PHONE, "127.0.0.1", stage.rtp_port)
    refused = stage.ask(phone(NOBODY))
    assert isinstance(refused, messages.CommandRefused)
    assert refused.code == "at_capacity"


async def test_legs_and_rooms_come_and_go_and_each_command_has_its_answer(stage: Stage) -> None:
    assert stage.ask(browser()) == messages.WebRtcLegDeclared(2, BROWSER)
    assert stage.ask(browser()) == messages.WebRtcLegDeclared(2, BROWSER)
    room = messages.RoomSpec(ROOM, (messages.Hearing(PARTICIPANT, ()),))
    assert stage.ask(messages.DeclareRoom(3, room)) == messages.RoomDeclared(3, ROOM)
    assert stage.ask(messages.RemoveRoom(4, ROOM)) == messages.RoomRemoved(4, ROOM)
    for number in (5, 6):
        assert stage.ask(messages.RemoveLeg(number, BROWSER)) == messages.LegRemoved(number, BROWSER)


async def test_a_phone_that_rang_gives_its_port_back_though_its_room_went_first(stage: Stage) -> None:
    stage.ask(phone())
    stage.ask(messages.DeclareRoom(3, messages.RoomSpec(ROOM)))
    stage.ask(messages.RemoveRoom(4, ROOM))
    assert stage.ask(messages.RemoveLeg(5, PHONE)) == messages.LegRemoved(5, PHONE)
    assert isinstance(stage.ask(phone(NOBODY)), messages.RtpLegDeclared)


def loud_tracks(said: list[messages.Event]) -> list[str]:
    """The codecs of what came up loudly."""
    tracks = [track for event in said if isinstance(event, messages.LegStatistics) for track in event.tracks]
    return [
        t.codec for t in tracks if t.direction == "up" and t.level_dbov is not None and t.level_dbov > -30
    ]


async def test_a_phone_that_changes_its_codec_in_mid_call_is_heard_all_the_same(stage: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        here = sock.getsockname()[1]
        pcmu, pcma = messages.Codec("PCMU", 0, 8000), messages.Codec("PCMA", 8, 8000)
        stage.ask(phone(audio=messages.RtpAudio("127.0.0.1", here, here, pcmu, up_codecs=(pcma,))))
        silence, loud = b"\xff" * 160, b"\x2a\xaa" * 80  # full scale in A-law, up and down
        number = 0
        async with asyncio.timeout(5.0):
            while not loud_tracks(stage.said):
                payload_type, payload = (8, loud) if number else (0, silence)
                packet = RtpPacket(payload_type, number, 160 * number, 7, payload)
                sock.sendto(serialize_rtp(packet), ("127.0.0.1", stage.rtp_port))
                number += 1
                await asyncio.sleep(0.02)
    assert set(loud_tracks(stage.said)) == {"PCMA"}


async def test_digits_go_to_phones_only(stage: Stage) -> None:
    stage.ask(phone(audio=stage.audio()))
    stage.ask(browser())
    assert stage.ask(messages.SendDigits(7, PHONE, "d1", "12")) == messages.DigitsTaken(7, PHONE)
    for leg_id in (BROWSER, NOBODY):
        refused = stage.ask(messages.SendDigits(8, leg_id, "d2", "12"))
        assert isinstance(refused, messages.CommandRefused)
        assert (refused.request_id, refused.code) == (8, "not_found")


async def test_a_leg_does_not_change_its_kind(stage: Stage) -> None:
    stage.ask(phone())
    stage.ask(browser())
    for command, is_one in ((phone(BROWSER), "a browser's leg"), (browser(PHONE), "a phone's leg")):
        refused = stage.ask(command)
        assert isinstance(refused, messages.CommandRefused)
        assert is_one in refused.reason


def test_before_its_start_it_takes_no_leg() -> None:
    stage = Stage()
    for command in (phone(), browser()):
        refused = stage.ask(command)
        assert isinstance(refused, messages.CommandRefused)
        assert "not started" in refused.reason
    stage.worker.close()


async def test_a_mistake_of_ours_refuses_one_command_and_says_nothing_of_its_inside(
    stage: Stage,
) -> None:
    with capture_logs() as logged:
        refused = stage.ask(phone(audio=stage.audio(messages.SrtpKeys("no suite", b"", b""))))
    assert isinstance(refused, messages.CommandRefused)
    assert refused.code == "internal_error"
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["! command failed"]
    assert isinstance(stage.ask(phone()), messages.RtpLegDeclared), "the port was given back"


async def test_it_tells_of_itself_and_of_each_leg_every_second(stage: Stage) -> None:
    stage.ask(phone())
    stage.ask(browser())
    figures = await stage.hears(messages.WorkerStatistics)
    assert figures.values["legs"] == 2
    assert figures.values["rtp_ports_lent"] == 1
    assert figures.values["ticks_total"] > 0
