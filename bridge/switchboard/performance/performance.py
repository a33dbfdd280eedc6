"""Brings the media plane, the phone and the browsers of one interaction to what was committed."""

from collections.abc import Callable

import msgspec
import structlog

from bridge.clock import Clock
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.errors import BridgeError, CapacityError, NotFoundError, PlaneLostError
from bridge.ids import InteractionId, ParticipantId, TrackId
from bridge.plane import messages
from bridge.switchboard.door.doors import PhoneDoor, Plane, Sounds
from bridge.switchboard.ledger.announcer import Announcer
from bridge.switchboard.performance.leg import BrowserLeg, Leg, Legs, PhoneLeg
from bridge.switchboard.performance.matrix import hearings, may_see
from bridge.switchboard.performance.phone_memory import PhoneMemory
from bridge.switchboard.performance.picture import picture_for, sources_of, tastes_of, wants_video
from bridge.switchboard.performance.reoffers import Reoffers
from bridge.switchboard.performance.sound import RoomSounds
from bridge.switchboard.view.event import MediaEnded, MediaOffered

log = structlog.get_logger()


class Performance:
    """`perform` is called by the conductor, never twice at once for one interaction.

    `on_leg_failed` is told of a leg the plane or the phone refuses: its participant has to go.
    """

    def __init__(
        self,
        plane: Plane,
        legs: Legs,
        announcer: Announcer,
        sounds: Sounds,
        clock: Clock,
        on_leg_failed: Callable[[Leg, str], None],
    ) -> None:
        self._plane = plane
        self._legs = legs
        self._announcer = announcer
        self._sounds = sounds
        self._clock = clock
        self._on_leg_failed = on_leg_failed
        self._phone: PhoneDoor | None = None
        self._memory: PhoneMemory | None = None
        self._reoffers: Reoffers | None = None
        self._rooms: dict[InteractionId, messages.RoomSpec] = {}
        self._room_sounds: dict[InteractionId, RoomSounds] = {}

    def attach(self, phone: PhoneDoor, memory: PhoneMemory, reoffers: Reoffers) -> None:
        self._phone = phone
        self._memory = memory
        self._reoffers = reoffers

    def forget_plane(self) -> None:
        """The worker is gone, and with it all that was declared."""
        self._rooms.clear()
        for leg in self._legs:
            leg.declared = None
            leg.asked = False

    def room_sounds(self, interaction: Interaction) -> RoomSounds:
        return self._room_sounds.setdefault(interaction.interaction_id, RoomSounds(interaction.room_id))

    def room_sounds_of(self, interaction_id: InteractionId) -> RoomSounds | None:
        return self._room_sounds.get(interaction_id)

    async def perform(self, interaction: Interaction) -> None:
        """Legs that go leave first, so that nobody hears a room through them; then the room, then the rest."""
        staying: list[tuple[Leg, Participant]] = []
        leaving: list[tuple[Leg, str]] = []
        for leg in self._legs.of(interaction.interaction_id):
            if not leg.committed:
                continue
            participant = interaction.participant(leg.participant_id)
            # Not `leg_ids`: a leg may be newer than the state that is being performed.
            if participant.is_live and not leg.closing and not _is_released(leg, participant, interaction):
                staying.append((leg, participant))
            else:
                leaving.append((leg, participant.disconnect_reason or "leg replaced"))
        await self._remove_legs(leaving)
        if interaction.ended_at is not None:
            await self._remove_room(interaction)
            return
        await self._declare_room(interaction)
        for leg, participant in staying:
            if isinstance(leg, PhoneLeg):
                await self._perform_phone(leg, participant, interaction)
            else:
                await self._perform_browser(leg, participant, interaction, staying)

    # --- the room -----------------------------------------------------------------------------------------

    async def _declare_room(self, interaction: Interaction) -> None:
        sounds = self._room_sounds.get(interaction.interaction_id)
        playback = sounds.prompt.playback if sounds is not None and sounds.prompt is not None else None
        room = messages.RoomSpec(interaction.room_id, hearings(interaction), playback)
        # One that was never declared is silent: a caller who waits needs none.
        if self._rooms.get(interaction.interaction_id, messages.RoomSpec(interaction.room_id)) != room:
            await self._plane.request(messages.DeclareRoom(0, room))
            self._rooms[interaction.interaction_id] = room

    async def _remove_room(self, interaction: Interaction) -> None:
        self._room_sounds.pop(interaction.interaction_id, None)
        if self._rooms.pop(interaction.interaction_id, None) is not None:
            await self._plane.request(messages.RemoveRoom(0, interaction.room_id))

    # --- phone legs ---------------------------------------------------------------------------------------

    async def _perform_phone(self, leg: PhoneLeg, participant: Participant, interaction: Interaction) -> None:
        leg.shown = picture_for(leg, interaction, self._legs.of(interaction.interaction_id))
        wanted = wants_video(leg, interaction)
        if wanted is not None:
            leg.session.want_video(wanted=wanted)
        try:
            async with leg.lock:
                await self.declare_phone(leg, participant)
        except PlaneLostError:
            raise
        except BridgeError as error:
            self._on_leg_failed(leg, f"{error.code}: {error.reason}")
        else:
            if self._reoffers is not None:
                self._reoffers.direct(leg, held=participant.state is ParticipantState.HELD)

    async def declare_phone(self, leg: PhoneLeg, participant: Participant | None) -> None:
        """Declares the leg if something changed; its lock is held. If it gets another port, it has `moved`."""
        playback = None
        if participant is not None:
            playback = leg.sounds.playback(participant.state, self._sounds, self._clock.now())
        audio, video = leg.session.audio, leg.session.video
        if video is not None:
            video = msgspec.structs.replace(video, source=leg.shown, key_frames_wanted=leg.key_frames_wanted)
        spec = messages.RtpLegSpec(
            leg.leg_id,
            leg.participant_id,
            leg.room_id,
            audio,
            playback,
            video,
            leg.session.wants_video_port,
        )
        if spec == leg.declared:
            return
        reply = await self._ask(leg, messages.DeclareRtpLeg(0, spec))
        if not isinstance(reply, messages.RtpLegDeclared):
            raise PlaneLostError(f"the media worker answered {type(reply).__name__}")
        leg.declared = spec
        local = (reply.local_address, reply.local_port)
        leg.moved = leg.moved or (leg.local is not None and leg.local != local)
        leg.local = local
        leg.session.place(*local, reply.video_port)

    def ask_for_picture(self, leg: PhoneLeg) -> None:
        """The phone's camera has to begin anew for somebody, and RTCP did not reach it."""
        if self._phone is not None and not leg.closing:
            self._phone.ask_for_picture(leg.leg_id)

    async def send_digits(self, leg: PhoneLeg, digits_id: str, digits: str) -> None:
        """Keys for the phone, as its trunk takes them. Raises what the media plane or the door has against it."""
        if leg.session.takes_keys_by_info and self._phone is not None:
            self._phone.press(leg.leg_id, digits)
            return
        await self._plane.request(messages.SendDigits(0, leg.leg_id, digits_id, digits))

    # --- browser legs -------------------------------------------------------------------------------------

    async def _perform_browser(
        self,
        leg: BrowserLeg,
        participant: Participant,
        interaction: Interaction,
        staying: list[tuple[Leg, Participant]],
    ) -> None:
        async with leg.lock:
            if leg.declared is None or leg.closing:
                return  # it ended while this waited for the lock
            self._choose_sources(leg, staying)
            phones = [other for other, _ in staying if isinstance(other, PhoneLeg)]
            leg.session.serve(tastes_of(phone for phone in phones if phone.shown in sources_of(leg)))
            hidden = self.hidden_from(leg, interaction)
            try:
                await self.declare_browser(leg, participant, hidden)
            except PlaneLostError:
                raise
            except BridgeError as error:
                self._on_leg_failed(leg, f"{error.code}: {error.reason}")
                return
            self._offer_media(leg, interaction)

    def _choose_sources(self, leg: BrowserLeg, staying: list[tuple[Leg, Participant]]) -> None:
        """Wants the videos of all others."""
        wanted: dict[TrackId, ParticipantId] = {}
        for other, shown in staying:
            if shown.participant_id != leg.participant_id and leg.takes_video:
                wanted.update(dict.fromkeys(sources_of(other), shown.participant_id))
        for source in leg.sources.keys() - wanted.keys():
            leg.session.remove_down_track(source)
        leg.sources = {}
        for source, label in wanted.items():
            try:
                leg.session.add_down_track(source, label)
                leg.sources[source] = label
            except CapacityError as error:
                log.info("x video", leg=leg.leg_id, source=source, reason=error.reason)

    def hidden_from(self, leg: BrowserLeg, interaction: Interaction) -> frozenset[TrackId]:
        """The videos not to be shown to this leg as things stand."""
        viewer = interaction.participant(leg.participant_id)
        return frozenset(
            source
            for source, shown_id in leg.sources.items()
            if not may_see(viewer, interaction.participant(shown_id))
        )

    async def declare_browser(
        self, leg: BrowserLeg, participant: Participant, hidden: frozenset[TrackId] = frozenset()
    ) -> None:
        """Declares the leg if something changed. Called with the leg's lock held."""
        playback = None
        if not leg.is_companion:  # that one's sound is on the phone
            playback = leg.sounds.playback(participant.state, self._sounds, self._clock.now())
        spec = leg.session.spec(leg.leg_id, leg.participant_id, leg.room_id, playback)
        if hidden:
            shown = tuple(
                msgspec.structs.replace(down, source=None) if down.source in hidden else down
                for down in spec.down_tracks
            )
            spec = msgspec.structs.replace(spec, down_tracks=shown)
        if spec == leg.declared:
            return
        await self._ask(leg, messages.DeclareWebRtcLeg(0, spec))
        leg.declared = spec

    def _offer_media(self, leg: BrowserLeg, interaction: Interaction) -> None:
        """Sends our offer when one is due. It waits for the first connection: then the answer has arrived."""
        if not leg.connected or leg.session.offer_pending or not leg.session.needs_negotiation:
            return
        try:
            sdp = leg.session.offer()
        except BridgeError as error:
            log.warning("! offer", leg=leg.leg_id, code=error.code, reason=error.reason)
            return
        leg.offered_at = self._clock.now()
        event = MediaOffered(interaction.interaction_id, leg.leg_id, sdp)
        self._announcer.tell_connection(event, leg.connection_id)

    async def _ask(
        self, leg: Leg, command: messages.DeclareRtpLeg | messages.DeclareWebRtcLeg
    ) -> messages.Reply:
        """Who stops waiting for the answer does not know what became of it: the leg is removed in any case.

        Nobody would remove one that is asked for after that: then it raises NotFoundError.
        """
        self._check_wanted(leg)
        leg.asked = True
        try:
            reply = await self._plane.request(command)
        except BridgeError:
            leg.asked = leg.declared is not None
            raise
        self._check_wanted(leg)
        return reply

    def _check_wanted(self, leg: Leg) -> None:
        if self._legs.get(leg.leg_id) is not leg:
            raise NotFoundError(f"leg {leg.leg_id} is over")

    # --- removal ------------------------------------------------------------------------------------------

    async def _remove_legs(self, leaving: list[tuple[Leg, str]]) -> None:
        """Media of all of them stops first; saying good-bye may take its time."""
        for leg, _ in leaving:
            self._legs.remove(leg)
            await self.remove_from_plane(leg)
        for leg, reason in leaving:
            if isinstance(leg, PhoneLeg) and self._memory is not None:
                self._memory.forget(leg.leg_id)
            if isinstance(leg, BrowserLeg):
                self.end_browser(leg, "left", reason, rejoin=False)
            elif not leg.closing:
                leg.closing = True
                await self._hang_up(leg, reason)

    async def _hang_up(self, leg: PhoneLeg, reason: str) -> None:
        if self._phone is None:
            return
        try:
            await self._phone.hang_up(leg.leg_id, reason)
        except BridgeError as error:
            log.warning("! hang up", leg=leg.leg_id, code=error.code, reason=error.reason)

    async def remove_from_plane(self, leg: Leg) -> None:
        """A leg that died with its worker is gone as well; one it does not give up must not hold us."""
        if not leg.asked:
            return
        leg.declared = None
        leg.asked = False
        try:
            await self._plane.request(messages.RemoveLeg(0, leg.leg_id))
        except BridgeError as error:
            log.warning("! remove leg", leg=leg.leg_id, code=error.code, reason=error.reason)

    def end_browser(self, leg: BrowserLeg, code: str, reason: str, *, rejoin: bool) -> None:
        """Tells the browser, once, that its connection is over."""
        if leg.closing:
            return
        leg.closing = True
        event = MediaEnded(leg.interaction_id, leg.participant_id, leg.leg_id, code, reason, rejoin)
        self._announcer.tell_connection(event, leg.connection_id)


def _is_released(leg: Leg, participant: Participant, interaction: Interaction) -> bool:
    """The customer's call ended for a callback; the call that is being made for it is another leg."""
    callback = interaction.callback
    if callback is None or not participant.is_customer or leg.leg_id == callback.leg_id:
        return False
    if not isinstance(leg, PhoneLeg) or interaction.version < leg.since:
        return False
    return leg.leg_id not in participant.leg_ids
