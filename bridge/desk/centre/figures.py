"""The figures of a queue, added up from the events: what a service level is measured by."""

import msgspec


class QueueFigures(msgspec.Struct, frozen=True, gc=False):
    """Counts since the journal began. Sums are in seconds; an average is the sum over its count.

    `entered` counts waits, `offered` the offers that rang, `answered` those who met somebody,
    `answered_in_target` those who did so within the queue's `answer_target_s`, `abandoned` those who gave up,
    `overflowed` those whom a limit sent elsewhere.
    """

    entered: int = 0
    offered: int = 0
    answered: int = 0
    answered_in_target: int = 0
    abandoned: int = 0
    overflowed: int = 0
    handled: int = 0
    handle_s: float = 0.0
    wrapped_up: int = 0
    wrap_up_s: float = 0.0

    @property
    def average_handle_s(self) -> float | None:
        return self.handle_s / self.handled if self.handled else None

    @property
    def average_wrap_up_s(self) -> float | None:
        return self.wrap_up_s / self.wrapped_up if self.wrapped_up else None
