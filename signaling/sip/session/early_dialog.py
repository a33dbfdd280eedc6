"""A phone that our INVITE rings at, before anybody answered (RFC 3261 section 12.1, RFC 3262 section 4)."""

from signaling.sip.session.dialog import Dialog
from signaling.sip.wire.message import Response

MAX_RSEQ = 2**32 - 1


class EarlyDialog:
    """One of several if the INVITE was forked. `answer` is the SDP it gave reliably: that holds, no later one."""

    __slots__ = ("answer", "dialog", "rseq")

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.rseq: int | None = None
        self.answer = ""

    def takes(self, rseq: int) -> bool:
        """Whether a reliable response is the next in order; one that is not must not be acknowledged."""
        if self.rseq is not None and rseq != self.rseq + 1:
            return False
        self.rseq = rseq
        return True


def reliable_number(response: Response) -> int | None:
    """RSeq of a provisional response that wants a PRACK; None if it wants none, or says it without sense."""
    text = response.first("RSeq")
    if "100rel" not in response.every("Require") or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) < 12 and 0 < int(text) <= MAX_RSEQ else None
