import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec.dtmf import tone_frame
from bridge.errors import NegotiationError
from bridge.ids import LegId, RoomId
from bridge.media.audio.mixer import AudioLeg, AudioStatistics, Mixer
from bridge.media.audio.playback import SoundLibrary
from bridge.plane.messages import Codec, Hearing, Playback, PlaybackEnded
from bridge.rtp.frame import CONTINUES_FRAME, LOST_FRAME, FrameKind, JitterFrame
from tests.unit.codec.tone import tone
from tests.unit.media.stage import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    ROOM,
    Call,
    Ear,
    Script,
    leg,
    leg_id,
    payloads,
    person,
    saying,
    wav,
)

CODECS = [PCMU, PCMA, G722, OPUS]
TONES = (400.0, 700.0, 1100.0)


def names(codec: Codec) -> str:
    return codec.name


@pytest.mark.parametrize("of_talker", CODECS, ids=names)
@pytest.mark.parametrize("of_listener", CODECS, ids=names)
def test_any_codec_hears_any_other_and_not_itself(of_talker: Codec, of_listener: Codec) -> None:
    call = Call()
    call.mesh(1, 2)
    first = call.join(1, of_talker, saying(of_talker, 400))
    second = call.join(2, of_listener, saying(of_listener, 700))
    call.run(45)
    assert first.hears(400, 700) == {700}
    assert second.hears(400, 700) == {400}


def test_three_parties_each_hear_the_two_others() -> None:
    call = Call()
    call.mesh(1, 2, 3)
    ears = [
        call.join(n, codec, saying(codec, hz))
        for n, codec, hz in zip((1, 2, 3), CODECS[1:], TONES, strict=True)
    ]
    call.run(45)
    assert [ear.hears(*TONES) for ear in ears] == [{700, 1100}, {400, 1100}, {400, 700}]


def test_two_rooms_do_not_hear_each_other() -> None:
    call, other = Call(), RoomId("room_2")
    call.mesh(1, 2)
    call.mesh(3, 4, room_id=other)
    ears = [call.join(n, OPUS, saying(OPUS, hz)) for n, hz in ((1, 400), (2, 700))]
    strangers = [call.join(n, OPUS, saying(OPUS, hz), other) for n, hz in ((3, 1100), (4, 1500))]
    call.run(45)
    assert [ear.hears(400, 700, 1100, 1500) for ear in ears] == [{700}, {400}]
    assert [ear.hears(400, 700, 1100, 1500) for ear in strangers] == [{1500}, {1100}]


def test_a_missing_row_hears_silence_and_a_missing_column_is_unheard() -> None:
    call = Call()
    ears = [call.join(n, PCMU, saying(PCMU, hz)) for n, hz in zip((1, 2, 3), TONES, strict=True)]
    call.mixer.set_hears(ROOM, [Hearing(person(1), (person(2), person(3))), Hearing(person(2), (person(3),))])
    call.run(30)
    assert [ear.hears(*TONES) for ear in ears] == [{700, 1100}, {1100}, set()]


def test_a_leg_of_no_declared_room_hears_silence() -> None:
    call = Call()
    ear = call.join(1, PCMU, saying(PCMU, 400))
    call.join(2, PCMU, saying(PCMU, 700))
    call.run(20)
    assert ear.hears(400, 700) == set()
    assert len(ear.payloads) == 20


def test_mute_takes_effect_at_once_and_without_a_click() -> None:
    call = Call()
    call.mesh(1, 2)
    ear = call.join(1, PCMA, Script())
    call.join(2, PCMA, saying(PCMA, 700))
    call.run(30)
    call.mixer.set_hears(ROOM, [Hearing(person(1), ())])
    call.run(3)
    sound = ear.heard(3)
    assert abs(sound[320:]).max() < 0.001
    assert abs(sound[1:320] - sound[:319]).max() < 0.13  # what a 700 Hz tone of 0.2 has itself


