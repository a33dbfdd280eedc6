"""What the composition root hands to the user agent."""

from dataclasses import dataclass, field

from signaling.sip.transaction.transaction import Timing
from signaling.sip.trunk.trunk import Trunks


@dataclass(frozen=True)
class AgentSettings:
    """For the core. `ring_timeout_s` is how long our own call may ring, `max_calls` counts both directions."""

    max_calls: int = 500
    ring_timeout_s: float = 60.0
    trunks: Trunks = field(default_factory=Trunks)
    scanners: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    answers_unwanted: bool = True  # by 403; False: by silence
    timing: Timing = field(default_factory=Timing)
