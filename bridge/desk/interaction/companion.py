"""A companion link: a phone caller opens it in a browser, which becomes a second leg of the same participant."""

from enum import StrEnum

import msgspec

from bridge.errors import NotAllowedError
from bridge.ids import LinkId


class LinkState(StrEnum):
    OPEN = "open"  # can be used, once
    BOUND = "bound"  # one browser has it, and may come back
    EXPIRED = "expired"  # nobody pressed join in time
    REPLACED = "replaced"  # a newer link took its place


class LinkTrigger(StrEnum):
    JOIN = "join"
    EXPIRE = "expire"
    REPLACE = "replace"


_S = LinkState
_T = LinkTrigger

TRANSITIONS: dict[tuple[LinkState, LinkTrigger], LinkState] = {
    (_S.OPEN, _T.JOIN): _S.BOUND,
    (_S.OPEN, _T.EXPIRE): _S.EXPIRED,
    (_S.OPEN, _T.REPLACE): _S.REPLACED,
    (_S.BOUND, _T.REPLACE): _S.REPLACED,
}


class Companion(msgspec.Struct, frozen=True, gc=False):
    """One link. `binding` is the hash of the secret that the browser which used it keeps."""

    link_id: LinkId
    expires_at: float
    state: LinkState = LinkState.OPEN
    binding: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in (LinkState.OPEN, LinkState.BOUND)

    def next_state(self, trigger: LinkTrigger) -> LinkState:
        """Raises NotAllowedError when the table has no such transition."""
        try:
            return TRANSITIONS[self.state, trigger]
        except KeyError:
            raise NotAllowedError(f"cannot {trigger} the companion link: it is {self.state}") from None