def test_two_legs_of_one_participant_never_hear_each_other() -> None:
    call = Call()
    call.mesh(1, 2)
    phone = call.join(1, PCMU, saying(PCMU, 400))
    companion = Ear(OPUS)
    call.mixer.add_leg(AudioLeg(LegId("leg_9"), person(1), ROOM, OPUS, OPUS), saying(OPUS, 1100), companion)
    agent = call.join(2, OPUS, saying(OPUS, 700))
    call.run(45)
    assert phone.hears(*TONES) == {700}
    assert companion.hears(*TONES) == {700}
    assert agent.hears(*TONES) == {400, 1100}


def test_only_the_loudest_three_are_mixed() -> None:
    call = Call()
    call.mesh(*range(1, 7))
    levels = {1: (300, 0.05), 2: (500, 0.06), 3: (700, 0.2), 4: (900, 0.2), 5: (1100, 0.2)}
    for number, (hz, amplitude) in levels.items():
        call.join(number, PCMU, saying(PCMU, hz, amplitude=amplitude))
    ear = call.join(6, PCMU, Script())
    call.run(45)
    assert ear.hears(700, 900, 1100) == {700, 900, 1100}
    assert max(ear.amplitude(300), ear.amplitude(500)) < 0.01


def test_listeners_of_one_mix_share_one_encode() -> None:
    call = Call()
    call.mesh(*range(1, 11))
    ears = [call.join(n, OPUS, saying(OPUS, 400) if n == 1 else Script()) for n in range(1, 11)]
    call.run(60)
    before = call.mixer.statistics()
    call.run(10)
    after = call.mixer.statistics()
    assert after["mixer_encodes_total"] - before["mixer_encodes_total"] == 10
    assert after["mixer_replays_total"] - before["mixer_replays_total"] == 10  # the talker's silence
    assert all(ear.payloads[-1] == ears[1].payloads[-1] for ear in ears[2:])
    assert ears[0].payloads[-1] != ears[1].payloads[-1]


def test_who_begins_to_talk_gets_a_clone_and_hears_no_break() -> None:
    call = Call()
    call.mesh(1, 2, 3)
    call.join(1, OPUS, saying(OPUS, 400))
    silent = [JitterFrame(FrameKind.EMPTY)] * 60
    talk = [JitterFrame(FrameKind.PAYLOAD, p) for p in payloads(OPUS, tone(700, 48_000, 1.0))]
    second = call.join(2, OPUS, Script([*silent, *talk]))
    third = call.join(3, OPUS, Script())
    call.run(60)
    assert second.payloads[-1] == third.payloads[-1]
    call.run(10)
    assert call.mixer.statistics()["mixer_encoder_clones_total"] >= 1
    across = second.heard(12)
    steps = abs(across[1:] - across[:-1])
    assert steps.max() < 0.2 * 2 * 3.1416 * 400 / 48_000 * 1.5


def test_g722_is_encoded_for_each_listener_alone() -> None:
    call = Call()
    call.mesh(1, 2, 3)
    for number in (1, 2, 3):
        call.join(number, G722, Script())
    call.run(40)
    assert call.mixer.statistics()["mixer_mixes"] == 3


def test_the_timeline_is_continuous_whatever_is_heard() -> None:
    call = Call()
    call.mesh(1, 2)
    ears = [call.join(1, PCMU, Script()), call.join(2, OPUS, saying(OPUS, 400, 0.2))]
    call.run(30)
    assert ears[0].media_times == [160 * n for n in range(30)]
    assert ears[1].media_times == [960 * n for n in range(30)]
    assert [ear.markers.count(True) for ear in ears] == [1, 1]


def test_skipped_beats_show_as_a_marked_jump() -> None:
    call = Call()
    ear = call.join(1, PCMU, Script())
    call.run(2)
    call.mixer.skip(5)
    call.run(2)
    assert ear.media_times == [0, 160, 160 * 7, 160 * 8]
    assert ear.markers == [True, False, True, False]
    assert call.mixer.skipped == 5


