"""Where else a call may go: the contacts of 3xx responses, each tried once (RFC 3261 section 8.1.3.4)."""

from contextlib import suppress

from bridge.errors import ParseError
from signaling.sip.wire.flow import is_available
from signaling.sip.wire.message import Response
from signaling.sip.wire.uri import NameAddress, parse_name_address, parse_uri

MAX_TARGETS = 8  # one call goes to; a chain of servers that send it on and on ends here
# 380 names other services, not other places; a body of ours would not fit them.
FOLLOWED = frozenset({300, 301, 302, 305})


class Redirection:
    """The targets of one call: those it went to, and those still to be tried, best first."""

    __slots__ = ("_seen", "_waiting")

    def __init__(self, target: str) -> None:
        self._seen = {_identity_of(target)}
        self._waiting: list[str] = []

    def take(self, response: Response) -> None:
        """Learns the contacts of a 3xx: those nobody tried yet, over transports there are, as far as bounds go."""
        found: list[tuple[float, str]] = []
        for contact in response.every("Contact"):
            with suppress(ParseError):
                address = parse_name_address(contact)
                target = address.uri.partition("?")[0]
                if is_available(parse_uri(target)):
                    found.append((_preference(address), target))
        fresh: list[str] = []
        for _, target in sorted(found, key=lambda entry: -entry[0]):
            if _identity_of(target) not in self._seen and len(self._seen) < MAX_TARGETS:
                self._seen.add(_identity_of(target))
                fresh.append(target)
        self._waiting = fresh + self._waiting

    def next_target(self) -> str | None:
        """The next URI to try, None if there is none left."""
        return self._waiting.pop(0) if self._waiting else None


def _identity_of(target: str) -> tuple[str, str, int | None, str]:
    """What makes two targets the same place (a simple form of section 19.1.4)."""
    uri = parse_uri(target)
    return (uri.user, uri.host.lower(), uri.port, (uri.parameter("transport") or "").lower())


def _preference(address: NameAddress) -> float:
    """q, from 0 to 1; 1 without one."""
    try:
        return min(1.0, max(0.0, float(address.parameter("q") or "1")))
    except ValueError:
        return 0.0
