"""The seams of the mixer: where a leg's frames come from, and where its mix goes."""

from typing import Final, Protocol

from bridge.rtp.frame import JitterFrame

MIX_RATE_HZ: Final = 48_000
MIX_SAMPLES: Final = 960  # 20 ms
TICK_S: Final = 0.02


class FrameSource(Protocol):
    """Up audio of one leg, usually its jitter buffer."""

    def pull(self, now: float) -> JitterFrame:
        """Called once per tick in which the leg is heard by anybody."""
        ...

    def rest(self, now: float) -> bytes:
        """Called in the place of `pull` where nobody hears the leg: what came is not kept. Returns the newest
        payload since the last call, if there is one."""
        ...


class FrameSink(Protocol):
    """Down audio of one leg, usually its RTP sender."""

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None:
        """One payload of 20 ms. `media_time` goes on by 20 ms of the RTP clock with every tick, without wrap;
        it jumps, and `marker` is set, where ticks were left out (RFC 3551 section 4.1)."""
        ...