def test_on_hold_nothing_is_sent_but_time_goes_on() -> None:
    call = Call()
    ear, source = Ear(PCMU), Script()
    for sends in (True, False, True):
        call.mixer.add_leg(AudioLeg(leg_id(1), person(1), ROOM, PCMU, PCMU, sends=sends), source, ear)
        call.run(2)
    assert ear.media_times == [0, 160, 640, 800]
    assert ear.markers == [True, False, True, False]


def test_saying_it_twice_changes_nothing() -> None:
    call = Call()
    call.mesh(1, 2)
    source, ear = saying(PCMU, 400), Ear(PCMU)
    call.join(2, PCMU, saying(PCMU, 700))
    for _ in range(4):
        call.mixer.add_leg(leg(1, PCMU), source, ear)
        call.mesh(1, 2)
        call.run(10)
    assert ear.media_times == [160 * n for n in range(40)]
    assert ear.markers.count(True) == 1
    assert source.pulls == 40


def test_a_new_codec_begins_a_new_stream() -> None:
    call = Call()
    call.mesh(1, 2)
    call.join(2, OPUS, saying(OPUS, 700))
    call.join(1, PCMU, saying(PCMU, 400))
    call.run(10)
    ear = call.join(1, OPUS, saying(OPUS, 1100))
    other = call.join(2, OPUS, saying(OPUS, 700))
    call.run(45)
    assert ear.media_times[0] == 0
    assert ear.hears(*TONES) == {700}
    assert other.hears(*TONES) == {1100}


def test_a_leg_moves_to_another_room_with_its_stream() -> None:
    call, other = Call(), RoomId("room_2")
    call.mesh(1, 2)
    call.mesh(1, 3, room_id=other)
    source, ear = saying(PCMU, 400), Ear(PCMU)
    call.mixer.add_leg(leg(1, PCMU), source, ear)
    call.join(2, PCMU, saying(PCMU, 700))
    call.join(3, PCMU, saying(PCMU, 1100), other)
    call.run(25)
    assert ear.hears(*TONES) == {700}
    call.mixer.add_leg(leg(1, PCMU, other), source, ear)
    call.run(25)
    assert ear.hears(*TONES) == {1100}
    assert ear.media_times == [160 * n for n in range(50)]


def test_removing_is_final_and_twice_is_fine() -> None:
    call = Call()
    call.mesh(1, 2)
    first = call.join(1, OPUS, saying(OPUS, 400))
    second = call.join(2, PCMU, saying(PCMU, 700))
    call.run(20)
    for _ in range(2):
        call.mixer.remove_leg(leg_id(1))
        call.mixer.remove_room(RoomId("room_unknown"))
    call.run(20)
    assert len(first.payloads) == 20
    assert second.hears(400, ticks=15) == set()
    call.mixer.remove_room(ROOM)
    call.mixer.remove_leg(leg_id(2))
    figures = call.mixer.statistics()
    assert [figures[f"mixer_{name}"] for name in ("legs", "rooms", "mixes", "players")] == [0, 0, 0, 0]


def test_legs_of_a_removed_room_hear_silence() -> None:
    call = Call()
    call.mesh(1, 2)
    ear = call.join(1, PCMU, Script())
    call.join(2, PCMU, saying(PCMU, 700))
    call.run(20)
    call.mixer.remove_room(ROOM)
    call.run(20)
    assert ear.hears(700, ticks=15) == set()


def test_who_neither_speaks_nor_hears_leaves_whatever_became_of_the_room() -> None:
    call = Call()
    for number in (1, 2):  # phones that ring
        call.mixer.add_leg(AudioLeg(leg_id(number), person(number), ROOM))
    call.mesh(1, 2)
    call.mixer.remove_room(ROOM)
    call.mixer.add_leg(AudioLeg(leg_id(1), person(1), RoomId("room_other")))
    for number in (1, 2):
        call.mixer.remove_leg(leg_id(number))
    figures = call.mixer.statistics()
    assert [figures[f"mixer_{name}"] for name in ("legs", "rooms")] == [0, 0]


