"""What becomes of a phone's REFER: the switchboard is asked, the phone is told."""

from collections.abc import Iterable
from contextlib import suppress

from bridge.errors import BridgeError, NotAllowedError, NotFoundError, ParseError
from bridge.ids import LegId
from bridge.switchboard.door.doors import Corridor
from signaling.sip.door.call_leg import CallLeg
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.trunk.refusal import status_of
from signaling.sip.wire.flow import DEFAULT_PORT
from signaling.sip.wire.message import Headers
from signaling.sip.wire.uri import parse_uri, unescape


class Referrers:
    """Who sent the calls that are being made for them: what their INVITEs say of it (RFC 3892)."""

    __slots__ = ("_by_leg",)

    def __init__(self) -> None:
        self._by_leg: dict[LegId, str] = {}  # as many as REFERs are tried, of which each call has one

    def name(self, leg_id: LegId, referrer: str) -> None:
        """This leg is dialed for `referrer`, "" if that is not to be told."""
        self._by_leg[leg_id] = referrer

    def forget(self, leg_id: LegId) -> None:
        self._by_leg.pop(leg_id, None)

    def headers(self, leg_id: LegId) -> Headers:
        """For the INVITE of a leg, whichever way it goes."""
        name = self._by_leg.get(leg_id, "")
        return (("Referred-By", f"<{name}>"),) if name else ()


class Referring:
    """One REFER of one call. `run` goes on when the call ends: most phones hang up once they hear 202.

    `referrer` is who may be told to have sent it, "" for nobody.
    """

    __slots__ = ("_dialed", "_endpoint", "_leg", "_number", "_referrer", "_referrers")

    def __init__(self, endpoint: SipEndpoint, leg: CallLeg, referrers: Referrers, referrer: str) -> None:
        self._endpoint = endpoint
        self._leg = leg
        self._referrers = referrers
        self._referrer = referrer
        self._dialed: LegId | None = None
        self._number: int | None = None  # once it is accepted

    async def run(self, corridor: Corridor, target: str) -> None:
        try:
            await self._run(corridor, target)
        finally:
            if self._dialed is not None:
                self._referrers.forget(self._dialed)

    async def _run(self, corridor: Corridor, target: str) -> None:
        try:
            status = await corridor.refer(self._leg.leg_id, target, self)
        except BridgeError as error:
            status = status_of(error)
            self._leg.log.info("x refer", reason=error.reason)
        except Exception:
            status = 500
            self._leg.log.exception("! refer failed")
        self._tell(status)

    def dials(self, leg_id: LegId) -> None:
        self._dialed = leg_id
        self._referrers.name(leg_id, self._referrer)

    def accepted(self) -> None:
        with suppress(NotFoundError, NotAllowedError):
            self._number = self._endpoint.agent.accept_referral(self._leg.call, self._endpoint.now())
        self._endpoint.flush()

    def _tell(self, status: int) -> None:
        agent, call, now = self._endpoint.agent, self._leg.call, self._endpoint.now()
        with suppress(NotFoundError, NotAllowedError):  # the call is over, as it should be
            if self._number is not None:
                agent.finish_referral(call, self._number, status, now)
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
