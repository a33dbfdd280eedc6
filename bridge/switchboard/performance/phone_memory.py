"""What the switchboard must know of a phone leg to take it up after a restart: what was agreed with it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from bridge.errors import BridgeError
from bridge.ids import NO_TRUNK, LegId, TrunkId
from bridge.journal.journal import Journal
from bridge.journal.leg_memory import LegMemory
from bridge.journal.schema import Write
from bridge.switchboard.performance.leg import PhoneLeg

OWNER = "switchboard"


class RememberedPhone(msgspec.Struct, frozen=True):
    """`session` is what `PhoneSession.recall` takes."""

    session: msgspec.Raw
    trunk_id: TrunkId = NO_TRUNK


class PhoneMemory:
    """One memory for each phone leg, from its interaction's first commit to its end."""

    __slots__ = ("_memory",)

    def __init__(self, journal: Journal) -> None:
        self._memory = LegMemory(journal, OWNER)

    def keeping(self, leg: PhoneLeg) -> Sequence[Write]:
        """For the commit that opens the leg's interaction."""
        return self._memory.keeping(leg.leg_id, _remember(leg))

    async def keep(self, leg: PhoneLeg) -> None:
        """Returns when what is agreed now is on disk."""
        await self._memory.keep(leg.leg_id, _remember(leg))

    def forget(self, leg_id: LegId) -> None:
        with suppress(BridgeError):  # the disk refuses: the process stops, and the next one forgets
            self._memory.forget(leg_id)

    async def recall(self) -> Mapping[LegId, RememberedPhone]:
        memories = await self._memory.recall()
        return {leg_id: _parse(body) for leg_id, body in memories.items()}


def _remember(leg: PhoneLeg) -> bytes:
    return msgspec.json.encode(RememberedPhone(msgspec.Raw(leg.session.remember()), leg.trunk_id))


def _parse(body: bytes) -> RememberedPhone:
    try:
        return msgspec.json.decode(body, type=RememberedPhone)
    except msgspec.MsgspecError:
        return RememberedPhone(msgspec.Raw(body))  # as it was kept before there were trunks
