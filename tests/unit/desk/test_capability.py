"""What legs can, and what is said of the customer: always as things stand."""

import pytest

from bridge.desk import commands, events
from bridge.desk.interaction.capability import Ability, Capabilities
from bridge.desk.interaction.participant import Participant
from bridge.errors import NotAllowedError
from bridge.ids import InteractionId, LegId, ParticipantId, RoomId
from tests.unit.desk.house import ALICE, House

BOTH = Ability(send=True, receive=True)
PHONE = Capabilities(audio=BOTH, no_video="the phone offers no video")
CAMERA = Capabilities(video=BOTH, screen=Ability(receive=True))


def call(house: House, capabilities: Capabilities = PHONE) -> InteractionId:
    id_ = InteractionId("int_1")
    house.step(
        commands.OpenInteraction(
            id_,
            RoomId("room_1"),
            ParticipantId("prt_1"),
            LegId("leg_1"),
            "+4930",
            "sip:desk",
            capabilities=capabilities,
        )
    )
    return id_


def companion(house: House, id_: InteractionId, capabilities: Capabilities = CAMERA) -> None:
    customer = house.customer(id_)
    leg_id = LegId("leg_2")
    house.step(commands.AttachLeg(id_, customer.participant_id, leg_id))
    set_of(house, id_, customer, leg_id, capabilities)


def set_of(
    house: House, id_: InteractionId, who: Participant, leg_id: LegId, capabilities: Capabilities
) -> tuple[events.DeskEvent, ...]:
    return house.step(commands.SetCapabilities(id_, who.participant_id, leg_id, capabilities))


def said(house: House, id_: InteractionId) -> tuple[str, str]:
    attributes = house.interaction(id_).attributes
    return attributes["customer_video_capable"], attributes["customer_video_reason"]


def test_a_phone_without_video_says_why() -> None:
    house = House()
    id_ = call(house)
    assert said(house, id_) == ("false", "the phone offers no video")
    assert house.customer(id_).capabilities == PHONE


def test_a_second_leg_adds_what_the_first_lacks() -> None:
    house = House()
    id_ = call(house)
    companion(house, id_)
    together = house.customer(id_).capabilities
    assert (together.audio, together.video, together.no_video) == (BOTH, BOTH, "")
    assert said(house, id_) == ("true", "")
    assert house.customer(id_).sends_video


def test_when_that_leg_goes_its_video_goes() -> None:
    house = House()
    id_ = call(house)
    companion(house, id_)
    house.step(
        commands.DetachLeg(id_, house.customer(id_).participant_id, LegId("leg_2"), "the browser is gone")
    )
    assert said(house, id_) == ("false", "the phone offers no video")
    assert house.customer(id_).capabilities == PHONE
    assert not house.customer(id_).sends_video


def test_a_camera_that_is_switched_off_is_noticed() -> None:
    house = House()
    id_ = call(house)
    companion(house, id_)
    blind = Capabilities(no_video="the browser sends no camera")
    set_of(house, id_, house.customer(id_), LegId("leg_2"), blind)
    assert said(house, id_) == ("false", "the phone offers no video; the browser sends no camera")


def test_nothing_new_is_no_event() -> None:
    house = House()
    id_ = call(house)
    assert set_of(house, id_, house.customer(id_), LegId("leg_1"), PHONE) == ()


def test_hold_by_the_phone_is_seen_in_its_audio() -> None:
    house = House()
    id_ = call(house)
    set_of(house, id_, house.customer(id_), LegId("leg_1"), Capabilities(Ability(send=True)))
    assert house.customer(id_).capabilities.audio == Ability(send=True)


def test_an_agents_camera_says_nothing_of_the_customer() -> None:
    house = House()
    id_ = call(house)
    house.ready(ALICE)
    house.accept(ALICE)
    house.connect(id_, ALICE)
    alice = house.participant(id_, ALICE)
    set_of(house, id_, alice, alice.leg_ids[0], CAMERA)
    assert house.participant(id_, ALICE).sends_video
    assert said(house, id_)[0] == "false"


def test_a_leg_that_is_gone_can_nothing() -> None:
    house = House()
    id_ = call(house)
    with pytest.raises(NotAllowedError, match="not one of"):
        set_of(house, id_, house.customer(id_), LegId("leg_9"), CAMERA)


def test_a_screen_counts_as_a_picture_that_is_sent_and_not_as_the_customers_face() -> None:
    house = House()
    id_ = call(house)
    shares = Capabilities(screen=Ability(send=True), no_video="the browser sends no camera")
    companion(house, id_, shares)
    assert house.customer(id_).sends_video
    assert said(house, id_)[0] == "false"


def test_capabilities_read_as_words_in_the_timeline() -> None:
    assert str(PHONE) == "audio send+receive, video none, screen none (the phone offers no video)"
