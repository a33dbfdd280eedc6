"""Identifiers: one NewType and one prefix per kind, so that a search finds every use of one."""

from collections.abc import Callable
from typing import NewType

InteractionId = NewType("InteractionId", str)  # int_
ParticipantId = NewType("ParticipantId", str)  # prt_
LegId = NewType("LegId", str)  # leg_
RoomId = NewType("RoomId", str)  # room_
OfferId = NewType("OfferId", str)  # off_
SeatId = NewType("SeatId", str)  # seat_
QueueId = NewType("QueueId", str)  # as the configuration or the API names it, no prefix
CallbackId = NewType("CallbackId", str)  # cbk_
LinkId = NewType("LinkId", str)  # lnk_
FlowId = NewType("FlowId", str)  # the name of its file, no prefix
FlowRunId = NewType("FlowRunId", str)  # flow_
UserId = NewType("UserId", str)  # as the token's subject names it, no prefix
PromptId = NewType("PromptId", str)  # pmt_, one playing of a prompt that the desk asked for
TrunkId = NewType("TrunkId", str)  # as the configuration names it, no prefix
NO_TRUNK = TrunkId("")  # a call that goes by none, or by one that is gone since a restart
TrackId = NewType("TrackId", str)  # "<leg id>/<mid>": one medium of one leg, endpoint to bridge


class IdSource:
    """Makes new ids from a source of chance that is handed in.

    `token_hex(n)` must return 2*n hexadecimal characters, as `secrets.token_hex` does.
    """

    __slots__ = ("_token_hex",)

    def __init__(self, token_hex: Callable[[int], str]) -> None:
        self._token_hex = token_hex

    def interaction(self) -> InteractionId:
        return InteractionId("int_" + self._token_hex(8))

    def participant(self) -> ParticipantId:
        return ParticipantId("prt_" + self._token_hex(8))

    def leg(self) -> LegId:
        return LegId("leg_" + self._token_hex(8))

    def room(self) -> RoomId:
        return RoomId("room_" + self._token_hex(8))

    def offer(self) -> OfferId:
        return OfferId("off_" + self._token_hex(8))

    def seat(self) -> SeatId:
        return SeatId("seat_" + self._token_hex(8))

    def callback(self) -> CallbackId:
        return CallbackId("cbk_" + self._token_hex(8))

    def link(self) -> LinkId:
        return LinkId("lnk_" + self._token_hex(8))

    def flow_run(self) -> FlowRunId:
        return FlowRunId("flow_" + self._token_hex(8))

    def prompt(self) -> PromptId:
        return PromptId("pmt_" + self._token_hex(8))


def track_id(leg_id: LegId, mid: str) -> TrackId:
    """The id of the track that arrives from `leg_id` in the media section `mid`."""
    return TrackId(f"{leg_id}/{mid}")
