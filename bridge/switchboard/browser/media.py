"""Use cases of a desktop's own media: it offers, answers, and looks for a way to the media port."""

from bridge.ids import InteractionId, LegId
from bridge.switchboard.browser.browsers import Browsers
from bridge.switchboard.browser.desktops import Desktops
from bridge.switchboard.door.principal import ROUTING_WRITE, Principal
from bridge.switchboard.view.view import MediaAnswer, MediaProbe


class BrowserMedia:
    """The commands; the legs they are about are kept by `browsers`."""

    __slots__ = ("_browsers", "_desktops")

    def __init__(self, browsers: Browsers, desktops: Desktops) -> None:
        self._browsers = browsers
        self._desktops = desktops

    async def offer(self, principal: Principal, interaction_id: InteractionId, sdp: str) -> MediaAnswer:
        """First and later offers of the caller's own browser leg. GlareError while ours is unanswered."""
        self._desktops.seen(principal)
        return await self._browsers.offer_media(principal, interaction_id, sdp)

    async def answer(self, principal: Principal, leg_id: LegId, sdp: str) -> None:
        """The answer to the offer that went out as `MediaOffered`."""
        self._desktops.seen(principal)
        await self._browsers.answer_media(principal, leg_id, sdp)

    async def trickle(self, principal: Principal, leg_id: LegId, candidate: str) -> None:  # noqa: ARG002
        """Checks that the leg is the caller's own; ICE-lite needs no remote candidates."""
        self._desktops.seen(principal)
        self._browsers.check_own(principal, leg_id)

    def probe(self, principal: Principal) -> MediaProbe:
        """What the desktop checks its way to the media port with, for its proof of readiness."""
        principal.require(ROUTING_WRITE)
        return self._browsers.probe()
