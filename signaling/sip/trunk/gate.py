"""Who must prove who they are before a request of theirs is heard: challenges, nonces and their counts, no I/O.

A nonce is the time it was made and our signature of it, so that nothing is kept for those who are only asked.
"""

import hmac
import math
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from bridge.errors import ParseError
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.digest import (
    Challenge,
    Credentials,
    compute_response,
    parse_credentials,
    serialize_challenge,
)
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Headers, Request

NONCE_LIFETIME_S = 300.0
MAX_NONCES = 4096  # whose counts are remembered; one that is forgotten must be asked for anew
REALM = "warmbridge"


class Verdict(Enum):
    PROVED = auto()
    ABSENT = auto()  # no credentials
    STALE = auto()  # right, but the nonce is too old, or its counts are forgotten
    WRONG = auto()
    REPLAYED = auto()  # a count that was used before


class Gate:
    """`token_hex` is chance, as `secrets.token_hex` makes it."""

    __slots__ = ("_counts", "_forgotten_before", "_key", "_token_hex", "_trunks", "replayed", "wrong")

    def __init__(self, trunks: Trunks, token_hex: Callable[[int], str]) -> None:
        self._trunks = trunks
        self._token_hex = token_hex
        self._key = token_hex(32).encode()
        self._counts: dict[str, int] = {}  # the highest of each nonce, in the order of first use
        self._forgotten_before = -math.inf
        self.wrong = 0
        self.replayed = 0

    def check(self, request: Request, now: float) -> tuple[Verdict, Trunk | None]:
        """Whose credentials the request has, if they are good. Each count of a nonce is good once."""
        value = next((value for name, value in request.headers if name == "Authorization"), "")
        if not value:
            return Verdict.ABSENT, None
        verdict, trunk = self._judge(value, request.method, now)
        self.wrong += verdict is Verdict.WRONG
        self.replayed += verdict is Verdict.REPLAYED
        return verdict, trunk if verdict is Verdict.PROVED else None

    def challenges(self, verdict: Verdict, trunk: Trunk, now: float) -> Headers:
        """For a 401 to a caller of `trunk`: the best algorithm first (RFC 8760 section 2.4)."""
        nonce, stale = self._make_nonce(now), verdict in (Verdict.STALE, Verdict.REPLAYED)
        return tuple(
            ("WWW-Authenticate", serialize_challenge(Challenge(REALM, nonce, algorithm, stale=stale)))
            for algorithm in trunk.digests
        )

    def _judge(self, value: str, method: str, now: float) -> tuple[Verdict, Trunk | None]:
        try:
            credentials = parse_credentials(value)
            count = int(credentials.nonce_count, 16)
        except (ParseError, ValueError):
            return Verdict.WRONG, None
        trunk = self._trunks.by_username(credentials.username)
        if trunk is None or not _is_answer(credentials, method, trunk):
            return Verdict.WRONG, None
        made_at = self._made_at(credentials.nonce)
        if made_at is None or now - made_at > NONCE_LIFETIME_S or made_at <= self._forgotten_before:
            return Verdict.STALE, None
        if count <= self._counts.get(credentials.nonce, 0):
            return Verdict.REPLAYED, None
        self._remember(credentials.nonce, count)
        return Verdict.PROVED, trunk

    def _remember(self, nonce: str, count: int) -> None:
        if nonce not in self._counts and len(self._counts) >= MAX_NONCES:
            oldest = next(iter(self._counts))
            del self._counts[oldest]
            # What is forgotten must not be good again: nothing as old as it is taken any more.
            self._forgotten_before = max(self._forgotten_before, self._made_at(oldest) or 0.0)
        self._counts[nonce] = count

    def _make_nonce(self, now: float) -> str:
        made_at = f"{round(now * 1000):x}-{self._token_hex(4)}"
        return f"{made_at}.{self._sign(made_at)}"

    def _made_at(self, nonce: str) -> float | None:
        """None for one that is not ours, or was made before a restart."""
        made_at, _, signature = nonce.partition(".")
        if not _is_same(self._sign(made_at), signature):
            return None
        return int(made_at.partition("-")[0], 16) / 1000

    def _sign(self, text: str) -> str:
        octets = text.encode("utf-8", "surrogateescape")
        return hmac.new(self._key, octets, "sha256").hexdigest()[:32]


def trunk_of(trunks: Trunks, request: Request, flow: Flow) -> Trunk | None:
    """By its network, else by the user whose credentials passed the gate."""
    trunk = trunks.of(flow.host)
    if trunk is not None:
        return trunk
    for name, value in request.headers:
        if name == "Authorization":
            with suppress(ParseError):
                return trunks.by_username(parse_credentials(value).username)
    return None


def _is_answer(credentials: Credentials, method: str, trunk: Trunk) -> bool:
    if credentials.realm != REALM or credentials.qop != "auth" or credentials.algorithm not in trunk.digests:
        return False
    expected = compute_response(credentials, method, trunk.password)
    return _is_same(expected, credentials.response)


def _is_same(ours: str, theirs: str) -> bool:
    """In the same time wherever they differ; theirs may be no UTF-8."""
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))
