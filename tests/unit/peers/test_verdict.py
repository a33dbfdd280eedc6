from dataclasses import replace

import pytest

from bridge.peers.demo.verdict import AGENT, CUSTOMER, EXPERT, PARTIES, Evidence, FramesSeen, judge

SECONDS = 10


def hears(*talkers: str) -> list[dict[str, float]]:
    second = {party: -19.0 if party in talkers else -80.0 for party in PARTIES}
    return [second] * SECONDS


GOOD = Evidence(
    seconds=SECONDS,
    problem="",
    interaction_ids=frozenset({"int_1"}),
    heard={CUSTOMER: hears(AGENT, EXPERT), AGENT: hears(CUSTOMER, EXPERT), EXPERT: hears(CUSTOMER, AGENT)},
    seen={AGENT: FramesSeen(150, 1), EXPERT: FramesSeen(150, 0)},
    last_packet_s={CUSTOMER: 0.02, AGENT: 0.3, EXPERT: -0.1},
)


def failed(evidence: Evidence) -> set[str]:
    return {verdict.check for verdict in judge(evidence) if not verdict.ok}


def test_a_good_conference_passes_every_check() -> None:
    assert failed(GOOD) == set()


@pytest.mark.parametrize("talker", PARTIES)
def test_a_party_that_one_other_does_not_hear_fails_just_that_check(talker: str) -> None:
    listener = next(party for party in PARTIES if party != talker)
    others = [party for party in PARTIES if party not in (talker, listener)]
    assert failed(replace(GOOD, heard={**GOOD.heard, listener: hears(*others)})) == {f"{talker}-heard"}


@pytest.mark.parametrize("party", PARTIES)
def test_hearing_oneself_fails_just_that_check(party: str) -> None:
    assert failed(replace(GOOD, heard={**GOOD.heard, party: hears(*PARTIES)})) == {"own-voice-absent"}


def test_a_voice_that_comes_half_of_the_time_is_not_heard() -> None:
    seconds = hears(AGENT, EXPERT)[:5] + hears(EXPERT)[:5]
    assert failed(replace(GOOD, heard={**GOOD.heard, CUSTOMER: seconds})) == {"agent-heard"}


def test_sound_that_ends_early_is_not_heard() -> None:
    short = {**GOOD.heard, CUSTOMER: hears(AGENT, EXPERT)[:4]}
    assert failed(replace(GOOD, heard=short)) == {"agent-heard", "expert-heard"}


def test_no_sound_at_all_does_not_pass_as_absence_of_the_own_voice() -> None:
    assert "own-voice-absent" in failed(replace(GOOD, heard={**GOOD.heard, CUSTOMER: []}))


@pytest.mark.parametrize(("frames", "ok"), [(FramesSeen(198, 2), True), (FramesSeen(197, 3), False)])
def test_one_frame_in_a_hundred_may_be_missing(frames: FramesSeen, ok: bool) -> None:
    assert failed(replace(GOOD, seen={**GOOD.seen, AGENT: frames})) == (set() if ok else {"agent-video"})


def test_no_picture_is_not_a_perfect_picture() -> None:
    assert failed(replace(GOOD, seen={AGENT: GOOD.seen[AGENT]})) == {"expert-video"}


@pytest.mark.parametrize("ids", [frozenset(), frozenset({"int_1", "int_2"})])
def test_there_is_exactly_one_interaction(ids: frozenset[str]) -> None:
    assert failed(replace(GOOD, interaction_ids=ids)) == {"one-interaction"}


@pytest.mark.parametrize("last", [{CUSTOMER: 1.4, AGENT: 0.1, EXPERT: 0.1}, {CUSTOMER: 0.1, AGENT: 0.1}])
def test_a_packet_long_after_the_hang_up_or_none_ever_fails(last: dict[str, float]) -> None:
    assert failed(replace(GOOD, last_packet_s=last)) == {"silence-after-hang-up"}


def test_an_escalation_that_got_stuck_says_where() -> None:
    verdict = judge(replace(GOOD, problem="the agent answers: took too long"))[0]
    assert (verdict.check, verdict.ok) == ("escalation", False)
    assert "the agent answers" in verdict.detail
