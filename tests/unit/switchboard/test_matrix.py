"""Who hears and sees whom, as a table."""

import pytest

from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.participant import Participant, ParticipantState
from bridge.desk.interaction.supervision import Supervision, SupervisionMode
from bridge.ids import InteractionId, ParticipantId, RoomId
from bridge.switchboard.performance.matrix import hearings, may_see

SESSION, HELD = ParticipantState.IN_SESSION, ParticipantState.HELD


def party(
    name: str,
    role: ParticipantRole,
    state: ParticipantState = SESSION,
    supervision: Supervision | None = None,
    *,
    muted: bool = False,
) -> Participant:
    kind = MediaType.VIDEO
    return Participant(ParticipantId(name), role, kind, 0.0, state, muted=muted, supervision=supervision)


def heard(*participants: Participant) -> dict[str, str]:
    """Listener -> initials of whom they hear."""
    interaction = Interaction(
        InteractionId("int_1"), RoomId("room_1"), "", "", 0.0, participants=participants
    )
    return {row.listener: "".join(sorted(row.talkers)) for row in hearings(interaction)}


CUSTOMER = party("c", ParticipantRole.CUSTOMER)
AGENT = party("a", ParticipantRole.AGENT)
EXPERT = party("e", ParticipantRole.SME)
ON_HOLD = party("c", ParticipantRole.CUSTOMER, HELD)


def supervisor(mode: SupervisionMode, coached: str | None = "a") -> Participant:
    coached_id = None if coached is None else ParticipantId(coached)
    return party("s", ParticipantRole.SUPERVISOR, supervision=Supervision(mode, coached_id))


MONITOR = supervisor(SupervisionMode.MONITOR, None)
WHISPER = supervisor(SupervisionMode.WHISPER)
COACH = supervisor(SupervisionMode.COACH)


@pytest.mark.parametrize(
    ("participants", "expected"),
    [
        ((CUSTOMER, AGENT), {"c": "a", "a": "c"}),
        ((CUSTOMER, AGENT, EXPERT), {"c": "ae", "a": "ce", "e": "ac"}),
        # A consultation: the customer has no row at all, and hears what is played into the leg.
        ((ON_HOLD, AGENT, EXPERT), {"a": "e", "e": "a"}),
        ((CUSTOMER, AGENT, MONITOR), {"c": "a", "a": "c", "s": "ac"}),
        ((CUSTOMER, AGENT, EXPERT, MONITOR), {"c": "ae", "a": "ce", "e": "ac", "s": "ace"}),
        ((CUSTOMER, AGENT, WHISPER), {"c": "a", "a": "cs", "s": "ac"}),
        ((CUSTOMER, AGENT, EXPERT, WHISPER), {"c": "ae", "a": "ces", "e": "ac", "s": "ace"}),
        ((CUSTOMER, AGENT, EXPERT, COACH), {"c": "ae", "a": "ces", "e": "ac", "s": "ace"}),
        ((ON_HOLD, AGENT, EXPERT, WHISPER), {"a": "es", "e": "a", "s": "ae"}),
        # Whoever was coached has left: the whisper is heard by nobody.
        ((CUSTOMER, EXPERT, WHISPER), {"c": "e", "e": "c", "s": "ce"}),
        ((CUSTOMER, party("a", ParticipantRole.AGENT, muted=True)), {"c": "", "a": "c"}),
    ],
)
def test_who_hears_whom(participants: tuple[Participant, ...], expected: dict[str, str]) -> None:
    assert heard(*participants) == expected


def test_two_supervisors_do_not_hear_each_others_whispers() -> None:
    other = party("t", ParticipantRole.SUPERVISOR, supervision=Supervision(SupervisionMode.MONITOR))
    assert heard(CUSTOMER, AGENT, WHISPER, other)["t"] == "ac"


@pytest.mark.parametrize(
    ("viewer", "shown", "seen"),
    [
        (AGENT, CUSTOMER, True),
        (AGENT, ON_HOLD, False),
        (ON_HOLD, AGENT, False),
        (MONITOR, CUSTOMER, True),
        (AGENT, MONITOR, False),
        (AGENT, WHISPER, False),
        (AGENT, COACH, True),
        (CUSTOMER, COACH, False),
        (EXPERT, COACH, False),
    ],
)
def test_who_sees_whom(viewer: Participant, shown: Participant, seen: bool) -> None:
    assert may_see(viewer, shown) is seen
