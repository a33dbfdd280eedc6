"""A key that a phone tells twice, by RTP and by INFO, is one key."""

from bridge.ids import LegId
from bridge.plane import messages
from bridge.switchboard.door.doors import ArrivingCall
from bridge.switchboard.performance.keypress import ECHO_S, Keypresses
from bridge.switchboard.view.event import DigitReceived
from tests.unit.switchboard.theatre import ALICE, INFO_TRUNK, PHONE_OFFER, PHONE_VIDEO, Theatre, theatre


def new_ones(*presses: tuple[str, str, float]) -> str:
    keys = Keypresses()
    return "".join(digit for way, digit, at in presses if keys.is_new(way, digit, at))


def test_one_way_alone_is_taken_as_it_comes() -> None:
    assert new_ones(*[("info", digit, 0.01) for digit in "1123"]) == "1123"
    assert new_ones(*[("rtp", digit, 0.01) for digit in "1123"]) == "1123"


def test_the_echo_by_the_other_way_is_not_a_second_key() -> None:
    both = [("info", "1", 0.0), ("rtp", "1", 0.2), ("info", "1", 0.4), ("rtp", "1", 0.6), ("rtp", "2", 0.7)]
    assert new_ones(*both, ("info", "2", 0.8)) == "112"
    assert new_ones(("rtp", "1", 0.0), ("rtp", "1", 0.1), ("info", "1", 0.2), ("info", "1", 0.3)) == "11"


def test_the_same_key_much_later_is_another_press() -> None:
    assert new_ones(("info", "1", 0.0), ("rtp", "1", ECHO_S + 0.1)) == "11"


def digits_told(stage: Theatre) -> list[str]:
    return [event.digit for event in stage.doors.seen_by(ALICE) if isinstance(event, DigitReceived)]


async def test_keys_by_info_are_told_as_those_by_rtp() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        leg_id = LegId("leg_phone")
        stage.board.pressed(leg_id, "5", 160)
        stage.board.plane_event(messages.DtmfReceived(leg_id, "5", 160))
        stage.board.plane_event(messages.DtmfReceived(leg_id, "6", 160))
        stage.board.pressed(LegId("leg_of_nobody"), "7", 160)
        await stage.board.settled()
        assert digits_told(stage) == ["5", "6"]


async def test_keys_go_by_info_to_a_phone_behind_a_trunk_that_takes_them_so() -> None:
    async with theatre() as stage:
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        call = ArrivingCall(LegId("leg_phone"), "+49", "sip:desk", PHONE_OFFER, trunk_id=INFO_TRUNK)
        await stage.board.arrive(call)
        await stage.board.settled()
        id_ = (await stage.accept(ALICE)).interaction_id
        customer = await stage.participant(id_, "customer")
        await stage.board.participants.send_digits(ALICE, id_, customer.participant_id, "4711#")
        assert stage.doors.pressed == [("leg_phone", "4711#")]
        assert not any(isinstance(command, messages.SendDigits) for command in stage.plane.commands)


async def test_a_phone_that_asks_for_a_picture_is_declared_with_one_more() -> None:
    async with theatre() as stage:
        await stage.answered_call(PHONE_OFFER + PHONE_VIDEO)
        before = stage.phone_leg().video
        assert before is not None
        stage.board.picture_wanted(LegId("leg_phone"))
        await stage.board.settled()
        after = stage.phone_leg().video
        assert after is not None
        assert (before.key_frames_wanted, after.key_frames_wanted) == (0, 1)
        stage.board.picture_wanted(LegId("leg_of_nobody"))
