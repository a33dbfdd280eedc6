"""How many calls each trunk has, and how fast new ones come: the bounds of each, no I/O."""

from collections import Counter

from bridge.ids import TrunkId
from signaling.sip.trunk.admission import Admission
from signaling.sip.trunk.refusal import Refusals
from signaling.sip.trunk.trunk import Trunk

FULL_RETRY_AFTER_S = 5
FAST_RETRY_AFTER_S = 1


class TrunkLoad:
    """`refuses` before a call is opened, `enter` and `leave` around its life."""

    __slots__ = ("_calls", "_rates", "refused")

    def __init__(self) -> None:
        self._calls: Counter[TrunkId] = Counter()
        self._rates: dict[TrunkId, Admission] = {}
        self.refused = Refusals(("trunk_full", "trunk_fast"))

    def calls(self, trunk_id: TrunkId) -> int:
        return self._calls[trunk_id]

    def refuses(self, trunk: Trunk | None, now: float) -> int:
        """After how many seconds a call of this trunk may be tried again; 0 if it may be now, which it counts."""
        if trunk is None:
            return 0
        if trunk.max_calls and self._calls[trunk.trunk_id] >= trunk.max_calls:
            self.refused.count("trunk_full")
            return FULL_RETRY_AFTER_S
        if trunk.calls_per_second and not self._rate_of(trunk).takes(trunk.trunk_id, now):
            self.refused.count("trunk_fast")
            return FAST_RETRY_AFTER_S
        return 0

    def enter(self, trunk_id: TrunkId) -> None:
        self._calls[trunk_id] += 1

    def leave(self, trunk_id: TrunkId) -> None:
        self._calls[trunk_id] -= 1
        if not self._calls[trunk_id]:
            del self._calls[trunk_id]

    def _rate_of(self, trunk: Trunk) -> Admission:
        rate = trunk.calls_per_second
        return self._rates.setdefault(trunk.trunk_id, Admission(rate, max(1.0, rate)))
