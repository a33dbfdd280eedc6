import random

import pytest

from bridge.peers.demo.script import FAULTS, draw_script
from bridge.peers.demo.verdict import AGENT, CUSTOMER, EXPERT, Evidence, FramesSeen, judge

SCRIPT = draw_script(random.Random(7).randrange)


def test_each_run_draws_anew_and_gives_the_two_cameras_different_ids() -> None:
    scripts = [draw_script(random.Random(seed).randrange) for seed in range(50)]
    assert len({tuple(script.tones_hz.values()) for script in scripts}) > 40
    assert all(script.agent.picture_id != script.expert.picture_id for script in scripts)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_names_a_check_that_exists(name: str) -> None:
    nothing = Evidence(1.0, "", frozenset(), {}, {}, {})
    assert FAULTS[name].check in {verdict.check for verdict in judge(nothing)}


def test_the_faults_change_only_what_they_name() -> None:
    muted = FAULTS["customer-muted"].play(SCRIPT)
    assert muted.customer_plays_hz == ()
    assert (muted.agent, muted.expert) == (SCRIPT.agent, SCRIPT.expert)
    silent = FAULTS["silent-expert"].play(SCRIPT)
    assert silent.expert.tones_hz == ()
    assert (silent.agent, silent.customer_plays_hz) == (SCRIPT.agent, (SCRIPT.tones_hz[CUSTOMER],))
    echoing = FAULTS["own-voice-mixed-in"].play(SCRIPT)
    assert echoing.expert.tones_hz == (SCRIPT.tones_hz[EXPERT], SCRIPT.tones_hz[AGENT])
    assert echoing.agent == SCRIPT.agent


def test_the_dropped_frames_are_one_in_twenty() -> None:
    skips = FAULTS["video-dropped"].play(SCRIPT).agent.skips
    lost = sum(skips(counter) for counter in range(1000))
    assert FramesSeen(1000 - lost, lost).missing_share == 0.05


def test_the_new_interaction_id_differs_and_other_events_stay() -> None:
    alter = FAULTS["new-interaction-id"].play(SCRIPT).alter_experts_events
    event = {"event": "mediaOffered", "interactionId": "int_0123456789abcdef"}
    assert alter(event)["interactionId"] == "int_fedcba9876543210"
    assert alter({"event": "userUpdated"}) == {"event": "userUpdated"}
