"""The demo's checks: values in, verdicts out. They judge only what the peers received."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEARD_DB = -40.0  # a tone is heard above this; sent at about -19 dBFS, codec noise was seen below -55
HEARD_SHARE = 0.9  # of the seconds
MISSING_SHARE = 0.01  # of the frames, as promised in the README
LATE_S = 1.0

CUSTOMER, AGENT, EXPERT = "customer", "agent", "expert"
PARTIES = (CUSTOMER, AGENT, EXPERT)


@dataclass(frozen=True)
class Verdict:
    """`detail` gives the figures in one line, whether or not the check passed."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class FramesSeen:
    """What one browser saw of another's camera."""

    seen: int
    missing: int

    @property
    def missing_share(self) -> float:
        """1.0 when nothing came at all: no picture is not a perfect picture."""
        return self.missing / (self.seen + self.missing) if self.seen else 1.0


@dataclass(frozen=True)
class Evidence:
    """What the peers received in `seconds` of conference and afterwards.

    `heard[listener]` is a list of seconds, each with the level in dBFS of every party's tone.
    `seen[shower]` is what the other browser saw of that camera. `last_packet_s[party]` tells how long after
    the hang-up its last packet came. `problem` is why the escalation was not completed, "" if it was.
    """

    seconds: float
    problem: str
    interaction_ids: frozenset[str]
    heard: Mapping[str, Sequence[Mapping[str, float]]]
    seen: Mapping[str, FramesSeen]
    last_packet_s: Mapping[str, float]


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """Every check, in the order a reader wants them."""
    return (
        Verdict("escalation", not evidence.problem, evidence.problem or "customer, agent and expert met"),
        *(_voice(evidence, talker) for talker in PARTIES),
        _own_voice(evidence),
        *(_video(evidence, shower) for shower in (AGENT, EXPERT)),
        _one_interaction(evidence),
        _silence(evidence),
    )


def _share_heard(seconds: Sequence[Mapping[str, float]], talker: str) -> float:
    return sum(second[talker] > HEARD_DB for second in seconds) / len(seconds) if seconds else 0.0


def _voice(evidence: Evidence, talker: str) -> Verdict:
    """A talker is heard by both others, nearly all the time and during nearly the whole conference."""
    ok, details = True, []
    for listener in PARTIES:
        if listener == talker:
            continue
        seconds = evidence.heard.get(listener, ())
        share = _share_heard(seconds, talker)
        # Seconds are counted whole and not in step with the conference: at either end one may fall out.
        enough = len(seconds) >= HEARD_SHARE * evidence.seconds - 2
        ok = ok and enough and share >= HEARD_SHARE
        level = _median([second[talker] for second in seconds])
        details.append(f"{listener} heard it in {share:.0%} of {len(seconds)} s, median {level:.0f} dBFS")
    return Verdict(f"{talker}-heard", ok, "; ".join(details))


def _own_voice(evidence: Evidence) -> Verdict:
    """Nobody hears himself. Who heard nothing at all proves nothing, and does not pass."""
    shares = {party: _share_heard(evidence.heard.get(party, ()), party) for party in PARTIES}
    listened = all(evidence.heard.get(party) for party in PARTIES)
    ok = listened and all(share <= 1 - HEARD_SHARE for share in shares.values())
    detail = "; ".join(f"{party} heard itself in {share:.0%}" for party, share in shares.items())
    return Verdict("own-voice-absent", ok, detail if listened else "somebody received no sound at all")


def _video(evidence: Evidence, shower: str) -> Verdict:
    frames = evidence.seen.get(shower, FramesSeen(0, 0))
    detail = f"{frames.seen} frames read, {frames.missing} missing ({frames.missing_share:.1%})"
    return Verdict(f"{shower}-video", frames.missing_share <= MISSING_SHARE, detail)


def _one_interaction(evidence: Evidence) -> Verdict:
    found = sorted(evidence.interaction_ids)
    return Verdict("one-interaction", len(found) == 1, ", ".join(found) or "no event named an interaction")


def _silence(evidence: Evidence) -> Verdict:
    last = evidence.last_packet_s
    ok = set(last) == set(PARTIES) and all(after_s <= LATE_S for after_s in last.values())
    detail = "; ".join(f"{party}: last packet {after_s:+.2f} s" for party, after_s in last.items())
    return Verdict("silence-after-hang-up", ok, detail or "nobody hung up")


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else float("-inf")
