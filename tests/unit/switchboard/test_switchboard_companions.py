"""A caller's browser becomes a second leg of the same participant: video there, sound on the phone."""

import pytest

from bridge.errors import ConflictError, ForbiddenError, NegotiationError, NotAllowedError, NotFoundError
from bridge.ids import InteractionId, LegId, LinkId, ParticipantId
from bridge.plane import messages
from bridge.switchboard.browser.companions import Ticket, guest
from bridge.switchboard.door.doors import SignedLink
from bridge.switchboard.door.principal import Principal
from bridge.switchboard.view.event import MediaEnded, MediaOffered
from tests.unit.switchboard.theatre import ALICE, BOB, Theatre, browser_offer, theatre

SECRET = "a browser's own secret, of 32 characters or more"


class WrittenLinks:
    """Signs nothing, and remembers the links it was asked for."""

    def sign_link(
        self, link_id: LinkId, interaction_id: InteractionId, participant_id: ParticipantId, expires_at: float
    ) -> SignedLink:
        assert expires_at > 0.0
        return SignedLink(f"/companion#{link_id}/{interaction_id}/{participant_id}", link_id)


def silent(sdp: str) -> str:
    """The offer of a page that takes the camera only: its audio section is stopped."""
    return sdp.replace("m=audio 9 ", "m=audio 0 ")


async def joined(stage: Theatre) -> tuple[InteractionId, Principal]:
    """A call, its companion link, and the browser that used it."""
    stage.board.companions.attach(WrittenLinks())
    id_ = await stage.answered_call()
    ticket = await ticket_of(stage, id_)
    await stage.board.companions.join_companion(ticket, SECRET)
    return id_, guest(ticket, "con_guest")


async def ticket_of(stage: Theatre, id_: InteractionId) -> Ticket:
    link = await stage.board.companions.create_companion_link(ALICE, id_)
    return Ticket(link.link_id, link.interaction_id, link.participant_id)


async def test_the_companion_is_a_leg_of_the_same_participant() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        answer = await stage.join(browser, id_, browser_offer("guest"))
        customer = await stage.participant(id_, "customer")
        assert customer.leg_ids == ("leg_phone", answer.leg_id)
        assert len([p for p in (await stage.view(id_)).participants if p.role == "customer"]) == 1
        assert stage.browser_leg(answer.leg_id).participant_id == customer.participant_id
        assert customer.companion == "bound"


async def test_it_sends_and_gets_video_only() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        answer = await stage.join(browser, id_, browser_offer("guest"))
        assert "m=audio 0 " in answer.sdp
        spec = stage.browser_leg(answer.leg_id)
        assert [track.kind for track in spec.up_tracks] == ["video"]
        assert {track.kind for track in spec.down_tracks} <= {"video"}
        assert spec.playback is None


async def test_two_legs_of_one_participant_never_hear_or_see_each_other() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        answer = await stage.join(browser, id_, browser_offer("guest"))
        customer = await stage.participant(id_, "customer")
        assert customer.participant_id not in stage.hears(id_)[customer.participant_id]
        own = [down.source for down in stage.browser_leg(answer.leg_id).down_tracks if down.source]
        assert not any(source.startswith(answer.leg_id) for source in own)


async def test_the_agent_is_offered_the_customers_camera_and_told_that_there_is_one() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        assert (await stage.view(id_)).attributes["customer_video_capable"] == "false"
        await stage.join(browser, id_, browser_offer("guest"))
        offered = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, MediaOffered)]
        assert offered
        view = await stage.view(id_)
        assert view.attributes["customer_video_capable"] == "true"
        assert view.attributes["customer_video_reason"] == ""
        customer = await stage.participant(id_, "customer")
        assert customer.capabilities.video.send
        assert customer.capabilities.audio.send


async def test_when_the_browser_goes_the_call_goes_on() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        answer = await stage.join(browser, id_, browser_offer("guest"))
        stage.board.plane_event(messages.LegFailed(answer.leg_id, "consent_lost", "gone"))
        await stage.board.settled()
        customer = await stage.participant(id_, "customer")
        assert (customer.state, customer.leg_ids) == ("in-session", ("leg_phone",))
        assert (await stage.view(id_)).attributes["customer_video_capable"] == "false"
        ended = [event for event in stage.doors.seen_by(browser) if isinstance(event, MediaEnded)]
        assert ended[-1].rejoin


