"""Views of the desk's values: monotonic instants become wall time, nothing inner shows."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

import msgspec

from bridge.clock import Clock
from bridge.desk.centre.expert import Expert, Presence
from bridge.desk.centre.figures import QueueFigures
from bridge.desk.centre.flow import Flow, FlowRun
from bridge.desk.centre.queue import DEFAULT_QUEUE, Queue
from bridge.desk.events import DeskEvent
from bridge.desk.interaction.capability import Ability, Capabilities
from bridge.desk.interaction.interaction import Interaction, InteractionState
from bridge.desk.interaction.participant import Participant
from bridge.desk.interaction.seat import Seat
from bridge.desk.interaction.supervision import Supervision
from bridge.desk.interaction.transfer import Transfer
from bridge.ids import LegId
from bridge.journal.record import JournalEntry
from bridge.switchboard.view.view import (
    AbilityView,
    CallbackView,
    CapabilitiesView,
    DiagnosisView,
    FlowRunView,
    InteractionView,
    ParticipantView,
    QueuePlaceView,
    QueueView,
    Sketch,
    SupervisionView,
    TimelineView,
    TransferView,
    UserView,
)

# Said by the entry itself, or monotonic instants that mean nothing outside.
_LEFT_OUT = frozenset(
    {
        "at",
        "interaction_id",
        "expires_at",
        "connect_by",
        "wrap_up_by",
        "dial_by",
        "due_at",
        "not_before",
        "queued_at",
        "binding",
    }
)

_ABILITIES = {
    Ability(send, receive): AbilityView(send, receive) for send in (False, True) for receive in (False, True)
}

WallTime = Callable[[float], float]


class Diagnoses:
    """What was told last of each leg that is silent or black. `by_leg` never changes: there is a new one instead."""

    __slots__ = ("by_leg",)

    def __init__(self) -> None:
        self.by_leg: Mapping[LegId, tuple[DiagnosisView, ...]] = {}

    def note(self, leg_id: LegId, diagnoses: tuple[DiagnosisView, ...]) -> None:
        self.by_leg = {**self.by_leg, leg_id: diagnoses}

    def forget(self, leg_id: LegId) -> None:
        """An unknown leg is fine."""
        if leg_id in self.by_leg:
            self.by_leg = {known: told for known, told in self.by_leg.items() if known != leg_id}


class _Moment(msgspec.Struct, frozen=True, gc=False):
    """What a view has to know beside the desk's value, as it was when the view was asked for."""

    offset_s: float  # from a monotonic instant to the wall time, by the setting of the wall clock then
    diagnoses: Mapping[LegId, tuple[DiagnosisView, ...]]

    def wall(self, at: float) -> float:
        return round(self.offset_s + at, 3)

    def diagnoses_of(self, leg_ids: Iterable[LegId]) -> tuple[DiagnosisView, ...]:
        return tuple(one for leg_id in leg_ids for one in self.diagnoses.get(leg_id, ()))


class Portraits:
    """Makes views. `clock` translates between the two kinds of time; `diagnoses` are kept by another."""

    __slots__ = ("_asks_for_proofs", "_clock", "_diagnoses")

    def __init__(self, clock: Clock, diagnoses: Diagnoses, *, asks_for_proofs: bool = False) -> None:
        self._asks_for_proofs = asks_for_proofs
        self._clock = clock
        self._diagnoses = diagnoses

    def wall(self, at: float) -> float:
        """The wall time of a monotonic instant, by today's setting of the wall clock."""
        return self._moment().wall(at)

    def _moment(self) -> _Moment:
        return _Moment(self._clock.wall() - self._clock.now(), self._diagnoses.by_leg)

    def participant(self, participant: Participant) -> ParticipantView:
        return _participant_view(participant, self._moment())

    def interaction(self, interaction: Interaction) -> InteractionView:
        return _interaction_view(interaction, self._moment())

    def sketch(self, interaction: Interaction) -> Sketch:
        """The same view, for those who may never look at it."""
        return Sketch(interaction.attributes, partial(_interaction_view, interaction, self._moment()))

    def flow_run(self, run: FlowRun) -> FlowRunView:
        return _flow_run_view(run, self._moment().wall)

    def callback(self, interaction: Interaction) -> CallbackView | None:
        """The callback of an interaction, live or over."""
        return _callback_view(interaction, self._moment().wall)

    def queue(self, queue: Queue, figures: QueueFigures, waiting: int, longest_wait_s: float) -> QueueView:
        return QueueView(
            queue_id=queue.queue_id,
            name=queue.name,
            role=queue.role,
            skills=queue.skills,
            skill_match=queue.skill_match,
            video_enabled=queue.video_enabled,
            strategy=queue.strategy,
            max_depth=queue.max_depth,
            timeout_s=queue.timeout_s,
            wrap_up_s=queue.wrap_up_s,
            wrap_up_codes=queue.wrap_up_codes,
            answer_target_s=queue.answer_target_s,
            waiting=waiting,
            longest_wait_s=round(longest_wait_s, 3),
            entered=figures.entered,
            offered=figures.offered,
            answered=figures.answered,
            answered_in_target=figures.answered_in_target,
            abandoned=figures.abandoned,
            overflowed=figures.overflowed,
            average_handle_s=figures.average_handle_s,
            average_wrap_up_s=figures.average_wrap_up_s,
        )

    def user(self, expert: Expert, *, busy: bool, wrapping_up: bool = False) -> UserView:
        status = "wrap-up" if wrapping_up else "busy" if busy else self._idle_status(expert)
        return UserView(
            user_id=expert.user_id,
            name=expert.name,
            role=expert.role,
            presence=expert.presence,
            busy=busy,
            since=self.wall(expert.since),
            status=status,
            proved=expert.proved,
            fault=expert.fault,
        )

    def _idle_status(self, expert: Expert) -> str:
        """Ready is only who can be rung: where proofs are asked for, who has not given one is not."""
        if not self._asks_for_proofs or expert.proved or expert.presence is not Presence.READY:
            return expert.presence
        return "unable" if expert.fault else "checking"

    def timeline(self, entry: JournalEntry) -> TimelineView:
        return TimelineView(entry.number, entry.wall, change_name(entry.event), _facts(entry.event))


