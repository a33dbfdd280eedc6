"""Which videos there are in an interaction, and the one a phone is shown."""

from collections.abc import Iterable

from msgspec.structs import replace

from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.ids import TrackId
from bridge.negotiation import PhoneTaste
from bridge.switchboard.performance.leg import BrowserLeg, Leg, PhoneLeg
from bridge.switchboard.performance.matrix import may_see

# A phone has one picture: the expert is who was brought in to be seen, the agent is there before and after.
_SHOWN_FIRST = (
    ParticipantRole.SME,
    ParticipantRole.AGENT,
    ParticipantRole.CUSTOMER,
    ParticipantRole.SUPERVISOR,
)


def sources_of(leg: Leg) -> tuple[TrackId, ...]:
    """The videos a leg sends now, its camera first."""
    return leg.session.up_track_ids(leg.leg_id)


def picture_for(phone: PhoneLeg, interaction: Interaction, legs: Iterable[Leg]) -> TrackId | None:
    """The one video `phone` is shown as things stand; of two in the same role the one who came first."""
    return _picture_for(interaction.participant(phone.participant_id), interaction, legs)


def _picture_for(viewer: Participant, interaction: Interaction, legs: Iterable[Leg]) -> TrackId | None:
    shown: list[tuple[int, TrackId]] = []
    for leg in legs:
        owner = interaction.participant(leg.participant_id)
        if owner.participant_id == viewer.participant_id or not may_see(viewer, owner):
            continue
        if leg.closing or (isinstance(leg, BrowserLeg) and not leg.connected):
            continue
        shown += [(_SHOWN_FIRST.index(owner.role), source) for source in sources_of(leg)[:1]]
    return min(shown, key=lambda entry: entry[0])[1] if shown else None


def wants_video(phone: PhoneLeg, interaction: Interaction) -> bool | None:
    """Whether the bridge should ask a phone for video; None leaves that as it is.

    It asks when somebody who was added with video shows it to the phone, and goes back to voice when nobody
    with video is left: a hold or a lost connection in between changes nothing. Whoever supervises is nobody to it.
    """
    with_video = _with_video(phone, interaction)
    if not with_video:
        return False
    return True if _is_shown(with_video, phone.shown) else None


def calls_with_video(phone: PhoneLeg, interaction: Interaction, legs: Iterable[Leg]) -> bool:
    """Whether a phone that is to be called should be offered video at once: it would be asked for it as soon
    as it has answered."""
    called = interaction.participant(phone.participant_id)
    answered = replace(called, state=ParticipantState.IN_SESSION)
    return _is_shown(_with_video(phone, interaction), _picture_for(answered, interaction, legs))


def _with_video(phone: PhoneLeg, interaction: Interaction) -> list[Participant]:
    """The others who were added with video, without those who supervise."""
    others = (p for p in interaction.participants if p.participant_id != phone.participant_id)
    return [p for p in others if p.is_present and p.supervision is None and p.type is MediaType.VIDEO]


def _is_shown(participants: Iterable[Participant], picture: TrackId | None) -> bool:
    legs = (leg_id for participant in participants for leg_id in participant.leg_ids)
    return any((picture or "").startswith(f"{leg_id}/") for leg_id in legs)


def tastes_of(phones: Iterable[PhoneLeg]) -> tuple[PhoneTaste, ...]:
    """What those of them ask of a camera that take video."""
    videos = (phone.session.video for phone in phones)
    return tuple(PhoneTaste(v.down_codecs, v.limit_bps) for v in videos if v is not None and v.sends)
