"""What legs can, read off their negotiation, their connection and the paths of their video; told to the desk."""

from contextlib import suppress

from bridge.desk import commands
from bridge.desk.interaction.capability import Ability, Capabilities
from bridge.errors import NotAllowedError, NotFoundError
from bridge.ids import TrackId
from bridge.plane import messages
from bridge.switchboard.door.principal import VIDEO_USE
from bridge.switchboard.performance.leg import BrowserLeg, Leg, PhoneLeg
from bridge.switchboard.performance.picture import sources_of
from bridge.switchboard.wiring import Wiring

NOT_SENT = "the phone sends no video now"
NOT_CONNECTED = "the browser is not connected"
NO_CAMERA = "the browser sends no camera"
NO_SCOPE = f"the token lacks the scope {VIDEO_USE}: voice only"
_NONE = "none"  # PathChosen's word for a picture that cannot be shown


class Equipment:
    """`note` is called whenever something about a leg may have changed; the desk keeps what is new."""

    __slots__ = ("_wiring",)

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    async def note(self, leg: Leg) -> None:
        """Returns when it is on disk."""
        with suppress(NotAllowedError, NotFoundError):  # left meanwhile
            await self._wiring.ledger.carry_out(self._command(leg))

    def note_soon(self, leg: Leg) -> None:
        """For callers that must not wait."""
        with suppress(NotAllowedError, NotFoundError):
            self._wiring.ledger.begin(self._command(leg))

    def path_chosen(self, viewer: Leg, event: messages.PathChosen) -> None:
        """A picture that no viewer can be shown is none, whatever was negotiated."""
        source = self._source(viewer, event.mid)
        if source is None:
            return
        viewer.paths[source] = (event.path, event.reason)
        self.note_soon(viewer)
        siblings = self._wiring.legs.of(viewer.interaction_id)
        shown = next((leg for leg in siblings if source in sources_of(leg)), None)
        if shown is not None:
            self.note_soon(shown)

    def capabilities(self, leg: Leg) -> Capabilities:
        if isinstance(leg, PhoneLeg):
            return phone_capabilities(leg, self._blocked(leg))
        return self._browser_capabilities(leg)

    def _command(self, leg: Leg) -> commands.SetCapabilities:
        capabilities = self.capabilities(leg)
        return commands.SetCapabilities(leg.interaction_id, leg.participant_id, leg.leg_id, capabilities)

    def _browser_capabilities(self, leg: BrowserLeg) -> Capabilities:
        if not leg.connected:
            return Capabilities(no_video=NOT_CONNECTED)
        session, blocked = leg.session, self._blocked(leg)
        not_shown = not_shown_on(leg)
        sees = leg.takes_video and session.receives("video") and not not_shown
        camera = session.sends("video")
        return Capabilities(
            Ability(session.sends("audio"), session.receives("audio")),
            Ability(camera and not blocked, sees),
            Ability(session.sends("screen"), sees),
            blocked if camera else (NO_CAMERA if leg.takes_video else NO_SCOPE),
            not_shown,
        )

    def _blocked(self, leg: Leg) -> str:
        """Why none of those who should see this leg's camera can, or ""."""
        sources = sources_of(leg)
        paths = [
            path
            for viewer in self._wiring.legs.of(leg.interaction_id)
            if viewer is not leg and not viewer.closing
            for source, path in viewer.paths.items()
            if source in sources
        ]
        if not paths or any(path != _NONE for path, _ in paths):
            return ""
        return paths[0][1]

    def _source(self, viewer: Leg, mid: str) -> TrackId | None:
        if isinstance(viewer, PhoneLeg):
            return viewer.shown
        declared = viewer.declared.down_tracks if viewer.declared is not None else ()
        return next((down.source for down in declared if down.mid == mid), None)


def phone_capabilities(leg: PhoneLeg, blocked: str = "") -> Capabilities:
    """Media as negotiated now, the phone's own hold included.

    `blocked` is why nobody can be shown its picture, or "".
    """
    audio, video = leg.session.audio, leg.session.video
    speaks = Ability()
    if audio is not None:  # whom we hold could speak
        speaks = Ability(audio.receives or leg.session.held, audio.sends)
    if video is None:
        return Capabilities(speaks, no_video=leg.session.no_video)
    shows = (video.receives or leg.session.held) and not blocked
    sees = video.sends or leg.session.held
    not_shown = not_shown_on(leg) if sees else ""
    return Capabilities(
        speaks,
        Ability(shows, sees and not not_shown),
        no_video="" if shows else blocked or NOT_SENT,
        not_shown=not_shown,
    )


def not_shown_on(leg: Leg) -> str:
    """Why it can be shown none of the pictures there are for it, or ""."""
    wanted = leg.sources if isinstance(leg, BrowserLeg) else {leg.shown}
    paths = [path for source, path in leg.paths.items() if source in wanted]
    return paths[0][1] if paths and all(kind == _NONE for kind, _ in paths) else ""
