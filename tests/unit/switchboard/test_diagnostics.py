"""What lasts is told once, to those inside, and shown in the API until it is over."""

from bridge.ids import InteractionId, LegId
from bridge.plane.messages import LegStatistics, TrackStatistics, TransportStatistics
from bridge.switchboard.diagnosis.diagnostics import LASTS
from bridge.switchboard.view.event import LegDiagnosed
from tests.unit.switchboard.theatre import ALICE, PHONE_OFFER, Theatre, theatre, who

PHONE = LegId("leg_phone")


class Stream:
    """Statistics of one leg, second by second."""

    def __init__(self, stage: Theatre, leg_id: LegId, *media: tuple[str, str]) -> None:
        self.stage = stage
        self.leg_id = leg_id
        self.media = media or (("audio", "up"), ("audio", "down"))
        self.packets = dict.fromkeys(self.media, 0)
        self.strangers = 0

    def run(self, seconds: int, *, stopped: tuple[tuple[str, str], ...] = (), strangers: int = 0) -> None:
        for _ in range(seconds):
            tracks = []
            self.strangers += strangers
            for medium in self.media:
                self.packets[medium] += 0 if medium in stopped else 50
                kind, way = medium
                packets, level = self.packets[medium], -30.0 if kind == "audio" else None
                tracks.append(
                    TrackStatistics(
                        f"{kind}-{way}", kind, way, "X", packets=packets, frames=packets, level_dbov=level
                    )
                )
            transport = TransportStatistics(strangers=self.strangers)
            self.stage.board.plane_event(LegStatistics(self.leg_id, tuple(tracks), transport))


def told(stage: Theatre, leg_id: LegId = PHONE) -> list[list[str]]:
    events = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, LegDiagnosed)]
    return [
        [f"{one.medium} {one.direction}: {one.code}" for one in event.diagnoses]
        for event in events
        if event.leg_id == leg_id
    ]


async def shown(stage: Theatre, id_: InteractionId, role: str = "customer") -> list[str]:
    return [one.code for one in (await stage.participant(id_, role)).diagnoses]


async def test_a_phone_that_stops_sending_is_told_once_and_shown_until_it_sends_again() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        stream = Stream(stage, PHONE)
        stream.run(10)
        assert told(stage) == []
        stream.run(20, stopped=(("audio", "up"),))
        assert told(stage) == [["audio up: rtp_stopped"]]
        assert await shown(stage, id_) == ["rtp_stopped"]
        stream.run(10)
        assert told(stage)[1:] == [[]]
        assert await shown(stage, id_) == []


async def test_a_gap_that_mends_itself_is_not_worth_a_word() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        stream = Stream(stage, PHONE)
        stream.run(10)
        stream.run(LASTS - 1, stopped=(("audio", "up"),))
        stream.run(10)
        assert told(stage) == []


async def test_once_somebody_wants_to_see_the_phone_it_says_why_there_is_no_picture() -> None:
    async with theatre() as stage:
        await stage.conference()
        Stream(stage, PHONE).run(10)
        assert told(stage) == [["video up: not_negotiated"]]


async def test_the_picture_of_a_video_phone_is_expected() -> None:
    video = "m=video 40002 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
    async with theatre() as stage:
        await stage.call(offer=PHONE_OFFER + video)
        await stage.board.users.set_presence(ALICE, "ready", "agent")
        interaction = await stage.accept(ALICE)
        await stage.join(ALICE, interaction.interaction_id)
        stream = Stream(stage, PHONE, ("audio", "up"), ("audio", "down"), ("video", "up"), ("video", "down"))
        stream.run(10)
        assert told(stage) == []
        stream.run(10, stopped=(("video", "up"),))
        assert told(stage) == [["video up: rtp_stopped"]]


async def test_packets_from_a_stranger_are_the_cause() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        Stream(stage, PHONE).run(10, stopped=(("audio", "up"),), strangers=50)
        assert "audio up: wrong_address" in told(stage)[-1]


async def test_a_phone_that_its_nat_has_moved_is_told_with_the_remedy_and_counted_once() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        stream = Stream(stage, PHONE)
        stream.run(10)
        stream.run(20, stopped=(("audio", "up"),), strangers=50)
        events = [event for event in stage.doors.seen_by(ALICE) if isinstance(event, LegDiagnosed)]
        (diagnosis,) = events[-1].diagnoses
        assert diagnosis.text.startswith("audio now comes from another address than the one agreed on")
        assert "re-INVITE" in diagnosis.text
        assert stage.board.diagnostics.counters()["wrong_address_total"] == 1


async def test_hold_and_mute_are_said_as_they_are_pressed() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        customer = (await stage.participant(id_, "customer")).participant_id
        stream = Stream(stage, PHONE)
        await stage.board.participants.hold(ALICE, id_, customer)
        stream.run(10)
        assert told(stage)[-1] == ["audio up: held", "audio down: held"]
        await stage.board.participants.resume(ALICE, id_, customer)
        await stage.board.participants.mute(ALICE, id_, customer)
        stream.run(10)
        assert told(stage)[-1] == ["audio up: muted"]


async def test_a_phones_own_hold_explains_why_it_hears_nothing() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        held = PHONE_OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n"
        await stage.board.reoffer(PHONE, held)
        Stream(stage, PHONE).run(10, stopped=(("audio", "down"),))
        assert "audio down: held_by_remote" in told(stage)[-1]


async def test_of_a_customer_who_waits_only_the_voice_is_expected() -> None:
    async with theatre() as stage:
        await stage.call()
        Stream(stage, PHONE).run(10, stopped=(("audio", "up"), ("audio", "down")))
        events = [event for event, _ in stage.doors.events if isinstance(event, LegDiagnosed)]
        assert [[one.code for one in event.diagnoses] for event in events] == [["no_rtp"]]


async def test_a_browser_without_its_connection_is_told_apart_from_one_that_sends_nothing() -> None:
    async with theatre() as stage:
        await stage.answered_call()
        await stage.join(ALICE, (await stage.board.interactions.list(ALICE))[0].interaction_id)
        leg_id = next(id_ for id_ in stage.plane.legs if id_ != PHONE)
        Stream(stage, leg_id).run(10, stopped=(("audio", "up"),))
        assert "audio up: no_rtp" in told(stage, leg_id)[-1]


async def test_a_leg_that_is_gone_is_forgotten() -> None:
    async with theatre() as stage:
        id_ = await stage.answered_call()
        Stream(stage, PHONE).run(10)
        await stage.board.hung_up(PHONE, "hung up")
        await stage.board.settled()
        Stream(stage, PHONE).run(10)  # the worker's last words about it
        auditor = who("auditor", scopes=ALICE.scopes | {"interaction:all"})
        view = await stage.board.interactions.get(auditor, id_)
        assert [p.diagnoses for p in view.participants if p.role == "customer"] == [()]
