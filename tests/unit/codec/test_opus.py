import contextlib
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec.opus import OpusDecoder, OpusEncoder, OpusProfile, max_bandwidth, profile_from_fmtp
from bridge.codec.sample import Samples
from bridge.errors import ParseError
from bridge.wire.opus import has_fec, parse_toc
from tests.unit.codec.tone import amplitude_of, power, tone

LOSSY = OpusProfile(fec=True, expected_loss_percent=20, bitrate_bps=32_000)


def frames(seconds: float = 0.4) -> Samples:
    return (tone(440, 48_000, seconds) + tone(1300, 48_000, seconds, 0.1)).reshape(-1, 960)


def test_a_tone_passes() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames()])
    assert amplitude_of(440, heard[4800:], 48_000) == pytest.approx(0.3, rel=0.1)


def test_a_clean_path_gets_celt_and_a_lossy_one_silk_with_fec() -> None:
    clean, lossy = OpusEncoder(), OpusEncoder(LOSSY)
    sound = frames()
    of_clean = [clean.encode(frame) for frame in sound]
    of_lossy = [lossy.encode(frame) for frame in sound]
    assert not parse_toc(of_clean[-1][0]).has_silk
    assert parse_toc(of_lossy[-1][0]).has_silk
    assert any(has_fec(payload) for payload in of_lossy)


def test_a_profile_is_adopted_within_the_stream() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in frames():
        decoder.decode(encoder.encode(frame))
    encoder.adopt(LOSSY)
    payloads = [encoder.encode(frame) for frame in frames()]
    assert encoder.profile == LOSSY
    assert parse_toc(payloads[-1][0]).has_silk
    heard = np.concatenate([decoder.decode(payload) for payload in payloads])
    assert amplitude_of(440, heard[4800:], 48_000) == pytest.approx(0.3, rel=0.2)


def test_a_clone_goes_on_exactly_where_the_encoder_stands() -> None:
    encoder = OpusEncoder(LOSSY)
    for frame in frames():
        encoder.encode(frame)
    clone = encoder.clone()
    assert [clone.encode(frame) for frame in frames()] == [encoder.encode(frame) for frame in frames()]


def test_clone_and_origin_are_independent() -> None:
    encoder = OpusEncoder()
    encoder.encode(frames()[0])
    twin, clone = encoder.clone(), encoder.clone()
    for frame in frames():
        clone.encode(frame * 0.1)
    assert twin.encode(frames()[1]) == encoder.encode(frames()[1])


def test_concealment_goes_on_and_fades() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in frames():
        decoder.decode(encoder.encode(frame))
    made = [power(decoder.conceal()) for _ in range(30)]
    assert made[0] > 0.01
    assert made[-1] < made[0] / 100


def test_a_lost_frame_is_recovered_from_the_next() -> None:
    encoder = OpusEncoder(LOSSY)
    sound = (tone(300, 48_000, 1.0) * np.linspace(0, 1, 48_000, dtype=np.float32)).reshape(-1, 960)
    payloads = [encoder.encode(frame) for frame in sound]
    complete, gappy = OpusDecoder(), OpusDecoder()
    wanted = [complete.decode(payload) for payload in payloads]
    for payload in payloads[:30]:
        gappy.decode(payload)
    assert has_fec(payloads[31])
    recovered = gappy.recover(payloads[31])
    assert len(recovered) == 960
    assert float(np.mean((recovered - wanted[30]) ** 2)) < 0.15 * power(wanted[30])


def test_without_a_next_payload_recovery_is_concealment() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    decoder.decode(encoder.encode(frames()[0]))
    assert len(decoder.recover(b"")) == 960


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=0, max_size=80))
def test_any_octets_are_sound_or_refused(payload: bytes) -> None:
    decoder = OpusDecoder()
    for read in (decoder.decode, decoder.recover):
        with contextlib.suppress(ParseError):
            assert 0 < len(read(payload)) <= 5_760


def test_an_empty_payload_is_refused() -> None:
    with pytest.raises(ParseError):
        OpusDecoder().decode(b"")


@pytest.mark.parametrize(
    ("fmtp", "profile"),
    [
        ("", OpusProfile()),
        ("minptime=10;useinbandfec=1", OpusProfile(fec=True)),
        ("maxaveragebitrate=20000; cbr=1", OpusProfile(bitrate_bps=20_000, cbr=True)),
        ("maxaveragebitrate=510000", OpusProfile()),
        ("maxaveragebitrate=1", OpusProfile(bitrate_bps=6_000)),
        ("maxplaybackrate=16000", OpusProfile(max_playback_rate_hz=16_000)),
        ("maxplaybackrate=-1;maxaveragebitrate=a;=;;useinbandfec", OpusProfile()),
        ("maxaveragebitrate=99999999999999999999", OpusProfile()),
    ],
)
def test_the_receiver_says_what_it_wants(fmtp: str, profile: OpusProfile) -> None:
    assert profile_from_fmtp(fmtp) == profile


@pytest.mark.parametrize(
    ("rate_hz", "bandwidth"), [(8_000, 1101), (9_000, 1102), (16_000, 1103), (48_000, 1105)]
)
def test_the_bandwidth_is_no_wider_than_what_is_played(rate_hz: int, bandwidth: int) -> None:
    assert max_bandwidth(rate_hz) == bandwidth


def test_a_wrong_number_of_samples_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="7 samples"):
        OpusEncoder().encode(np.zeros(7, dtype=np.float32))


def test_codecs_in_a_reference_cycle_are_collected_without_a_crash() -> None:
    circle: list[object] = [OpusDecoder(), OpusEncoder(), OpusEncoder().clone()]
    circle.append(circle)
    seen = weakref.ref(Mark(circle))
    del circle
    gc.collect()
    assert seen() is None


class Mark:
    """Something in the cycle whose end can be seen."""

    def __init__(self, circle: list[object]) -> None:
        circle.append(self)
        self.circle = circle
