"""Offer and answer with a browser (JSEP, RFC 8829): one BUNDLE transport, ICE-lite, any number of tracks."""

from collections.abc import Callable

import msgspec

from bridge.errors import CapacityError, GlareError, NegotiationError, NotAllowedError
from bridge.ids import LegId, ParticipantId, RoomId, TrackId, track_id
from bridge.negotiation.browser.blueprint import Blueprint
from bridge.negotiation.browser.placement import carries, place, voice_of
from bridge.negotiation.browser.section import (
    Section,
    Transport,
    is_live,
    is_token,
    is_usable,
    read_extensions,
    read_formats,
    read_ssrcs,
    refuse,
    write_section,
)
from bridge.negotiation.browser.taste import PhoneTaste, suit
from bridge.negotiation.browser.transport import read_transport
from bridge.plane.messages import (
    DownTrackSpec,
    Fingerprint,
    IceCredentials,
    Playback,
    UpTrackSpec,
    WebRtcLegSpec,
)
from bridge.wire.sdp import (
    MAX_MEDIA_SECTIONS,
    Origin,
    SessionDescription,
    parse_session_description,
    serialize_session_description,
)
from bridge.wire.sdp_section import Attribute, Attributes, MediaSection, make_direction


class PeerReplacedError(NegotiationError):
    """Another certificate than before: a new peer connection (a reloaded page). It needs a new leg."""

    code = "peer_replaced"


class BrowserPreferences(msgspec.Struct, frozen=True):
    """What the bridge takes from a browser. The browser's own order decides among `video_codecs`."""

    audio_codecs: tuple[str, ...] = ("OPUS", "G722", "PCMU", "PCMA")
    video_codecs: tuple[str, ...] = ("VP8", "H264")
    max_down_tracks: int = 16


class _Offer(msgspec.Struct, frozen=True):
    """Our offer while it waits for its answer."""

    sections: tuple[Section, ...]
    text: str
    tastes: tuple[PhoneTaste, ...] = ()


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A section of a browser's offer that is not taken, and why."""

    mid: str
    reason: str


