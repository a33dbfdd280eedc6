"""Why a leg is silent or black, in one sentence: ordered rules over what is known of one medium, one way.

The first rule that fits names the cause, so that the nearest one is said: a held party is held, whatever its
packets do. Nothing here knows a clock or the media plane: `Facts` are put together by `diagnostics`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SILENCE_DBOV = -70.0  # quieter than any room with a microphone in it; comfort noise is around -60
MOSTLY_LOST = 0.5  # of what was sent: less than half a sound is none


class Cause(StrEnum):
    """The code of a diagnosis, as API, event and log say it."""

    HELD = "held"
    HELD_BY_REMOTE = "held_by_remote"
    MUTED = "muted"
    NOTHING_ARRIVES = "nothing_arrives"
    NOT_CONNECTED = "not_connected"
    NOT_NEGOTIATED = "not_negotiated"
    DECRYPT_ERRORS = "decrypt_errors"
    WRONG_ADDRESS = "wrong_address"
    CODEC_REFUSED = "codec_refused"
    NO_RTP = "no_rtp"
    RTP_STOPPED = "rtp_stopped"
    NO_KEY_FRAME = "no_key_frame"
    NO_PICTURES = "no_pictures"
    MICROPHONE_SILENT = "microphone_silent"
    NO_DESTINATION = "no_destination"
    NO_PATH = "no_path"
    NO_SOURCE = "no_source"
    LOST_ON_THE_WAY = "lost_on_the_way"


@dataclass(frozen=True)
class Facts:
    """One medium of one leg, one way. Counts are of the last seconds, `ever` of the leg's life.

    `direction`: up is endpoint to bridge. `refused` says why the medium is not agreed on, `blocked` why no
    picture can be made for it, each "" where there is nothing of the kind.
    """

    medium: str  # audio | video
    direction: str  # up | down
    phone: bool
    connected: bool
    held: bool = False
    held_by_remote: bool = False
    muted: bool = False
    negotiated: bool = True
    refused: str = ""
    blocked: str = ""
    has_source: bool = True  # of a down track: somebody's picture is there to be sent
    arrived: int = 0  # datagrams of any kind
    undecryptable: int = 0
    strangers: int = 0
    foreign: int = 0
    unsent: int = 0
    packets: int = 0
    packets_ever: int = 0
    lost: int = 0
    frames: int = 0
    waits_for_key_frame: bool = False
    level_dbov: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with one medium of a leg, one way: a code for programs, a sentence for people."""

    medium: str
    direction: str
    cause: Cause
    text: str


_Rule = tuple[Callable[[Facts], bool], Cause, Callable[[Facts], str]]


def diagnose(facts: Facts) -> Diagnosis | None:
    """None while nothing stands in the way of sound or picture."""
    for fits, cause, text in _RULES[facts.medium, facts.direction]:
        if fits(facts):
            return Diagnosis(facts.medium, facts.direction, cause, text(facts))
    return None


def _party(facts: Facts) -> str:
    return "phone" if facts.phone else "browser"


def _say(text: str) -> Callable[[Facts], str]:
    return lambda facts: text.format(party=_party(facts), facts=facts)


def _stopped(facts: Facts) -> bool:
    return facts.packets == 0


