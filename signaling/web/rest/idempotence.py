"""`Idempotency-Key`: the same request again gets the answer of the first, also after a restart."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.responses import Response

from bridge.clock import Clock
from bridge.errors import ParseError
from bridge.journal.answer import IdempotencyMemory, StoredAnswer
from bridge.journal.schema import Write
from signaling.web.http.problem import InFlightError, ReusedKeyError

KEY_MAX_CHARACTERS = 255
# Of the answer's headers only these belong to it; the others belong to the way it is sent.
KEPT_HEADERS = ("content-type", "etag", "location")
FORGET_EVERY_S = 600.0
# Not the answer to the command but to its circumstances: the next try may fare better.
_NOT_KEPT = frozenset({401, 412, 429})
IN_FLIGHT_MAX = 10_000  # as many requests are never open at once

log = structlog.get_logger()

Render = Callable[[bool], Response]


class PendingAnswer:
    """The answer of one request, made at the moment of its step (`bridge.switchboard.door.receipt.Receipt`).

    `render` is told whether the step changed anything. Without a `keep` the answer is made but not kept.
    """

    __slots__ = ("_keep", "render", "response")

    def __init__(self, keep: Callable[[Response], Sequence[Write]] | None = None) -> None:
        self._keep = keep
        self.render: Render | None = None
        self.response: Response | None = None

    def writes(self, *, changed: bool) -> Sequence[Write]:
        if self.render is None:
            return ()
        try:
            self.response = self.render(changed)
            return self._keep(self.response) if self._keep is not None else ()
        except Exception:
            # The step has happened. Its answer is made again later, from what there is then.
            log.exception("! answer")
            return ()


class Idempotence:
    """Lets the first request with a key pass and answers the others."""

    def __init__(self, memory: IdempotencyMemory, clock: Clock, lifetime_s: float) -> None:
        self._memory = memory
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._in_flight: dict[tuple[str, str], str] = {}
        self._forget_at = 0.0
        self.replayed = 0

    async def answer(
        self, owner: str, key: str, request: bytes, carry_out: Callable[[PendingAnswer], Awaitable[Response]]
    ) -> Response:
        """`request` is what must be the same: method, path and body. Raises what stands in the way."""
        _check_key(key)
        place, fingerprint = (owner, key), hashlib.sha256(request).hexdigest()
        self._require_free(place, fingerprint)
        self._in_flight[place] = fingerprint
        try:
            wall = self._clock.wall()
            stored = await self._memory.find(owner, key, wall - self._lifetime_s)
            if stored is not None:
                return self._again(stored, fingerprint)
            pending = PendingAnswer(lambda response: self._rows(place, fingerprint, response, wall))
            response = await carry_out(pending)
            if pending.response is not response and _is_kept(response):
                await self._memory.write(*self._rows(place, fingerprint, response, wall))
            await self._forget()
            return response
        finally:
            del self._in_flight[place]

    def _require_free(self, place: tuple[str, str], fingerprint: str) -> None:
        running = self._in_flight.get(place)
        if running is None:
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                raise InFlightError("too many requests are being carried out")
            return
        if running != fingerprint:
            raise ReusedKeyError("this Idempotency-Key is in use for another request: take a new key")
        raise InFlightError("the first request with this Idempotency-Key is still being carried out")

    def _again(self, stored: StoredAnswer, fingerprint: str) -> Response:
        if stored.fingerprint != fingerprint:
            raise ReusedKeyError("this Idempotency-Key was used for another request: take a new key")
        self.replayed += 1
        headers = {**stored.headers, "Idempotency-Replayed": "true"}
        return Response(stored.body, stored.status, headers)

    def _rows(
        self, place: tuple[str, str], fingerprint: str, response: Response, wall: float
    ) -> Sequence[Write]:
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        answer = StoredAnswer(fingerprint, response.status_code, bytes(response.body), headers)
        return self._memory.keep(*place, answer, wall)

    async def _forget(self) -> None:
        now = self._clock.now()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_S
            await self._memory.forget(self._clock.wall() - self._lifetime_s)


def _check_key(key: str) -> None:
    if not 0 < len(key) <= KEY_MAX_CHARACTERS or not key.isascii() or not key.isprintable():
        raise ParseError(f"Idempotency-Key: 1 to {KEY_MAX_CHARACTERS} printable ASCII characters")


def _is_kept(response: Response) -> bool:
    return response.status_code < 500 and response.status_code not in _NOT_KEPT