class BrowserSession:
    """The description of one WebRTC leg over its life.

    `token_hex(n)` gives 2*n hexadecimal characters of chance. After each `receive_*` declare `spec(...)`
    to the plane again. When `needs_negotiation` is true send `offer()` to the browser and hand its answer
    to `receive_answer`. What is wrong in the browser's text raises ParseError or NegotiationError and
    leaves the session as it was.

    Glare: the bridge does not yield. An offer that arrives while ours is pending raises GlareError; the
    browser rolls its own back, answers ours, and offers again.
    """

    __slots__ = (
        "_candidates",
        "_dtls_server",
        "_fingerprint",
        "_local_ice",
        "_pending",
        "_preferences",
        "_refusals",
        "_refused",
        "_remote",
        "_sections",
        "_session_id",
        "_tastes",
        "_token_hex",
        "_transport",
        "_unwilling",
        "_version",
        "_wanted",
    )

    def __init__(
        self,
        *,
        fingerprint: Fingerprint,
        ice_candidates: tuple[str, ...],
        token_hex: Callable[[int], str],
        preferences: BrowserPreferences | None = None,
    ) -> None:
        self._fingerprint = fingerprint
        self._candidates = ice_candidates
        self._token_hex = token_hex
        self._preferences = preferences or BrowserPreferences()
        self._session_id = int(token_hex(7), 16)  # RFC 8829 section 5.2.1: below 2^63
        self._version = 0
        self._local_ice = self._new_credentials()
        self._sections: tuple[Section, ...] = ()
        self._remote: SessionDescription | None = None
        self._transport: Transport | None = None
        self._dtls_server = True
        self._pending: _Offer | None = None
        self._wanted: dict[TrackId, str] = {}
        self._tastes: tuple[PhoneTaste, ...] = ()
        self._unwilling = False  # it keeps to its own order of codecs: do not ask again
        self._refusals: tuple[Refusal, ...] = ()
        self._refused: set[TrackId] = set()  # the browser declined a section made for it: do not ask again

    @property
    def needs_negotiation(self) -> bool:
        """Down tracks or the wishes of phones changed, the browser does not know, and no offer is pending."""
        if self._pending is not None or self._remote is None:
            return False
        sections, waiting = place(self._suited(self._sections), self._askable())
        return bool(waiting) or sections != self._sections

    @property
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        return self._pending is not None

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What the browser would send by its last offer and may not."""
        return self._refusals

    def up_track_ids(self, leg_id: LegId) -> tuple[TrackId, ...]:
        """The video the browser sends now, as sources for the other legs' `add_down_track`."""
        return tuple(
            track_id(leg_id, section.mid)
            for section in self._sections
            if section.live and section.kind == "video" and section.receives
        )

    def sends(self, kind: str) -> bool:
        """Whether the browser sends this medium now. A shared screen is of the kind "screen"."""
        return any(s.live and s.receives and s.shows == kind for s in self._sections)

    def receives(self, kind: str) -> bool:
        """Whether the browser takes this medium. Video it takes in sections of our own offers, until it
        refuses all of them."""
        if any(s.live and s.may_send and s.kind == kind for s in self._sections):
            return True
        return kind == "video" and bool(self._preferences.video_codecs) and not self._refused

    def add_down_track(self, source: TrackId, label: str) -> None:
        """Wants the video `source` sent to this browser. `label` becomes the id of its MediaStream there
        (the participant's id). Adding it again only changes the label. CapacityError beyond the bound."""
        if not is_token(label):
            raise ValueError(f"{label!r} cannot be the id of a MediaStream (RFC 8830 section 2)")
        if source not in self._wanted and len(self._wanted) >= self._preferences.max_down_tracks:
            raise CapacityError(f"This leg already receives {len(self._wanted)} videos, its limit.")
        self._wanted[source] = label

    def remove_down_track(self, source: TrackId) -> None:
        """Wants `source` no longer. Unknown sources are fine."""
        self._wanted.pop(source, None)
        self._refused.discard(source)

    def serve(self, tastes: tuple[PhoneTaste, ...]) -> None:
        """Wants the browser's camera so that these phones, which are shown it, take it as it comes."""
        if tastes != self._tastes:
            self._tastes, self._unwilling = tastes, False

    def receive_offer(self, offer_text: str) -> str:
        """Takes the browser's offer, returns our answer."""
        remote = parse_session_description(offer_text)
        # First of all: a reloaded page knows nothing of our pending offer, and has fewer m= lines.
        transport = self._check_transport(read_transport(remote))
        if self._pending is not None:
            raise GlareError(
                "The bridge's own offer is pending: roll yours back, answer it, then offer again."
            )
        if len(remote.media) < len(self._sections):
            raise NegotiationError("The new offer has fewer m= lines than the last (RFC 3264 section 8).")
        _check_mids(remote)
        sections, refusals = self._with_one_voice(
            remote, tuple(self._read_offered(remote, index) for index in range(len(remote.media)))
        )
        if not any(section.live for section in sections):
            raise NegotiationError(
                "The offer has no audio or video the bridge can take: it needs BUNDLE, a=rtcp-mux and one of "
                f"{', '.join((*self._preferences.audio_codecs, *self._preferences.video_codecs))}."
            )
        sections, _ = place(self._suited(sections), self._wanted)
        self._refused.clear()
        self._refusals = refusals
        if self._transport is not None and self._transport.ice != transport.ice:
            self._local_ice = self._new_credentials()  # RFC 8839 section 4.4.1.1.1: ICE restart
        self._commit(remote, transport, tuple(self._settle(section) for section in sections))
        return self._write(self._sections, "passive" if self._dtls_server else "active")

    def offer(self) -> str:
        """Our offer, with the down tracks wanted now. The same text again while it is pending."""
        if self._pending is not None:
            return self._pending.text
        blueprint = Blueprint(self._remote, self._sections)
        sections = self._sections or blueprint.first_sections()
        sections, waiting = place(self._suited(sections), self._askable())
        for source in waiting:
            made = blueprint.down_section(source, self._wanted[source])
            sections = blueprint.insert(sections, made)
        if len(sections) > MAX_MEDIA_SECTIONS:
            raise CapacityError(f"This leg would need more than {MAX_MEDIA_SECTIONS} m= lines.")
        voice = voice_of(sections)
        sections = tuple(
            self._with_ssrc(
                msgspec.structs.replace(
                    section,
                    sends=carries(section),
                    receives=section.live
                    and not section.for_down
                    and (section.kind != "audio" or index == voice),
                )
            )
            for index, section in enumerate(sections)
        )
        self._pending = _Offer(sections, self._write(sections, "actpass"), self._tastes)
        return self._pending.text

    def receive_answer(self, answer_text: str) -> None:
        """Takes the answer to our offer. NotAllowedError when none is pending."""
        if self._pending is None:
            raise NotAllowedError("No offer of the bridge is pending.")
        remote = parse_session_description(answer_text)
        offered = self._pending.sections
        if len(remote.media) != len(offered):
            raise NegotiationError("The answer has another number of m= lines (RFC 3264 section 6).")
        _check_mids(remote)
        transport = self._check_transport(read_transport(remote))
        sections = tuple(
            self._read_answered(remote, section, media)
            for section, media in zip(offered, remote.media, strict=True)
        )
        agreed = {section.source for section in sections if section.sends}
        self._refused |= {s.source for s in offered if s.for_down and s.source is not None} - agreed
        if self._pending.tastes == self._tastes and self._suited(sections) != sections:
            self._unwilling = True
        self._pending = None
        self._commit(remote, transport, sections)

    def withdraw_offer(self) -> None:
        """Our offer will not be answered: what was agreed before holds on."""
        self._pending = None

    def spec(
        self, leg_id: LegId, participant_id: ParticipantId, room_id: RoomId, playback: Playback | None = None
    ) -> WebRtcLegSpec:
        """The wanted state of the leg, from what is agreed. A removed source is None here at once.

        Video that rests stays as a down track without source: its stream must go on, never begin again.
        """
        live = [section for section in self._sections if section.live]
        return WebRtcLegSpec(
            leg_id=leg_id,
            participant_id=participant_id,
            room_id=room_id,
            local_ice=self._local_ice,
            remote_ice=None if self._transport is None else self._transport.ice,
            remote_fingerprints=() if self._transport is None else self._transport.fingerprints,
            dtls_server=self._dtls_server,
            up_tracks=tuple(_up_track(section) for section in live if section.receives),
            down_tracks=tuple(self._down_track(s) for s in live if s.sends or (s.kind == "video" and s.ssrc)),
            playback=playback,
        )

    def _suited(self, sections: tuple[Section, ...]) -> tuple[Section, ...]:
        return tuple(suit(section, self._tastes, reorder=not self._unwilling) for section in sections)

    def _askable(self) -> dict[TrackId, str]:
        return {source: label for source, label in self._wanted.items() if source not in self._refused}

    def _down_track(self, section: Section) -> DownTrackSpec:
        return DownTrackSpec(
            mid=section.mid,
            kind=section.kind,
            codecs=section.codecs,
            extensions=section.extension_ids,
            ssrc=section.ssrc,
            rtx_ssrc=section.rtx_ssrc,
            source=section.source if section.source in self._wanted else None,
        )

    def _read_offered(self, remote: SessionDescription, index: int) -> Section:
        media = remote.media[index]
        formats = read_formats(media, self._preferences.audio_codecs, self._preferences.video_codecs)
        if not is_usable(remote, media) or not formats:
            return refuse(media)
        direction = remote.direction(media)
        before = self._sections[index] if index < len(self._sections) else None
        if before is None or (before.kind, before.mid) != (media.kind, media.mid):
            before = Section(
                media.kind, media.mid
            )  # a new mid means a new use of the m= line (RFC 8829, 5.2.2)
        ssrcs, rtx_ssrcs = read_ssrcs(media) if direction.sends else ((), ())
        return msgspec.structs.replace(
            before,
            protocol=media.protocol,
            live=True,
            for_down=before.for_down
            and not direction.sends,  # addTrack() may take our section for the camera
            formats=formats,
            extensions=read_extensions(media),
            receives=direction.sends,
            may_send=direction.receives,
            reduced_size_rtcp=media.attributes.has("rtcp-rsize"),
            content=media.attributes.value("content") or "",
            up_ssrcs=ssrcs,
            up_rtx_ssrcs=rtx_ssrcs,
        )

    def _with_one_voice(
        self, remote: SessionDescription, sections: tuple[Section, ...]
    ) -> tuple[tuple[Section, ...], tuple[Refusal, ...]]:
        """Another sound of the same browser would be mixed with nothing and heard by nobody: it is refused, so that
        the page knows."""
        voice = voice_of(sections, self._sections)
        others = [
            index
            for index, section in enumerate(sections)
            if section.kind == "audio" and section.live and section.receives and index != voice
        ]
        if voice is None or not others:
            return sections, ()
        reason = f"one sound of a browser is heard, that of section {sections[voice].mid}: mix others into it"
        kept = tuple(
            refuse(remote.media[index]) if index in others else section
            for index, section in enumerate(sections)
        )
        return kept, tuple(Refusal(sections[index].mid, reason) for index in others)

    def _read_answered(self, remote: SessionDescription, offered: Section, media: MediaSection) -> Section:
        if media.kind != offered.kind:
            raise NegotiationError("The answer changed the medium of an m= line (RFC 3264 section 6).")
        if not offered.live or not is_live(remote, media):
            return refuse(media)
        if media.mid != offered.mid or not media.attributes.has("rtcp-mux"):
            raise NegotiationError(
                "The answer changed a=mid or left a=rtcp-mux out (RFC 8829 section 5.3.1)."
            )
        asked = {entry.codec.payload_type for entry in offered.formats}
        read = read_formats(media, self._preferences.audio_codecs, self._preferences.video_codecs)
        formats = tuple(entry for entry in read if entry.codec.payload_type in asked)
        if not formats:
            raise NegotiationError("The answer accepts an m= line without any codec that was offered.")
        direction = remote.direction(media)
        ssrcs, rtx_ssrcs = read_ssrcs(media) if direction.sends else ((), ())
        sends = offered.sends and direction.receives
        return msgspec.structs.replace(
            offered,
            formats=formats,
            extensions=tuple(entry for entry in read_extensions(media) if entry in offered.extensions),
            sends=sends,
            receives=offered.receives and direction.sends,
            may_send=direction.receives if offered.sends else offered.may_send,
            reduced_size_rtcp=media.attributes.has("rtcp-rsize"),
            up_ssrcs=ssrcs,
            up_rtx_ssrcs=rtx_ssrcs,
            source=offered.source if sends else None,
            label=offered.label if sends else "",
        )

    def _settle(self, section: Section) -> Section:
        return self._with_ssrc(msgspec.structs.replace(section, sends=carries(section)))

    def _with_ssrc(self, section: Section) -> Section:
        """SSRCs stay with their section for life: SRTP and the browser follow one sequence."""
        if not section.sends:
            return section
        ssrc = section.ssrc or self._new_ssrc()
        needs_rtx = any(codec.rtx_payload_type is not None for codec in section.codecs)
        rtx_ssrc = section.rtx_ssrc or (self._new_ssrc() if needs_rtx else None)
        return msgspec.structs.replace(section, ssrc=ssrc, rtx_ssrc=rtx_ssrc)

    def _check_transport(self, transport: Transport) -> Transport:
        before = self._transport
        if before is not None and before.fingerprints != transport.fingerprints:
            raise PeerReplacedError(
                "The certificate changed: this is another peer connection. Open a new leg."
            )
        return transport

    def _commit(
        self, remote: SessionDescription, transport: Transport, sections: tuple[Section, ...]
    ) -> None:
        if self._transport is None:
            # RFC 5763 section 5: who is passive waits for the ClientHello. The role never changes after.
            self._dtls_server = transport.setup != "passive"
        self._remote, self._transport, self._sections = remote, transport, sections

    def _write(self, sections: tuple[Section, ...], setup: str) -> str:
        self._version += 1
        transport = Transport(self._local_ice, (self._fingerprint,), setup, self._candidates)
        media = tuple(
            write_section(section, make_direction(sends=section.sends, receives=section.receives), transport)
            for section in sections
        )
        mids = " ".join(section.mid for section in sections if section.live)
        attributes = (
            Attribute("ice-lite"),
            Attribute("group", f"BUNDLE {mids}"),
            Attribute("msid-semantic", "WMS *"),
        )
        origin = Origin("-", str(self._session_id), str(self._version))
        description = SessionDescription(origin, attributes=Attributes(attributes), media=media)
        return serialize_session_description(description)

    def _new_credentials(self) -> IceCredentials:
        # RFC 8445 section 5.3: 24 and 128 bits at least; the ufrag routes on a shared port, so it gets 64.
        return IceCredentials(self._token_hex(8), self._token_hex(16))

    def _new_ssrc(self) -> int:
        return int(self._token_hex(4), 16) or 1


def _up_track(section: Section) -> UpTrackSpec:
    return UpTrackSpec(
        mid=section.mid,
        kind=section.kind,
        codecs=section.codecs,
        extensions=section.extension_ids,
        ssrcs=section.up_ssrcs,
        rtx_ssrcs=section.up_rtx_ssrcs,
    )


def _check_mids(remote: SessionDescription) -> None:
    mids = [section.mid for section in remote.media if section.mid]
    if len(mids) != len(set(mids)):
        raise NegotiationError("Two m= lines have the same a=mid (RFC 5888 section 4).")
