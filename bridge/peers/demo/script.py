"""Who plays what in the demo, drawn anew each run, and the faults that may be played into it.

A fault is made at a peer or on its wire, never inside the bridge: it shows that the checks notice by content
what the bridge would have done wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bridge.peers.browser.browser import Appearance
from bridge.peers.browser.signaling_client import Event, unaltered
from bridge.peers.demo.verdict import AGENT, CUSTOMER, EXPERT, PARTIES
from bridge.peers.tone import draw_frequencies

COUNTERS = 1 << 16
DROPPED_ONE_IN = 20  # 5 %


@dataclass(frozen=True)
class Script:
    """`tones_hz` is what each party should sound like; the others are what they do."""

    tones_hz: Mapping[str, float]
    customer_plays_hz: tuple[float, ...]
    agent: Appearance
    expert: Appearance
    alter_experts_events: Callable[[Event], Event] = unaltered


def draw_script(random_below: Callable[[int], int]) -> Script:
    """New tones, picture ids and counter starts; `random_below` as `secrets.randbelow`."""
    tones_hz = dict(zip(PARTIES, draw_frequencies(len(PARTIES), random_below), strict=True))
    first_id = random_below(256)
    ids = {AGENT: first_id, EXPERT: (first_id + 1 + random_below(255)) % 256}

    def appearance(party: str) -> Appearance:
        return Appearance((tones_hz[party],), tones_hz, ids[party], random_below(COUNTERS))

    return Script(tones_hz, (tones_hz[CUSTOMER],), appearance(AGENT), appearance(EXPERT))


def _customer_muted(script: Script) -> Script:
    return replace(script, customer_plays_hz=())


def _own_voice_mixed_in(script: Script) -> Script:
    """The agent's voice comes back to the agent, as if the mix were of everybody."""
    both = (script.tones_hz[EXPERT], script.tones_hz[AGENT])
    return replace(script, expert=replace(script.expert, tones_hz=both))


def _video_dropped(script: Script) -> Script:
    return replace(script, agent=replace(script.agent, skips=lambda counter: counter % DROPPED_ONE_IN == 0))


def _new_interaction_id(script: Script) -> Script:
    """As if the expert had been given a second interaction instead of a place in the first."""

    def alter(event: Event) -> Event:
        if "interactionId" not in event:
            return event
        return event | {"interactionId": "int_" + event["interactionId"][:3:-1]}

    return replace(script, alter_experts_events=alter)


def _silent_expert(script: Script) -> Script:
    return replace(script, expert=replace(script.expert, tones_hz=()))


@dataclass(frozen=True)
class Fault:
    """`check` is the one that must fail, and no other."""

    check: str
    play: Callable[[Script], Script]


FAULTS: Mapping[str, Fault] = {
    "customer-muted": Fault("customer-heard", _customer_muted),
    "own-voice-mixed-in": Fault("own-voice-absent", _own_voice_mixed_in),
    "video-dropped": Fault("agent-video", _video_dropped),
    "new-interaction-id": Fault("one-interaction", _new_interaction_id),
    "silent-expert": Fault("expert-heard", _silent_expert),
}
