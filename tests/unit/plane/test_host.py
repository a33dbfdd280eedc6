"""The plane's door: commands out, answers and events back, and the end of a worker."""

import msgspec
import pytest

from bridge.errors import CapacityError, PlaneLostError
from bridge.ids import LegId, ParticipantId, RoomId
from bridge.plane import messages
from bridge.plane.host import InlinePlane


class EchoWorker:
    """Answers each removal; refuses each room, for want of room."""

    def __init__(self, plane: InlinePlane) -> None:
        self._plane = plane
        self.closed = False

    def execute(self, command: messages.Command) -> None:
        match command:
            case messages.RemoveLeg(request_id, leg_id):
                self._plane.take_event(messages.LegConnected(leg_id))
                self._plane.take_event(messages.LegRemoved(request_id, leg_id))
            case messages.DeclareRoom(request_id):
                self._plane.take_event(messages.CommandRefused(request_id, "at_capacity", "no ports left"))
            case _:
                pass

    def close(self) -> None:
        self.closed = True


async def test_a_command_gets_its_own_answer_and_spontaneous_events_go_to_the_listener() -> None:
    events: list[messages.Event] = []
    plane = InlinePlane(events.append)
    plane.attach(EchoWorker(plane))
    reply = await plane.request(messages.RemoveLeg(0, LegId("leg_1")))
    assert isinstance(reply, messages.LegRemoved)
    assert reply.leg_id == "leg_1"
    assert events == [messages.LegConnected(LegId("leg_1"))]


async def test_a_refusal_raises_the_error_it_names() -> None:
    plane = InlinePlane(lambda _: None)
    plane.attach(EchoWorker(plane))
    with pytest.raises(CapacityError, match="no ports left"):
        await plane.request(messages.DeclareRoom(0, messages.RoomSpec(RoomId("room_1"))))


async def test_without_a_worker_the_plane_is_lost() -> None:
    with pytest.raises(PlaneLostError):
        await InlinePlane(lambda _: None).request(messages.RemoveLeg(0, LegId("leg_1")))


def test_every_message_survives_the_wire() -> None:
    leg = messages.RtpLegSpec(
        LegId("leg_1"),
        ParticipantId("prt_1"),
        RoomId("room_1"),
        messages.RtpAudio("127.0.0.1", 4000, 4001, messages.Codec("PCMU", 0, 8000), dtmf_payload_type=101),
        messages.Playback("p1", "connecting.wav", loop=True),
    )
    command = messages.DeclareRtpLeg(7, leg)
    decoder: msgspec.msgpack.Decoder[messages.Command] = msgspec.msgpack.Decoder(messages.Command)
    assert decoder.decode(msgspec.msgpack.encode(command)) == command