def test_a_hundred_calls_leave_nothing_behind() -> None:
    call = Call({"music.wav": wav(tone(500, 16_000, 1.0))})
    for number in range(100):
        room_id = RoomId(f"room_{number}")
        call.mesh(1, 2, room_id=room_id)
        call.join(1, PCMU, saying(PCMU, 400, 0.04), room_id)
        call.join(2, OPUS, Script(), room_id)
        call.mixer.play_to_room(room_id, Playback("a", "music.wav", loop=True))
        call.run(2)
        call.mixer.remove_leg(leg_id(2))
        call.mixer.remove_room(room_id)
        call.mixer.remove_leg(leg_id(1))
    call.run(2)
    figures = call.mixer.statistics()
    assert [figures[f"mixer_{name}"] for name in ("legs", "rooms", "mixes", "players")] == [0, 0, 0, 0]


def test_an_unknown_codec_changes_nothing() -> None:
    call = Call()
    ear = call.join(1, PCMU, Script())
    with pytest.raises(NegotiationError):
        call.mixer.add_leg(leg(1, Codec("SPEEX", 97, 8_000)), Script(), ear)
    call.run(1)
    assert len(ear.payloads) == 1


def test_a_leg_may_have_one_way_only() -> None:
    call = Call()
    call.mesh(1, 2)
    call.mixer.add_leg(AudioLeg(leg_id(1), person(1), ROOM, up=PCMU), saying(PCMU, 400))
    ear = Ear(PCMU)
    call.mixer.add_leg(AudioLeg(leg_id(2), person(2), ROOM, down=PCMU), None, ear)
    call.run(30)
    assert ear.hears(400) == {400}


def test_three_loud_talkers_are_limited_not_clipped() -> None:
    call = Call()
    call.mesh(1, 2, 3, 4)
    for number, hz in zip((1, 2, 3), TONES, strict=True):
        call.join(number, PCMA, saying(PCMA, hz, amplitude=0.9))
    ear = call.join(4, PCMA, Script())
    call.run(45)
    assert abs(ear.heard(20)).max() < 1.0
    assert [ear.amplitude(hz) for hz in TONES] == pytest.approx([0.37] * 3, abs=0.02)
    distortion = [ear.amplitude(hz) for hz in (1500, 1800, 2200, 2500)]
    assert max(distortion) < 0.02
    assert call.mixer.statistics()["mixer_limited_total"] > 0


def test_a_beat_in_slices_is_the_same_beat() -> None:
    whole, sliced = Call(), Call()
    ears = []
    for call in (whole, sliced):
        call.mesh(*range(40))
        ears.append([call.join(n, PCMU, saying(PCMU, 300 + 50 * n, 0.2)) for n in range(40)])
    for tick in range(8):
        whole.mixer.tick(tick * 0.02)
        sliced.mixer.begin(tick * 0.02)
        slices = 1
        while sliced.mixer.step():
            slices += 1
        assert slices > 1
    assert [ear.payloads for ear in ears[0]] == [ear.payloads for ear in ears[1]]


def test_what_is_declared_between_two_slices_waits_for_the_beat() -> None:
    call = Call()
    call.mesh(*range(40))
    ears = [call.join(n, PCMU, saying(PCMU, 400, 0.2)) for n in range(40)]
    call.mixer.begin(0.0)
    call.mixer.step()
    call.mixer.remove_leg(leg_id(39))
    assert [len(ear.payloads) for ear in ears] == [1] * 40
    assert not call.mixer.step()


def test_a_prompt_for_a_leg_is_heard_by_it_alone_and_its_end_is_told() -> None:
    call = Call({"prompt.wav": wav(tone(500, 16_000, 0.6))})
    call.mesh(1, 2)
    ears = [call.join(n, PCMU, Script()) for n in (1, 2)]
    call.mixer.play_to_leg(leg_id(1), Playback("play-1", "prompt.wav"))
    call.run(25)
    assert [ear.hears(500) for ear in ears] == [{500}, set()]
    assert call.mixer.events() == []
    call.run(10)
    assert call.mixer.events() == [PlaybackEnded("play-1", leg_id=leg_id(1))]
    call.mixer.play_to_leg(leg_id(1), Playback("play-1", "prompt.wav"))
    call.run(25)
    assert ears[0].hears(500) == set()
    assert call.mixer.events() == []