async def test_when_the_phone_hangs_up_the_browser_goes_too() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        answer = await stage.join(browser, id_, browser_offer("guest"))
        await stage.board.hung_up(LegId("leg_phone"), "hung up")
        await stage.board.settled()
        assert (await stage.view(id_)).state == "ended"
        assert answer.leg_id not in stage.plane.legs
        ended = [event for event in stage.doors.seen_by(browser) if isinstance(event, MediaEnded)]
        assert not ended[-1].rejoin


async def test_a_reload_takes_the_place_of_the_leg() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        first = await stage.join(browser, id_, browser_offer("guest"))
        again = guest(Ticket(LinkId(browser.user_id), id_, ParticipantId("")), "con_again")
        second = await stage.join(again, id_, browser_offer("reloaded"))
        assert first.leg_id not in stage.plane.legs
        assert (await stage.participant(id_, "customer")).leg_ids == ("leg_phone", second.leg_id)


async def test_a_link_is_used_up_by_joining() -> None:
    async with theatre() as stage:
        stage.board.companions.attach(WrittenLinks())
        id_ = await stage.answered_call()
        ticket = await ticket_of(stage, id_)
        companions = stage.board.companions
        await companions.join_companion(ticket, SECRET)
        await companions.join_companion(ticket, SECRET)
        with pytest.raises(ConflictError, match="another browser"):
            await companions.join_companion(ticket, SECRET[::-1])


async def test_a_newer_browser_ends_the_older_one() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        first = await stage.join(browser, id_, browser_offer("guest"))
        await stage.board.companions.join_companion(await ticket_of(stage, id_), SECRET)
        await stage.board.settled()
        assert first.leg_id not in stage.plane.legs
        with pytest.raises(ForbiddenError):
            await stage.board.media.offer(browser, id_, browser_offer("guest"))


async def test_without_join_there_is_no_way_in() -> None:
    async with theatre() as stage:
        stage.board.companions.attach(WrittenLinks())
        id_ = await stage.answered_call()
        ticket = await ticket_of(stage, id_)
        with pytest.raises(ForbiddenError):
            await stage.board.media.offer(guest(ticket, "con_guest"), id_, browser_offer("guest"))


async def test_the_secret_is_not_in_the_journal() -> None:
    async with theatre() as stage:
        id_, _ = await joined(stage)
        timeline = await stage.board.interactions.timeline(ALICE, id_)
        facts = " ".join(value for entry in timeline for value in entry.facts.values())
        assert SECRET not in facts
        assert [entry.facts["state"] for entry in timeline if entry.event == "companion_link_moved"] == [
            "bound"
        ]


async def test_a_companion_sees_and_does_nothing_else() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        with pytest.raises(ForbiddenError):
            await stage.board.interactions.get(browser, id_)
        with pytest.raises(ForbiddenError):
            await stage.board.interactions.end(browser, id_)
        with pytest.raises(ForbiddenError):
            await stage.board.participants.leave(browser, id_)
        with pytest.raises(ForbiddenError):
            await stage.board.users.list(browser)
        with pytest.raises(ForbiddenError):
            await stage.board.companions.create_companion_link(browser, id_)
        other = await stage.call("leg_other")
        assert other
        with pytest.raises((ForbiddenError, NotFoundError)):
            await stage.board.media.offer(browser, InteractionId("int_none"), browser_offer("guest"))


async def test_a_page_without_a_camera_has_nothing_to_offer() -> None:
    async with theatre() as stage:
        id_, browser = await joined(stage)
        sound_only = browser_offer("guest").split("m=video")[0]
        with pytest.raises(NegotiationError):
            await stage.board.media.offer(browser, id_, sound_only)
        assert (await stage.participant(id_, "customer")).leg_ids == ("leg_phone",)


async def test_only_who_takes_part_makes_links_and_only_with_a_door_that_signs() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        with pytest.raises(NotAllowedError, match="no web door"):
            await stage.board.companions.create_companion_link(ALICE, id_)
        stage.board.companions.attach(WrittenLinks())
        with pytest.raises(NotFoundError):
            await stage.board.companions.create_companion_link(BOB, id_)


async def test_a_short_secret_is_none() -> None:
    async with theatre() as stage:
        stage.board.companions.attach(WrittenLinks())
        id_ = await stage.answered_call()
        ticket = await ticket_of(stage, id_)
        with pytest.raises(NotAllowedError, match="32"):
            await stage.board.companions.join_companion(ticket, "short")
