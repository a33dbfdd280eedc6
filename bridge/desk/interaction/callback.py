"""A callback: the caller hangs up and is rung later, in the place and with the clock of the call."""

from enum import StrEnum

import msgspec

from bridge.errors import NotAllowedError
from bridge.ids import CallbackId, LegId


class CallbackState(StrEnum):
    WAITING = "waiting"  # in the queue, or for its scheduled time, or for the next attempt
    DIALING = "dialing"  # somebody of ours is there, the phone rings
    ANSWERED = "answered"
    FAILED = "failed"  # no attempt is left
    CANCELED = "canceled"


class CallbackTrigger(StrEnum):
    DIAL = "dial"
    ANSWER = "answer"
    RETRY = "retry"
    GIVE_UP = "give up"
    CANCEL = "cancel"


_S = CallbackState
_T = CallbackTrigger

TRANSITIONS: dict[tuple[CallbackState, CallbackTrigger], CallbackState] = {
    (_S.WAITING, _T.DIAL): _S.DIALING,
    (_S.WAITING, _T.CANCEL): _S.CANCELED,
    (_S.DIALING, _T.ANSWER): _S.ANSWERED,
    (_S.DIALING, _T.RETRY): _S.WAITING,
    (_S.DIALING, _T.GIVE_UP): _S.FAILED,
    (_S.DIALING, _T.CANCEL): _S.CANCELED,
}


class Callback(msgspec.Struct, frozen=True, gc=False):
    """`leg_id` is the call that is being made, `dial_by` its deadline; `not_before` the earliest next one."""

    callback_id: CallbackId
    number: str
    requested_at: float
    requested_by: str
    state: CallbackState = CallbackState.WAITING
    attempts: int = 0
    not_before: float = 0.0
    leg_id: LegId | None = None
    dial_by: float | None = None
    failure: str = ""  # why the latest call came to nothing

    @property
    def is_live(self) -> bool:
        return self.state in (CallbackState.WAITING, CallbackState.DIALING)

    def next_state(self, trigger: CallbackTrigger) -> CallbackState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(
                f"cannot {trigger} callback {self.callback_id}: it is {self.state}"
            ) from None
