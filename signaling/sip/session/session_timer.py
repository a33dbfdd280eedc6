"""Session timers: a call that nobody refreshes is over, even if nobody says BYE (RFC 4028)."""

from enum import Enum, auto

import msgspec

from signaling.sip.transaction.deadlines import earliest
from signaling.sip.wire.message import Headers, Request, Response

TAG = "timer"
MIN_SE_S = 90  # section 5
RETRY_S = 10.0  # a refresh that could not be made is tried again, as long as there is time
MAX_RAISES = 8  # longer intervals one after the other that others may ask for: each proxy on the way may
MAX_INTERVAL_S = 86_400  # a day; whoever says more is refreshed every twelve hours
# Refusals of an offer that only somebody gives who is in the call: not a proxy for a phone that is gone.
_STILL_THERE = (405, 415, 488, 491, 501, 606)


class Due(Enum):
    REFRESH = auto()
    EXPIRED = auto()


class Interval(msgspec.Struct, frozen=True):
    """What was agreed: for how long a refresh lasts, and whether it is our turn."""

    seconds: int
    we_refresh: bool


class SessionTimer:
    """The clock of one call. Off until `start`."""

    __slots__ = ("_expires_at", "_raises", "_refresh_at", "interval", "refreshing", "wanted_s")

    def __init__(self) -> None:
        self.wanted_s = 0  # what we ask for, 0 if we do not
        self.interval: Interval | None = None
        self.refreshing = False  # a refresh of ours waits for its answer
        self._raises = 0
        self._refresh_at: float | None = None
        self._expires_at: float | None = None

    def start(self, interval: Interval | None, now: float) -> None:
        """From the beginning again; None: the call has no timer any more."""
        self.interval = interval
        self._raises = 0
        self._refresh_at = self._expires_at = None
        if interval is not None:
            # Section 10: half of it for the refresh, and BYE a little before the end.
            self._refresh_at = now + interval.seconds / 2 if interval.we_refresh else None
            self._expires_at = now + interval.seconds - min(32.0, interval.seconds / 3)

    def timer(self) -> float | None:
        return earliest(self._refresh_at, self._expires_at)

    def take_due(self, now: float) -> Due | None:
        if self._expires_at is not None and self._expires_at <= now:
            self.start(None, now)
            return Due.EXPIRED
        if self._refresh_at is not None and self._refresh_at <= now:
            self._refresh_at = now + RETRY_S
            return None if self.refreshing else Due.REFRESH
        return None

    def request_headers(self) -> Headers:
        """For an INVITE or UPDATE of ours; the roles are those of this request (section 7.1)."""
        if self.interval is not None:
            refresher = "uac" if self.interval.we_refresh else "uas"
            return (("Session-Expires", f"{self.interval.seconds};refresher={refresher}"), _min_se())
        if self.wanted_s:
            return (("Session-Expires", str(self.wanted_s)), _min_se())
        return ()

    def learn(self, response: Response, now: float) -> None:
        """A 2xx to a request of ours: it says what holds from now on (section 7.2).

        One without a word of timers ends them, but not the ones that we keep for a phone that knows none:
        with every refresh it would be the last otherwise, and a phone that dies after it never found out.
        """
        agreed = parse_session_expires(response.first("Session-Expires"))
        if agreed is None:
            alone = self.interval is not None and self.interval.we_refresh
            self.start(self.interval if alone and TAG not in response.every("Supported") else None, now)
        else:
            seconds, refresher = agreed
            we_refresh, seconds = refresher != "uas", max(seconds, MIN_SE_S)
            self.start(Interval(min(seconds, MAX_INTERVAL_S) if we_refresh else seconds, we_refresh), now)

    def learn_refusal(self, status: int, now: float) -> None:
        """A phone that will not be refreshed, but is there to say so, must not lose its call for it."""
        if self.interval is not None and self.interval.we_refresh and status in _STILL_THERE:
            self.start(self.interval, now)

    def raise_to(self, response: Response) -> bool:
        """After a 422: True if a longer interval is worth another try (section 7.4)."""
        least = parse_delta(response.first("Min-SE"))
        current = self.interval.seconds if self.interval is not None else self.wanted_s
        if least is None or least <= current or least > MAX_INTERVAL_S or self._raises >= MAX_RAISES:
            return False
        self._raises += 1
        if self.interval is not None:
            self.interval = Interval(least, self.interval.we_refresh)
        else:
            self.wanted_s = least
        return True


def is_too_short(request: Request) -> bool:
    """Section 9: only who knows of timers can be told 422."""
    theirs = parse_session_expires(request.first("Session-Expires"))
    return theirs is not None and theirs[0] < MIN_SE_S and TAG in request.every("Supported")


def agree(request: Request, wanted_s: int) -> Interval | None:
    """What our 2xx to an INVITE or UPDATE agrees to (section 9); None: no timer."""
    theirs = parse_session_expires(request.first("Session-Expires"))
    if theirs is None and not wanted_s:
        return None
    lengths = [length for length in (theirs[0] if theirs else 0, wanted_s) if length]
    least = parse_delta(request.first("Min-SE")) or MIN_SE_S
    seconds = min(MAX_INTERVAL_S, max(min(lengths, default=0), least, MIN_SE_S))
    if TAG not in request.every("Supported"):
        return Interval(seconds, we_refresh=True)
    # Who asked for the timer keeps it, unless it says otherwise.
    refresher = theirs[1] or "uac" if theirs is not None else "uas"
    return Interval(seconds, refresher != "uac")


def response_headers(interval: Interval | None) -> Headers:
    """For the 2xx that agrees."""
    if interval is None:
        return ()
    refresher = "uas" if interval.we_refresh else "uac"
    expires = ("Session-Expires", f"{interval.seconds};refresher={refresher}")
    return (expires,) if interval.we_refresh else (("Require", TAG), expires)


def agreed_in(success: Response) -> Interval | None:
    """What a 2xx of ours agreed to, as `response_headers` said it."""
    said = parse_session_expires(success.first("Session-Expires"))
    return None if said is None else Interval(said[0], said[1] != "uac")


def min_se_headers() -> Headers:
    """For a 422."""
    return (_min_se(),)


def parse_session_expires(text: str) -> tuple[int, str] | None:
    """Seconds and refresher ("" if not said); None without the header or without sense."""
    if not text:
        return None  # nearly always
    seconds_text, _, parameters = text.partition(";")
    seconds = parse_delta(seconds_text)
    if seconds is None:
        return None
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "refresher" and value.strip().lower() in ("uac", "uas"):
            return seconds, value.strip().lower()
    return seconds, ""


def parse_delta(text: str) -> int | None:
    """delta-seconds, parameters left out; None for anything else."""
    number = text.partition(";")[0].strip()
    return int(number) if number.isascii() and number.isdigit() and len(number) < 12 else None


def _min_se() -> tuple[str, str]:
    return ("Min-SE", str(MIN_SE_S))
