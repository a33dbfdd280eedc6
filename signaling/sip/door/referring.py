"""What becomes of a phone's REFER: the switchboard is asked, the phone is told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from bridge.errors import BridgeError, NotAllowedError, NotFoundError, ParseError
from bridge.switchboard.doors import Corridor
from signaling.sip.door.call_leg import CallLeg
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.trunk.refusal import status_of
from signaling.sip.wire.flow import DEFAULT_PORT
from signaling.sip.wire.message import Headers
from signaling.sip.wire.uri import parse_uri, unescape


class Referrers:
    """Who sent whom where, while that is tried: what the INVITE to them says of it (RFC 3892)."""

    __slots__ = ("_by_target",)

    def __init__(self) -> None:
        self._by_target: dict[str, list[str]] = {}  # as many as REFERs are tried, of which each call has one

    @contextmanager
    def naming(self, targets: Iterable[str], referrer: str) -> Iterator[None]:
        """Within it calls to `targets` are known to be sent by `referrer`, "" if that is not to be told."""
        known = tuple(dict.fromkeys(targets))
        for target in known:
            self._by_target.setdefault(target, []).append(referrer)
        try:
            yield
        finally:
            for target in known:
                self._by_target[target].remove(referrer)
                if not self._by_target[target]:
                    del self._by_target[target]

    def headers(self, target: str) -> Headers:
        """For an INVITE to `target`; two who send different people there at once are both left out."""
        names = set(self._by_target.get(target, ()))
        (name,) = names if len(names) == 1 else ("",)
        return (("Referred-By", f"<{name}>"),) if name else ()


class Referring:
    """One REFER of one call. `run` goes on when the call ends: most phones hang up once they hear 202."""

    __slots__ = ("_accepted", "_endpoint", "_leg")

    def __init__(self, endpoint: SipEndpoint, leg: CallLeg) -> None:
        self._endpoint = endpoint
        self._leg = leg
        self._accepted = False

    async def run(self, corridor: Corridor, target: str) -> None:
        try:
            status = await corridor.refer(self._leg.leg_id, target, self._accept)
        except BridgeError as error:
            status = status_of(error)
            self._leg.log.info("x refer", reason=error.reason)
        except Exception:
            status = 500
            self._leg.log.exception("! refer failed")
        self._tell(status)

    def _accept(self) -> None:
        self._accepted = True
        with suppress(NotFoundError, NotAllowedError):
            self._endpoint.agent.accept_referral(self._leg.call, self._endpoint.now())
        self._endpoint.flush()

    def _tell(self, status: int) -> None:
        agent, call, now = self._endpoint.agent, self._leg.call, self._endpoint.now()
        with suppress(NotFoundError, NotAllowedError):  # the call is over, as it should be
            if self._accepted:
                agent.finish_referral(call, status, now)
            else:
                agent.reject_referral(call, status, now)
        self._endpoint.flush()


def dialed_target(target: str, own_hosts: Iterable[str], own_port: int) -> str:
    """A number if it is one, or if the phone names us as its exchange; else the URI."""
    if target.lower().startswith("tel:"):
        return target[4:].partition(";")[0]
    with suppress(ParseError):
        uri = parse_uri(target)
        ours = uri.host in own_hosts and (uri.port or DEFAULT_PORT) == own_port
        if uri.user and not uri.headers and ours:
            return unescape(uri.user.partition(";")[0])
    return target
