"""Answers to the challenges of trunks we call through: one user each, nonces counted (RFC 3261 section 22)."""

from collections.abc import Mapping

import msgspec

from bridge.ids import TrunkId
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.digest import (
    ALGORITHMS,
    Challenge,
    Credentials,
    compute_response,
    parse_challenges,
    serialize_credentials,
)
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Response

_ASKED: Mapping[int, tuple[str, str]] = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
MAX_ATTEMPTS = 2  # nonces of one place that a request answers: the first may be an old one
MAX_PLACES = 2  # of a trunk that are answered unasked: its proxy, what stands behind it; the oldest goes
MAX_ASKERS = 4  # of one request: some servers of a trunk have a realm each, and none has a new one each time

Place = tuple[str, str]  # who asks: the header for the answer, and the realm
Attempts = dict[Place, set[str]]  # the nonces that one request answered


class _Asked:
    """The last challenge of a place, and how often it was answered."""

    __slots__ = ("challenge", "count")

    def __init__(self, challenge: Challenge) -> None:
        self.challenge = challenge
        self.count = 0


class Authorizer:
    """Remembers the last challenges of each trunk, so that requests after the first are not challenged again.

    A trunk's proxy may ask (407), and then what stands behind it (401): a request carries the answers to all.
    """

    __slots__ = ("_asked", "_identity", "_trunks", "refused")

    def __init__(self, identity: LocalIdentity, trunks: Trunks) -> None:
        self._identity = identity
        self._trunks = trunks
        self._asked: dict[TrunkId, dict[Place, _Asked]] = {}
        self.refused = 0  # challenges that came again although they were answered

    def headers(self, trunk_id: TrunkId, method: str, uri: str, attempts: Attempts) -> Headers:
        """What a request to this trunk carries, noted in its `attempts`; nothing while it has not asked."""
        trunk = self._trunks.get(trunk_id)
        if trunk is None:
            return ()
        found = []
        for place, asked in self._asked.get(trunk_id, {}).items():
            attempts.setdefault(place, set()).add(asked.challenge.nonce)
            asked.count += 1
            found.append((place[0], self._answer(trunk, asked, method, uri)))
        return tuple(found)

    def take(self, trunk_id: TrunkId, response: Response, attempts: Attempts) -> bool:
        """Learns the challenges of a 401 or 407. False if one is not to be answered: by whom, or not again."""
        trunk, names = self._trunks.get(trunk_id), _ASKED.get(response.status)
        if names is None or trunk is None or not trunk.username:
            return False
        challenges = _best([value for name, value in response.headers if name == names[0]])
        places = {(names[1], challenge.realm): challenge for challenge in challenges[:MAX_PLACES]}
        known = self._asked.setdefault(trunk_id, {})
        answered = [
            place for place, challenge in places.items() if _is_answered(challenge, attempts.get(place))
        ]
        if answered or not places or len(attempts.keys() | places.keys()) > MAX_ASKERS:
            self.refused += bool(places)
            for place in answered:
                known.pop(place, None)
            return False
        for place, challenge in places.items():
            known.pop(place, None)
            if len(known) >= MAX_PLACES:
                del known[next(iter(known))]
            known[place] = _Asked(challenge)
        return True

    def _answer(self, trunk: Trunk, asked: _Asked, method: str, uri: str) -> str:
        challenge = asked.challenge
        credentials = Credentials(
            username=trunk.username,
            realm=challenge.realm,
            nonce=challenge.nonce,
            uri=uri,
            response="",
            algorithm=challenge.algorithm,
            qop="auth" if challenge.has_qop else "",
            cnonce=self._identity.new_tag(),
            nonce_count=f"{asked.count:08x}",
            opaque=challenge.opaque,
        )
        response = compute_response(credentials, method, trunk.password)
        return serialize_credentials(msgspec.structs.replace(credentials, response=response))


def _is_answered(challenge: Challenge, nonces: set[str] | None) -> bool:
    """It asks once more although it had the answer to this very nonce, or to two."""
    return nonces is not None and (challenge.nonce in nonces or len(nonces) >= MAX_ATTEMPTS)


def _best(values: list[str]) -> list[Challenge]:
    """Of each realm the first of the strongest algorithm: what stands before it may have been put there on the way."""
    challenges = parse_challenges(values)
    ranked = [c for algorithm in ALGORITHMS for c in challenges if c.algorithm == algorithm]
    best: dict[str, Challenge] = {}
    for challenge in ranked:
        best.setdefault(challenge.realm, challenge)
    return list(best.values())