_ON_HOLD: tuple[_Rule, ...] = (
    (lambda f: f.held, Cause.HELD, _say("on hold at the desk: resume the participant")),
    (
        lambda f: f.held_by_remote,
        Cause.HELD_BY_REMOTE,
        _say("the {party} itself pressed hold: it has to resume"),
    ),
)
_NOT_CONNECTED: tuple[_Rule, ...] = (
    (
        lambda f: not f.connected and not f.phone and f.arrived == 0,
        Cause.NOTHING_ARRIVES,
        _say("nothing arrives from the browser: UDP to the media port is blocked, or it is gone"),
    ),
    (
        lambda f: not f.connected and not f.phone,
        Cause.NOT_CONNECTED,
        _say("packets arrive from the browser, but its encrypted connection is not up yet"),
    ),
)
_NOT_AGREED: _Rule = (
    lambda f: not f.negotiated,
    Cause.NOT_NEGOTIATED,
    lambda f: f.refused or f"the {_party(f)} has not agreed to {_verb(f)} {f.medium}",
)
_UP_PACKETS: tuple[_Rule, ...] = (
    (
        lambda f: _stopped(f) and f.undecryptable > 0,
        Cause.DECRYPT_ERRORS,
        _say("packets arrive from the {party} but cannot be decrypted: its key is not the one agreed on"),
    ),
    (
        lambda f: _stopped(f) and f.strangers > 0 and f.phone and f.packets_ever > 0,
        Cause.WRONG_ADDRESS,
        _say(
            "{facts.medium} now comes from another address than the one agreed on and is not let in: a NAT on the way "
            "has moved the phone, or somebody else sends; a re-INVITE lets it move, as hold and resume make one"
        ),
    ),
    (
        lambda f: _stopped(f) and f.strangers > 0,
        Cause.WRONG_ADDRESS,
        _say("packets arrive from another address than the {party}'s and are not let in"),
    ),
    (
        lambda f: _stopped(f) and f.foreign > 0,
        Cause.CODEC_REFUSED,
        _say("the {party} sends a payload type that was not agreed on"),
    ),
    (
        lambda f: f.packets_ever == 0,
        Cause.NO_RTP,
        _say(
            "the {party} has not sent a single {facts.medium} packet: NAT, firewall or a wrong address in SDP"
        ),
    ),
    (_stopped, Cause.RTP_STOPPED, _say("the {party} stopped sending {facts.medium}")),
)
_DOWN_PACKETS: tuple[_Rule, ...] = (
    (
        lambda f: _stopped(f) and f.unsent > 0,
        Cause.NO_DESTINATION,
        _say("the bridge has no address to send {facts.medium} to, or the network refuses it"),
    ),
    (
        lambda f: f.packets > 0 and f.lost > MOSTLY_LOST * (f.packets + f.lost),
        Cause.LOST_ON_THE_WAY,
        _say("the {party} reports that most of its {facts.medium} is lost on the way"),
    ),
)

_RULES: dict[tuple[str, str], tuple[_Rule, ...]] = {
    ("audio", "up"): (
        *_ON_HOLD,
        (lambda f: f.muted, Cause.MUTED, _say("muted at the desk")),
        *_NOT_CONNECTED,
        _NOT_AGREED,
        *_UP_PACKETS,
        (
            lambda f: f.level_dbov is not None and f.level_dbov <= SILENCE_DBOV,
            Cause.MICROPHONE_SILENT,
            _say(
                "packets arrive, but there is no sound in them: the {party}'s microphone is off or muted there"
            ),
        ),
    ),
    ("audio", "down"): (*_ON_HOLD, *_NOT_CONNECTED, _NOT_AGREED, *_DOWN_PACKETS),
    ("video", "up"): (
        *_ON_HOLD,
        *_NOT_CONNECTED,
        _NOT_AGREED,
        *_UP_PACKETS,
        (
            lambda f: f.waits_for_key_frame,
            Cause.NO_KEY_FRAME,
            _say("video arrives, but the {party} has sent no key frame, which was asked for"),
        ),
        (
            lambda f: f.frames == 0,
            Cause.NO_PICTURES,
            _say("video packets arrive, but no picture of them is complete"),
        ),
        (lambda f: bool(f.blocked), Cause.NO_PATH, lambda f: f"no viewer can be shown it: {f.blocked}"),
    ),
    ("video", "down"): (
        *_ON_HOLD,
        *_NOT_CONNECTED,
        (lambda f: bool(f.blocked), Cause.NO_PATH, lambda f: f.blocked),
        _NOT_AGREED,
        (lambda f: not f.has_source, Cause.NO_SOURCE, _say("nobody shows a picture")),
        (
            lambda f: f.waits_for_key_frame,
            Cause.NO_KEY_FRAME,
            _say("the picture waits for a key frame of the one who is shown"),
        ),
        *_DOWN_PACKETS,
    ),
}


def _verb(facts: Facts) -> str:
    return "send" if facts.direction == "up" else "receive"
