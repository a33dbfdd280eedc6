"""Watches the statistics of every leg and says, once it lasts, why one is silent or black."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from bridge.desk.centre.role import MediaType
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.errors import NotFoundError
from bridge.plane.messages import LegStatistics
from bridge.switchboard.diagnosis.diagnosis import Cause, Diagnosis, Facts, diagnose
from bridge.switchboard.diagnosis.equipment import NO_CAMERA, Equipment, not_shown_on
from bridge.switchboard.diagnosis.leg_window import LegWindow
from bridge.switchboard.performance.leg import BrowserLeg, Leg, PhoneLeg
from bridge.switchboard.view.event import LegDiagnosed
from bridge.switchboard.view.portrait import Diagnoses
from bridge.switchboard.view.view import DiagnosisView
from bridge.switchboard.wiring import Wiring

if TYPE_CHECKING:
    from bridge.ids import LegId

LASTS = 3  # seconds in a row that the same is found before it is told: what mends itself is not worth a word
_HEARD = frozenset({ParticipantState.IN_SESSION, ParticipantState.HELD, ParticipantState.QUEUED})

log = structlog.get_logger()


class _Watch:
    """One leg: its last seconds, what was found last and how often in a row, and what was told."""

    __slots__ = ("found", "found_times", "told", "window")

    def __init__(self) -> None:
        self.window = LegWindow()
        self.found: tuple[Diagnosis, ...] = ()
        self.found_times = 0
        self.told: tuple[Diagnosis, ...] = ()


class Diagnostics:
    """`receive` is called with each leg's statistics. Bounded by the legs there are."""

    __slots__ = ("_counts", "_diagnoses", "_equipment", "_watches", "_wiring")

    def __init__(self, wiring: Wiring, diagnoses: Diagnoses) -> None:
        self._wiring = wiring
        self._equipment = Equipment(wiring)
        self._diagnoses = diagnoses
        self._watches: dict[LegId, _Watch] = {}
        self._counts = dict.fromkeys(Cause, 0)  # how often each was told of a leg

    def counters(self) -> Mapping[str, int]:
        return {f"{cause}_total": count for cause, count in self._counts.items()}

    def receive(self, statistics: LegStatistics) -> None:
        """Never raises: a leg that has gone is forgotten."""
        leg = self._wiring.legs.get(statistics.leg_id)
        if len(self._watches) > len(self._wiring.legs):
            self._prune()
        if leg is None:
            return
        watch = self._watches.setdefault(leg.leg_id, _Watch())
        watch.window.push(statistics)
        if len(watch.window) < LASTS:
            return
        found = self._find(leg, watch.window)
        watch.found_times = watch.found_times + 1 if found == watch.found else 1
        watch.found = found
        if watch.found_times >= LASTS and found != watch.told:
            for one in set(found).difference(watch.told):
                self._counts[one.cause] += 1
            watch.told = found
            self._tell(leg, found)

    def _tell(self, leg: Leg, found: tuple[Diagnosis, ...]) -> None:
        views = tuple(
            DiagnosisView(leg.leg_id, one.medium, one.direction, one.cause, one.text) for one in found
        )
        self._diagnoses.note(leg.leg_id, views)
        id_ = leg.interaction_id
        self._wiring.announcer.tell_inside(LegDiagnosed(id_, leg.participant_id, leg.leg_id, views), id_)
        causes = [f"{view.medium} {view.direction}: {view.code}" for view in views]
        log.info("= leg diagnosed", interaction=id_, leg=leg.leg_id, causes=causes)

    def _find(self, leg: Leg, window: LegWindow) -> tuple[Diagnosis, ...]:
        try:
            interaction = self._wiring.desk.interaction(leg.interaction_id)
            participant = interaction.participant(leg.participant_id)
        except NotFoundError:
            return ()
        if participant.state not in _HEARD or participant.supervision is not None or leg.closing:
            return ()
        expected = self._expected(leg, participant, interaction)
        facts = (self._facts(leg, participant, window, *one) for one in expected)
        return tuple(found for found in map(diagnose, facts) if found is not None)

    def _expected(
        self, leg: Leg, participant: Participant, interaction: Interaction
    ) -> tuple[tuple[str, str], ...]:
        """The media this leg is there for. Of a customer who waits, nothing is expected but a voice."""
        audio = (("audio", "up"), ("audio", "down"))
        if participant.state is ParticipantState.QUEUED:
            return audio[:1]
        if isinstance(leg, BrowserLeg):
            shows = leg.is_companion or participant.type is MediaType.VIDEO
            video = (("video", "up"), ("video", "down")) if shows else ()
            return video if leg.is_companion else (*audio, *video)
        siblings = self._wiring.legs.of(interaction.interaction_id)
        if any(other is not leg and other.participant_id == leg.participant_id for other in siblings):
            return audio  # the companion brings the picture
        if leg.session.video is not None:
            return (*audio, ("video", "up"), *((("video", "down"),) if leg.shown else ()))
        watched = any(p.type is MediaType.VIDEO and not p.is_customer for p in interaction.attendants())
        return (*audio, ("video", "up")) if watched else audio

    def _facts(
        self, leg: Leg, participant: Participant, window: LegWindow, medium: str, direction: str
    ) -> Facts:
        is_phone, is_up = isinstance(leg, PhoneLeg), direction == "up"
        negotiated, refused = self._agreed(leg, medium, direction)
        tracks = window.tracks(medium, direction)
        return Facts(
            medium,
            direction,
            phone=is_phone,
            connected=leg.connected,
            held=participant.state is ParticipantState.HELD,
            held_by_remote=participant.held_by_remote and is_phone and not is_up,
            muted=participant.muted,
            negotiated=negotiated,
            refused=refused,
            blocked=not_shown_on(leg) if (medium, direction) == ("video", "down") else "",
            has_source=isinstance(leg, PhoneLeg) or bool(leg.sources),
            arrived=window.transport(medium, "received"),
            undecryptable=window.transport(medium, "undecryptable"),
            strangers=window.transport(medium, "strangers"),
            foreign=window.counted(medium, direction, "foreign"),
            unsent=window.transport(medium, "unsent"),
            packets=window.counted(medium, direction, "packets"),
            packets_ever=sum(track.packets for track in tracks),
            lost=window.counted(medium, direction, "lost"),
            frames=window.counted(medium, direction, "frames"),
            waits_for_key_frame=bool(tracks) and all(track.waits_for_key_frame for track in tracks),
            level_dbov=window.loudest_dbov(direction) if medium == "audio" else None,
        )

    def _agreed(self, leg: Leg, medium: str, direction: str) -> tuple[bool, str]:
        """Whether offer and answer came to this medium that way, and why not."""
        if isinstance(leg, BrowserLeg):
            sends = leg.session.sends(medium)
            refused = NO_CAMERA if medium == "video" and direction == "up" else ""
            return (sends if direction == "up" else leg.session.receives(medium)), refused
        able = self._equipment.capabilities(leg)
        ability = able.audio if medium == "audio" else able.video
        return (ability.send if direction == "up" else ability.receive), able.no_video * (medium == "video")

    def _prune(self) -> None:
        for leg_id in [leg_id for leg_id in self._watches if self._wiring.legs.get(leg_id) is None]:
            del self._watches[leg_id]
            self._diagnoses.forget(leg_id)
