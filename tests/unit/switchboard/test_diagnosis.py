"""Each cause of silence is told from all others, and the nearest one is named."""

from dataclasses import replace

import pytest

from bridge.switchboard.diagnosis.diagnosis import Cause, Facts, diagnose

HEARD = Facts("audio", "up", phone=True, connected=True, packets=250, packets_ever=900, level_dbov=-30.0)
HEARS = Facts("audio", "down", phone=True, connected=True, packets=250, packets_ever=900)
SHOWN = Facts("video", "up", phone=False, connected=True, packets=300, packets_ever=900, frames=75)
SEES = Facts("video", "down", phone=False, connected=True, packets=300, packets_ever=900, frames=75)

CASES = [
    (HEARD, {"held": True}, Cause.HELD),
    (HEARD, {"held_by_remote": True}, Cause.HELD_BY_REMOTE),
    (HEARD, {"muted": True}, Cause.MUTED),
    (HEARD, {"negotiated": False}, Cause.NOT_NEGOTIATED),
    (HEARD, {"packets": 0, "undecryptable": 250}, Cause.DECRYPT_ERRORS),
    (HEARD, {"packets": 0, "strangers": 250}, Cause.WRONG_ADDRESS),
    (HEARD, {"packets": 0, "foreign": 250}, Cause.CODEC_REFUSED),
    (HEARD, {"packets": 0, "packets_ever": 0, "level_dbov": None}, Cause.NO_RTP),
    (HEARD, {"packets": 0}, Cause.RTP_STOPPED),
    (HEARD, {"level_dbov": -90.0}, Cause.MICROPHONE_SILENT),
    (HEARD, {"phone": False, "connected": False, "arrived": 0, "packets": 0}, Cause.NOTHING_ARRIVES),
    (HEARD, {"phone": False, "connected": False, "arrived": 9, "packets": 0}, Cause.NOT_CONNECTED),
    (HEARS, {"negotiated": False}, Cause.NOT_NEGOTIATED),
    (HEARS, {"packets": 0, "unsent": 250}, Cause.NO_DESTINATION),
    (HEARS, {"lost": 900}, Cause.LOST_ON_THE_WAY),
    (SHOWN, {"negotiated": False, "refused": "the browser sends no camera"}, Cause.NOT_NEGOTIATED),
    (SHOWN, {"waits_for_key_frame": True}, Cause.NO_KEY_FRAME),
    (SHOWN, {"frames": 0}, Cause.NO_PICTURES),
    (SHOWN, {"packets": 0}, Cause.RTP_STOPPED),
    (SEES, {"blocked": "the source sends VP8, the receiver takes H264"}, Cause.NO_PATH),
    (SEES, {"has_source": False, "packets": 0}, Cause.NO_SOURCE),
    (SEES, {"waits_for_key_frame": True, "packets": 0}, Cause.NO_KEY_FRAME),
    (SEES, {"lost": 900}, Cause.LOST_ON_THE_WAY),
]


@pytest.mark.parametrize("facts", [HEARD, HEARS, SHOWN, SEES])
def test_what_flows_needs_no_diagnosis(facts: Facts) -> None:
    assert diagnose(facts) is None


@pytest.mark.parametrize(("well", "change", "cause"), CASES)
def test_the_cause_is_named_with_a_sentence(well: Facts, change: dict[str, object], cause: Cause) -> None:
    found = diagnose(replace(well, **change))  # type: ignore[arg-type]
    assert found is not None
    assert (found.medium, found.direction, found.cause) == (well.medium, well.direction, cause)
    assert len(found.text.split()) >= 4
    assert "{" not in found.text


def test_every_cause_has_a_case() -> None:
    assert {cause for _, _, cause in CASES} == set(Cause)


def test_a_held_party_is_held_whatever_its_packets_do() -> None:
    found = diagnose(replace(HEARD, held=True, muted=True, packets=0, packets_ever=0))
    assert found is not None
    assert found.cause is Cause.HELD


def test_the_reason_of_a_refusal_is_the_text() -> None:
    found = diagnose(replace(SHOWN, negotiated=False, refused="the phone offers no video"))
    assert found is not None
    assert found.text == "the phone offers no video"


def test_the_sentence_names_who_it_is_about() -> None:
    stopped = replace(HEARD, packets=0)
    phone, browser = diagnose(stopped), diagnose(replace(stopped, phone=False))
    assert phone is not None
    assert browser is not None
    assert (phone.text, browser.text) == (
        "the phone stopped sending audio",
        "the browser stopped sending audio",
    )


def test_half_of_the_packets_may_be_lost_before_it_counts_as_silence() -> None:
    assert diagnose(replace(HEARS, packets=250, lost=250)) is None
    assert diagnose(replace(HEARS, packets=250, lost=251)) is not None