def test_music_for_a_room_loops_for_all_and_stops_softly() -> None:
    call = Call({"music.wav": wav(tone(500, 16_000, 0.3))})
    call.mesh(1, 2)
    ears = [call.join(1, PCMU, saying(PCMU, 900)), call.join(2, OPUS, Script())]
    call.mixer.play_to_room(ROOM, Playback("music", "music.wav", loop=True, gain_db=-6.0))
    call.run(60)
    assert [ear.hears(500, 900) for ear in ears] == [{500}, {500, 900}]
    assert ears[0].amplitude(500) == pytest.approx(0.15, abs=0.01)
    call.mixer.play_to_room(ROOM, None)
    call.run(4)
    sound = ears[0].heard(4)
    assert abs(sound[:160]).max() > 0.05
    assert abs(sound[200:]).max() < 0.001
    call.run(1)
    assert call.mixer.statistics()["mixer_players"] == 0


def test_a_missing_file_is_told_and_the_call_goes_on() -> None:
    call = Call()
    ear = call.join(1, PCMU, Script())
    call.mixer.play_to_leg(leg_id(1), Playback("x", "nowhere.wav"))
    call.run(2)
    (event,) = call.mixer.events()
    assert event.playback_id == "x"
    assert "nowhere.wav" in event.error
    assert len(ear.payloads) == 2


def test_playing_to_nobody_does_nothing() -> None:
    call = Call()
    call.mixer.play_to_leg(leg_id(7), Playback("x", "nowhere.wav"))
    call.mixer.play_to_room(RoomId("room_7"), Playback("x", "nowhere.wav"))
    call.run(1)
    assert call.mixer.events() == []


def test_levels_tell_who_speaks_and_what_is_heard() -> None:
    call = Call()
    call.mesh(1, 2)
    call.join(1, PCMU, saying(PCMU, 400, amplitude=0.5))
    call.join(2, OPUS, Script())
    call.run(60)
    first, second = (call.mixer.leg_statistics(leg_id(n)) for n in (1, 2))
    assert first.level_dbov == pytest.approx(-9.0, abs=0.3)
    assert second.level_dbov == -127.0
    assert second.down_level_dbov == pytest.approx(-9.0, abs=0.3)
    assert first.down_level_dbov == -127.0
    assert call.mixer.leg_statistics(LegId("leg_unknown")) == AudioStatistics()


def test_a_lost_frame_is_bridged() -> None:
    call = Call()
    call.mesh(1, 2)
    said = [JitterFrame(FrameKind.PAYLOAD, p) for p in payloads(PCMU, tone(200, 8_000, 1.0))]
    said[30] = LOST_FRAME
    ear = call.join(1, PCMU, Script())
    call.join(2, PCMU, Script(said))
    call.run(40)
    assert ear.amplitude(200, 20) == pytest.approx(0.3, rel=0.1)
    assert call.mixer.leg_statistics(leg_id(2)).concealed == 1


def test_loss_reported_by_a_browser_brings_fec_without_a_break() -> None:
    call = Call()
    call.mesh(1, 2)
    ear = call.join(1, OPUS, Script())
    call.join(2, PCMU, saying(PCMU, 400))
    call.run(20)
    assert ear.payloads[-1][0] >> 3 >= 16
    call.mixer.receive_loss(leg_id(1), 0.05)
    call.run(40)
    assert ear.payloads[-1][0] >> 3 < 16
    assert ear.hears(400, 700) == {400}
    call.mixer.receive_loss(LegId("leg_unknown"), 0.5)


