"""When the keys of a foreign issuer are asked for; the asking itself is tested against an issuer on loopback."""

from bridge.clock import ManualClock
from bridge.settings.web import Issuer
from signaling.web.access.issuer import FETCH_PAUSE_S, ForeignIssuer

HEADER = {"alg": "RS256", "kid": "one"}


async def test_keys_are_asked_for_when_missing_and_not_again_at_once() -> None:
    clock = ManualClock(100.0)
    issuer = ForeignIssuer(Issuer(name="i", jwks_url="http://127.0.0.1:9/none"), clock)
    assert issuer.lacks(HEADER)
    assert not issuer.lacks({"alg": "HS256", "kid": "one"}), "a shared secret is never a foreign key"
    assert not issuer.lacks({})
    await issuer.prepare(HEADER)
    assert issuer.fetches == 1
    assert issuer.key(HEADER) is None
    assert not issuer.lacks(HEADER), "nobody answers: wait"
    await issuer.prepare(HEADER)
    assert issuer.fetches == 1
    clock.advance(FETCH_PAUSE_S)
    assert issuer.lacks(HEADER)
