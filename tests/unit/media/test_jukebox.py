from bridge.ids import LegId, RoomId
from bridge.media.audio.bank import Banks
from bridge.media.audio.jukebox import MOST_EVENTS, Jukebox, Place
from bridge.media.audio.playback import SoundLibrary
from bridge.plane.messages import Playback, PlaybackEnded
from tests.unit.codec.tone import tone
from tests.unit.media.stage import wav

LEG = Place(leg_id=LegId("leg_1"))
IN_ROOM = Place(room_id=RoomId("room_1"))


def jukebox(seconds: float = 0.06) -> Jukebox:
    return Jukebox(SoundLibrary(lambda _: wav(tone(500, 16_000, seconds))), Banks())


def run(box: Jukebox, ticks: int) -> list[int]:
    gone: list[int] = []
    for _ in range(ticks):
        box.tick(range(10))
        gone += box.end_tick()
    return gone


def test_what_ends_is_told_and_put_away_a_tick_later() -> None:
    box = jukebox()
    assert box.declare(IN_ROOM, Playback("p", "x"), 5) is not None
    assert run(box, 4) == []
    assert box.events() == [PlaybackEnded("p", room_id=RoomId("room_1"))]
    assert box.at(IN_ROOM) is None
    assert run(box, 1) == [5]
    assert box.events() == []


def test_the_same_id_does_not_start_anew_not_even_after_its_end() -> None:
    box = jukebox()
    assert box.declare(LEG, Playback("p", "x"), 1) is not None
    assert box.declare(LEG, Playback("p", "x", gain_db=-3), 2) is None
    run(box, 6)
    assert box.declare(LEG, Playback("p", "x"), 3) is None
    assert box.declare(LEG, Playback("q", "x"), 4) is not None


def test_another_id_replaces_and_the_old_one_fades() -> None:
    box = jukebox(1.0)
    old = box.declare(LEG, Playback("p", "x"), 1)
    run(box, 3)
    new = box.declare(LEG, Playback("q", "x"), 2)
    assert old is not new
    assert box.at(LEG) is new
    assert run(box, 2) == [1]
    assert box.events() == []
    assert len(box) == 1


def test_stopping_and_starting_again_is_a_new_start() -> None:
    box = jukebox(1.0)
    box.declare(LEG, Playback("p", "x"), 1)
    box.declare(LEG, None, 2)
    assert len(box) == 0
    assert box.declare(LEG, Playback("p", "x"), 3) is not None


def test_events_nobody_takes_are_bounded() -> None:
    box = Jukebox(SoundLibrary(lambda _: b"no sound"), Banks())
    for number in range(MOST_EVENTS + 5):
        assert box.declare(LEG, Playback(str(number), "x"), number) is None
    assert box.events_dropped == 5
    events = box.events()
    assert len(events) == MOST_EVENTS
    assert events[0].playback_id == "5"
    assert "not a WAV file" in events[0].error