def test_payloads_of_60_and_10_ms_are_heard_whole() -> None:
    sound = tone(400, 8_000, 1.2)
    octets = b"".join(payloads(PCMA, sound))
    long = []
    for at in range(0, len(octets), 480):
        long += [JitterFrame(FrameKind.PAYLOAD, octets[at : at + 480]), CONTINUES_FRAME, CONTINUES_FRAME]
    short = [
        JitterFrame(FrameKind.PAYLOAD, octets[at : at + 80], more=(octets[at + 80 : at + 160],))
        for at in range(0, len(octets), 160)
    ]
    for frames in (long, short):
        call = Call()
        call.mesh(1, 2)
        ear = call.join(1, PCMA, Script())
        call.join(2, PCMA, Script(frames))
        call.run(50)
        assert ear.amplitude(400, 40) == pytest.approx(0.3, rel=0.03)
        assert call.mixer.leg_statistics(leg_id(2)).concealed == 0


class Broken(Script):
    def pull(self, now: float) -> JitterFrame:
        raise RuntimeError("source")

    def push(self, payload: bytes, media_time: int, now: float, *, marker: bool) -> None:
        raise RuntimeError("sink")


def test_a_leg_that_fails_is_told_and_the_others_go_on() -> None:
    faults: list[tuple[LegId, str]] = []
    mixer = Mixer(SoundLibrary(lambda _: b""), lambda leg_id, error: faults.append((leg_id, str(error))))
    mixer.set_hears(ROOM, [Hearing(person(n), (person(1), person(2), person(3))) for n in (1, 2, 3)])
    ear = Ear(PCMU)
    mixer.add_leg(leg(1, OPUS), Broken(), Broken())
    mixer.add_leg(leg(2, PCMU), saying(PCMU, 400), Ear(PCMU))
    mixer.add_leg(leg(3, PCMU), Script(), ear)
    for tick in range(30):
        mixer.tick(tick * 0.02)
    assert ear.hears(400) == {400}
    assert faults == [(leg_id(1), "source"), (leg_id(1), "sink")] * 30


def test_nobody_to_be_told_lets_the_error_through() -> None:
    call = Call()
    call.join(1, PCMU, Broken())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="source"):
            call.run(1)


FRAMES = st.builds(
    JitterFrame,
    kind=st.sampled_from(FrameKind),
    payload=st.binary(min_size=1, max_size=200),
    next_payload=st.binary(max_size=40),
    speed=st.sampled_from([-1, 0, 1]),
    audio_level=st.sampled_from([None, 0, 127]),
    more=st.lists(st.binary(min_size=1, max_size=200), max_size=2).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=20), st.sampled_from(CODECS))
def test_whatever_a_peer_sends_every_leg_gets_its_payload(frames: list[JitterFrame], codec: Codec) -> None:
    call = Call()
    call.mesh(1, 2)
    ears = [call.join(1, codec, Script(frames)), call.join(2, PCMA, Script())]
    call.run(len(frames) + 5)
    assert [len(ear.payloads) for ear in ears] == [len(frames) + 5] * 2
    assert abs(ears[1].heard(5)[-400:]).max() < 0.001


@pytest.mark.parametrize("finds_digits", [True, False])
def test_keys_in_a_legs_sound_are_found_where_they_are_looked_for(*, finds_digits: bool) -> None:
    mixer = Mixer(SoundLibrary(lambda _: b""))
    tones = [tone_frame(key, tick, 5, 8000) for key in "42#" for tick in range(5)]
    silence = np.zeros(160, np.float32)
    frames = [sound for at in range(3) for sound in (*tones[5 * at : 5 * at + 5], *[silence] * 5)]
    source = Script(
        JitterFrame(FrameKind.PAYLOAD, payload) for payload in payloads(PCMU, np.concatenate(frames))
    )
    mixer.add_leg(AudioLeg(leg_id(1), person(1), ROOM, up=PCMU, finds_digits=finds_digits), source)
    found = []
    for tick in range(40):
        mixer.tick(tick * 0.02)
        found += mixer.digits()
    expected = [(leg_id(1), key) for key in "42#"] if finds_digits else []
    assert [(leg, key) for leg, key, _ in found] == expected
    assert mixer.digits() == []