def _participant_view(participant: Participant, moment: _Moment) -> ParticipantView:
    wall = moment.wall
    return ParticipantView(
        participant_id=participant.participant_id,
        role=participant.role,
        type=participant.type,
        state=participant.state,
        user_id=participant.user_id,
        name=participant.name,
        address=participant.address,
        muted=participant.muted,
        held_by_remote=participant.held_by_remote,
        leg_ids=participant.leg_ids,
        joined_at=wall(participant.joined_at),
        disconnect_reason=participant.disconnect_reason,
        disconnected_by=participant.disconnected_by,
        sends_video=participant.sends_video,
        queue_id=participant.queue_id,
        downgrade_reason=participant.downgrade_reason,
        wrap_up_by=None if participant.wrap_up_by is None else wall(participant.wrap_up_by),
        wrap_up_code=participant.wrap_up_code,
        wrap_up_note=participant.wrap_up_note,
        capabilities=capabilities_view(participant.capabilities),
        supervision=_supervision(participant.supervision),
        companion=participant.companions[-1].state if participant.companions else "",
        diagnoses=moment.diagnoses_of(participant.leg_ids) if participant.is_live else (),
    )


def _interaction_view(interaction: Interaction, moment: _Moment) -> InteractionView:
    waits = interaction.state is InteractionState.WAITING
    ended_at, wall = interaction.ended_at, moment.wall
    created_at = wall(interaction.created_at)
    return InteractionView(
        interaction_id=interaction.interaction_id,
        state=interaction.state,
        caller=interaction.caller,
        called=interaction.called,
        attributes=interaction.attributes,
        participants=tuple(_participant_view(p, moment) for p in interaction.participants),
        escalation_in_progress=interaction.escalation_in_progress,
        created_at=created_at,
        waiting_since=created_at if waits else None,
        ended_at=None if ended_at is None else wall(ended_at),
        end_reason=interaction.end_reason,
        ended_by=interaction.ended_by,
        waits_in=tuple(_place(seat, wall) for seat in interaction.seats if seat.waits),
        callback=_callback_view(interaction, wall),
        transfer=_transfer_view(interaction.transfer, wall),
        flows=tuple(_flow_run_view(run, wall) for run in interaction.flows),
        version=interaction.version,
    )


def _callback_view(interaction: Interaction, wall: WallTime) -> CallbackView | None:
    callback = interaction.callback
    if callback is None:
        return None
    return CallbackView(
        callback_id=callback.callback_id,
        interaction_id=interaction.interaction_id,
        queue_id=interaction.queue_id,
        number=callback.number,
        state=callback.state,
        attempts=callback.attempts,
        not_before=wall(callback.not_before) if callback.not_before else None,
        requested_at=wall(callback.requested_at),
        requested_by=callback.requested_by,
        failure=callback.failure,
    )


def _flow_run_view(run: FlowRun, wall: WallTime) -> FlowRunView:
    return FlowRunView(
        run.flow_run_id,
        run.flow.flow_id,
        run.flow.kind,
        run.step,
        run.by,
        run.trigger,
        wall(run.started_at),
        None if run.due_at is None else wall(run.due_at),
    )


def _transfer_view(transfer: Transfer | None, wall: WallTime) -> TransferView | None:
    if transfer is None:
        return None
    return TransferView(
        kind=transfer.kind,
        state=transfer.state,
        initiator_id=transfer.initiator_id,
        target_id=transfer.target_id,
        held=transfer.held,
        started_at=wall(transfer.started_at),
        expires_at=wall(transfer.expires_at),
    )


def _place(seat: Seat, wall: WallTime) -> QueuePlaceView:
    return QueuePlaceView(
        queue_id=seat.queue_id or DEFAULT_QUEUE,
        escalation=seat.escalation,
        type=seat.type,
        state=seat.state,
        since=wall(seat.entered_at),
        downgrade_reason=seat.downgrade_reason,
    )


def change_name(event: DeskEvent) -> str:
    """ParticipantMoved -> participant_moved."""
    return change_of(type(event))


@cache
def change_of(kind: type[DeskEvent]) -> str:
    name = kind.__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _facts(event: DeskEvent) -> dict[str, str]:
    pairs = ((name, getattr(event, name)) for name in event.__struct_fields__)
    return {name: _text(value) for name, value in pairs if name not in _LEFT_OUT and value is not None}


def capabilities_view(capabilities: Capabilities) -> CapabilitiesView:
    return CapabilitiesView(
        _ABILITIES[capabilities.audio],
        _ABILITIES[capabilities.video],
        _ABILITIES[capabilities.screen],
        capabilities.no_video,
        capabilities.not_shown,
    )


def customer_capabilities(interaction: Interaction) -> CapabilitiesView:
    """Of the customers together: what an expert can count on."""
    together = Capabilities()
    for customer in interaction.customers():
        together |= customer.capabilities
    return capabilities_view(together)


def _supervision(supervision: Supervision | None) -> SupervisionView | None:
    return None if supervision is None else SupervisionView(supervision.mode, supervision.coached_id)


def _text(value: object) -> str:
    if isinstance(value, Flow):
        return value.flow_id
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}={text}" for name, text in value.items())
    return str(value)
