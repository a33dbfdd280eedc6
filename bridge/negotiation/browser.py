"""Offer and answer with a browser (JSEP, RFC 8829): one BUNDLE transport, ICE-lite, any number of tracks."""

from collections.abc import Callable

import msgspec

from bridge.errors import NegotiationError
from bridge.ids import LegId, ParticipantId, RoomId, TrackId
from bridge.plane.messages import Fingerprint, Playback, WebRtcLegSpec


class PeerReplacedError(NegotiationError):
    """Another certificate than before: a new peer connection (a reloaded page). It needs a new leg."""

    code = "peer_replaced"


class BrowserPreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from a browser. The browser's own order decides among `video_codecs`."""

    audio_codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    video_codecs: tuple[str, ...] = ("VP8", "H264")
    max_down_tracks: int = 16


class BrowserSession:
    """The description of one WebRTC leg over its life.

    `token_hex(n)` gives 2*n hexadecimal characters of chance. After each `receive_*` declare `spec(...)`
    to the plane again. When `needs_negotiation` is true send `offer()` to the browser and hand its answer
    to `receive_answer`. What is wrong in the browser's text raises ParseError or NegotiationError and
    leaves the session as it was.

    Glare: the bridge does not yield. An offer that arrives while ours is pending raises GlareError; the
    browser rolls its own back, answers ours, and offers again.
    """

    def __init__(
        self,
        *,
        fingerprint: Fingerprint,
        ice_candidates: tuple[str, ...],
        token_hex: Callable[[int], str],
        preferences: BrowserPreferences | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def needs_negotiation(self) -> bool:
        """Down tracks were added or removed that the browser does not know of, and no offer is pending."""
        raise NotImplementedError

    @property
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        raise NotImplementedError

    def up_track_ids(self, leg_id: LegId) -> tuple[TrackId, ...]:
        """The video the browser sends now, as sources for the other legs' `add_down_track`."""
        raise NotImplementedError

    def receive_offer(self, offer_text: str) -> str:
        """Takes the browser's offer, returns our answer."""
        raise NotImplementedError

    def offer(self) -> str:
        """Our offer, with the down tracks wanted now. The same text again while it is pending."""
        raise NotImplementedError

    def receive_answer(self, answer_text: str) -> None:
        """Takes the answer to our offer. NotAllowedError when none is pending."""
        raise NotImplementedError

    def withdraw_offer(self) -> None:
        """Our offer will not be answered: what was agreed before holds on."""
        raise NotImplementedError

    def add_down_track(self, source: TrackId, label: str) -> None:
        """Wants the video `source` sent to this browser. `label` becomes the id of its MediaStream there
        (the participant's id). Adding it again only changes the label. CapacityError beyond the bound."""
        raise NotImplementedError

    def remove_down_track(self, source: TrackId) -> None:
        """Wants `source` no longer. Unknown sources are fine."""
        raise NotImplementedError

    def spec(
        self, leg_id: LegId, participant_id: ParticipantId, room_id: RoomId, playback: Playback | None = None
    ) -> WebRtcLegSpec:
        """The wanted state of the leg, from what is agreed. A removed source is None here at once."""
        raise NotImplementedError
