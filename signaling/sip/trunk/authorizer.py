"""Answers to the challenges of trunks we call through: one user each, nonces counted (RFC 3261 section 22)."""

from collections.abc import Mapping

import msgspec

from bridge.ids import TrunkId
from signaling.sip.trunk.trunk import Trunks
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
MAX_ATTEMPTS = 2  # answers to one request: the first nonce may be an old one


class _Asked:
    """The last challenge of a trunk, and how often it was answered."""

    __slots__ = ("challenge", "count", "header")

    def __init__(self, challenge: Challenge, header: str) -> None:
        self.challenge = challenge
        self.header = header
        self.count = 0


class Authorizer:
    """Remembers one challenge for each trunk, so that requests after the first are not challenged again."""

    __slots__ = ("_asked", "_identity", "_trunks", "refused")

    def __init__(self, identity: LocalIdentity, trunks: Trunks) -> None:
        self._identity = identity
        self._trunks = trunks
        self._asked: dict[TrunkId, _Asked] = {}
        self.refused = 0  # challenges that came again although they were answered

    def headers(self, trunk_id: TrunkId, method: str, uri: str) -> Headers:
        """What a request to this trunk carries; nothing while it has not asked."""
        trunk, asked = self._trunks.get(trunk_id), self._asked.get(trunk_id)
        if trunk is None or asked is None:
            return ()
        asked.count += 1
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
        return (
            (asked.header, serialize_credentials(msgspec.structs.replace(credentials, response=response))),
        )

    def take(self, trunk_id: TrunkId, response: Response, attempts: int) -> bool:
        """Learns the challenge of a 401 or 407. False if it is not to be answered: by whom, or not again."""
        trunk, names = self._trunks.get(trunk_id), _ASKED.get(response.status)
        if names is None or trunk is None or not trunk.username:
            return False
        challenge = _best([value for name, value in response.headers if name == names[0]])
        if challenge is None:
            return False
        if attempts >= MAX_ATTEMPTS or (attempts and self._knows(trunk_id, challenge)):
            self.refused += 1
            self._asked.pop(trunk_id, None)
            return False
        self._asked[trunk_id] = _Asked(challenge, names[1])
        return True

    def _knows(self, trunk_id: TrunkId, challenge: Challenge) -> bool:
        asked = self._asked.get(trunk_id)
        return asked is not None and asked.challenge.nonce == challenge.nonce


def _best(values: list[str]) -> Challenge | None:
    """The first of the strongest algorithm: what stands before it may have been put there on the way."""
    challenges = parse_challenges(values)
    return next((c for algorithm in ALGORITHMS for c in challenges if c.algorithm == algorithm), None)
