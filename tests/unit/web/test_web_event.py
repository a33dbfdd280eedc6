"""What the bridge says: the switchboard's views and events, name for name."""

import json
from types import MappingProxyType
from typing import get_args

import pytest
from msgspec.structs import fields, replace

from bridge.desk.centre.role import ParticipantRole
from bridge.ids import InteractionId, LegId, ParticipantId, UserId
from bridge.switchboard.view import event as inner
from bridge.switchboard.view import view
from signaling.web.protocol import event as wire
from signaling.web.protocol import reply, wire_view
from signaling.web.protocol.event import serialize, serialize_event
from signaling.web.protocol.event_writer import EventWriter
from signaling.web.protocol.reply import Reply, Trouble
from signaling.web.protocol.wire import WireModel

PARTICIPANT = view.ParticipantView(
    participant_id=ParticipantId("prt_1"),
    role=ParticipantRole.AGENT,
    type="video",
    state="in-session",
    user_id=UserId("alice"),
    name="Alice",
    address="",
    muted=False,
    held_by_remote=False,
    leg_ids=(LegId("leg_1"),),
    joined_at=1_700_000_000.25,
)
INTERACTION = view.InteractionView(
    interaction_id=InteractionId("int_1"),
    state="in-progress",
    caller="+49 30 901820",
    called="support",
    attributes=MappingProxyType({"priority": "High"}),
    participants=(PARTICIPANT,),
    escalation_in_progress=False,
    created_at=1_700_000_000.0,
    waiting_since=None,
)


def sketch_of(interaction: view.InteractionView) -> view.Sketch:
    return view.Sketch(interaction.attributes, lambda: interaction)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (view.ParticipantView, wire_view.Participant),
        (view.InteractionView, wire_view.Interaction),
        (view.OfferView, wire_view.Offer),
        (view.UserView, wire_view.User),
        (view.TimelineView, wire_view.TimelineEntry),
        (view.MediaAnswer, reply.MediaResult),
        *((event, getattr(wire, event.__name__)) for event in get_args(inner.DesktopEvent)),
    ],
)
def test_nothing_the_switchboard_tells_is_lost_on_the_wire(inside: type, outside: type[WireModel]) -> None:
    told = {field.name.replace("sketch", "interaction") for field in fields(inside)} - {"event"}
    assert told == set(outside.model_fields) - {"event"}


def test_an_event_goes_out_in_camel_case_with_times_of_rfc_3339() -> None:
    text = serialize_event(
        inner.InteractionUpdated(
            number=41,
            interaction_id=InteractionId("int_1"),
            change="participant_added",
            participant_id=ParticipantId("prt_1"),
            sketch=sketch_of(INTERACTION),
        )
    )
    said = json.loads(text)
    assert said["event"] == "interactionUpdated"
    assert said["number"] == 41
    assert said["interaction"]["attributes"] == {"priority": "High"}
    assert said["interaction"]["createdAt"] == "2023-11-14T22:13:20Z"
    assert said["interaction"]["participants"][0]["heldByRemote"] is False
    assert said["interaction"]["participants"][0]["role"] == "agent"


def test_every_event_of_the_switchboard_can_go_out() -> None:
    offered = inner.MediaOffered(InteractionId("int_1"), LegId("leg_1"), "v=0")
    assert json.loads(serialize_event(offered)) == {
        "event": "mediaOffered",
        "interactionId": "int_1",
        "legId": "leg_1",
        "sdp": "v=0",
    }


def test_a_reply_leaves_out_what_does_not_apply() -> None:
    assert json.loads(serialize(Reply(id=7, ok=True))) == {"id": 7, "ok": True}
    refusal = Reply(id=None, ok=False, error=Trouble(code="malformed", reason="why"))
    assert json.loads(serialize(refusal)) == {
        "id": None,
        "ok": False,
        "error": {"code": "malformed", "reason": "why"},
    }


def test_a_writer_writes_every_event_as_it_would_be_written_alone() -> None:
    writer = EventWriter()
    first, other = sketch_of(INTERACTION), sketch_of(replace(INTERACTION, attributes={"priority": "Low"}))
    for number, sketch in enumerate((first, first, other, first)):
        change = inner.InteractionUpdated(
            number, InteractionId("int_1"), "leg_attached", ParticipantId("prt_1"), sketch
        )
        assert writer.write(change) == serialize_event(change)
        assert writer.write(change, 2) == serialize_event(change, 2)
    offered = inner.MediaOffered(InteractionId("int_1"), LegId("leg_1"), "v=0")
    assert writer.write(offered) == serialize_event(offered)
