"""Offer and answer with a phone: one audio stream and at most one video stream, over RTP or SRTP."""

import copy
import itertools

import msgspec

from bridge.errors import GlareError, NegotiationError, NotAllowedError
from bridge.ids import LegId, TrackId, track_id
from bridge.negotiation.phone.agreement import (
    ENDED,
    NO_PORT,
    NOT_OFFERED,
    STRIPPED,
    PhoneAgreement,
    Understood,
    agree,
    find_video,
)
from bridge.negotiation.phone.audio import PhoneAudio, PhonePreferences, understand_audio
from bridge.negotiation.phone.memory import PhoneMemory, parse_memory, serialize_memory
from bridge.negotiation.phone.offer import PhoneOffer, Wanted, make_offer, read_answer
from bridge.negotiation.phone.section import (
    PhonePlace,
    PhoneSection,
    explain_reach,
    find_sections,
    parse_description,
    write_description,
)
from bridge.negotiation.phone.transport import KeyMaker, KeyMakers, PhoneTransport, answer_transport
from bridge.negotiation.phone.video import PhoneVideo
from bridge.negotiation.phone.video_wish import VideoWish
from bridge.plane.messages import VIDEO_MID, RtpAudio, RtpVideo
from bridge.wire.sdes import SUITES
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import Direction, MediaSection

_WAYS = {"off": "plain RTP", "optional": "RTP or SRTP", "mandatory": "SRTP with a key the bridge can use"}


def answer_phone(offer_text: str, preferences: PhonePreferences | None = None) -> PhoneAgreement:
    """Agrees to a first offer without keeping a session. Raises NegotiationError (SIP status 488)."""
    return PhoneSession(1, preferences).receive_offer(offer_text)


class PhoneSession:
    """The description of one SIP leg over its life: either side may offer, one offer at a time.

    Inbound call: `receive_offer(invite_sdp)` -> declare `audio` and `video` -> `place(...)` -> `answer()` is
    the SDP of the 200. Outbound call or late offer: declare the leg without audio -> `place(...)` ->
    `offer()` -> `receive_answer(sdp)` -> declare `audio` and `video`.
    What is wrong in the peer's text raises NegotiationError and leaves the session as it was.
    """

    __slots__ = (
        "_agreement",
        "_answer_due",
        "_answered",
        "_described",
        "_exchanges",
        "_last_media",
        "_offered",
        "_place",
        "_preferences",
        "_session_id",
        "_version",
        "_video_wish",
        "_wish",
        "claims_video",
    )

    def __init__(self, session_id: int, preferences: PhonePreferences | None = None) -> None:
        self._session_id = session_id
        self.claims_video = False  # the phone says so of itself, outside its SDP
        self._preferences = preferences or PhonePreferences()
        self._version = 0
        self._place: PhonePlace | None = None
        self._wish = Direction.SENDRECV  # what the bridge wants; what is agreed may be less
        self._video_wish = VideoWish()
        self._described: Direction | None = Direction.SENDRECV  # what the phone was told last; None: unsure
        self._agreement: PhoneAgreement | None = None
        self._answer_due = self._answered = False
        # Forks share it: of two phones that ring, each has a number of its own, though both are at 192.168.1.10.
        self._exchanges = itertools.count(1)
        self._offered: PhoneOffer | None = None
        self._last_media: tuple[str, tuple[MediaSection, ...]] | None = None

    @property
    def audio(self) -> RtpAudio | None:
        """What is agreed now; None before the first answer."""
        return None if self._agreement is None else self._agreement.audio

    @property
    def video(self) -> RtpVideo | None:
        """What is agreed now, without a source; None for a voice call."""
        return None if self._agreement is None or self._portless else self._agreement.video

    @property
    def no_video(self) -> str:
        """Why there is no video; "" while there is."""
        if self._agreement is None:
            return NOT_OFFERED
        return NO_PORT if self._portless and self._agreement.video else self._agreement.no_video

    def up_track_ids(self, leg_id: LegId) -> tuple[TrackId, ...]:
        """The video the phone sends now, as a source for the other legs."""
        video = self.video
        return (track_id(leg_id, VIDEO_MID),) if video is not None and video.receives else ()

    @property
    def held_by_remote(self) -> bool:
        """The phone does not want to hear us: sendonly, inactive or the address 0.0.0.0."""
        return self._agreement is not None and self._agreement.held_by_remote

    @property
    def remote_has_video(self) -> bool:
        """The phone's last description has video, whether or not it is taken."""
        return self._agreement is not None and self._agreement.remote_has_video

    @property
    def takes_keys_by_info(self) -> bool:
        """Beside the media, as its trunk is set."""
        return self._preferences.info_dtmf

    @property
    def offer_pending(self) -> bool:
        """Our offer is out and not answered."""
        return self._offered is not None

    def want(self, direction: Direction) -> None:
        """SENDONLY holds the phone, SENDRECV resumes it: in the next description, whoever asks for it."""
        self._wish = direction

    def want_video(self, *, wanted: bool) -> None:
        """True asks a phone for video once, False ends video that was asked for so."""
        self._video_wish.wanted = wanted and bool(self._preferences.video_codecs)

    @property
    def wants_video_port(self) -> bool:
        """Video is to be offered, and the leg needs a port for it first."""
        return self._video_change is True

    @property
    def offers_video(self) -> bool:
        """An offer that adds video is out and not answered."""
        return self._offered is not None and self._offered.change is True

    def decline_video(self, reason: str) -> None:
        """The phone refused an offer that adds video: the call goes on by voice, for this reason.

        On a new session: it refused a call because of it, and is called once more by voice.
        """
        self._video_wish.decline(reason)
        self._offered = None
        if self._agreement is not None and self._agreement.video is None:
            self._agreement = msgspec.structs.replace(self._agreement, no_video=reason)

    @property
    def held(self) -> bool:
        """What is wanted now: the phone is to hear us only."""
        return not self._wish.receives

    @property
    def needs_offer(self) -> bool:
        """What is wanted is not what the phone was told last."""
        if self._agreement is None:
            return False
        change = self._video_change
        video_due = change is False or (change is True and self._place is not None and self._place.video_port)
        return self._described is not self._wish or bool(video_due)

    @property
    def _video_change(self) -> bool | None:
        agreed = self._agreement
        return self._video_wish.change(has_video=agreed is not None and agreed.video is not None)

    def remember(self) -> bytes:
        """What `recall` needs to go on after a restart: what is agreed, not an offer on its way."""
        return serialize_memory(
            PhoneMemory(
                self._session_id,
                self._version,
                self._wish,
                self._agreement,
                self._video_wish.ours,
                self._video_wish.declined,
            )
        )

    @classmethod
    def recall(cls, body: bytes, preferences: PhonePreferences | None = None) -> "PhoneSession":
        """The session that was remembered, without a place and without keys.

        Raises NegotiationError for bytes it cannot read.
        """
        memory = parse_memory(body, preferences or PhonePreferences())
        session = cls(memory.session_id, preferences)
        session._version = memory.version
        session._wish = session._described = memory.wish
        session._video_wish = VideoWish(ours=memory.video_ours, declined=memory.video_declined)
        session._agreement = memory.agreement
        if memory.agreement is not None:
            session._exchanges = itertools.count(memory.agreement.audio.exchange + 1)
        return session

    def place(self, local_address: str, local_port: int, video_port: int | None = None) -> None:
        """Where the leg receives RTP (RTCP one higher), from RtpLegDeclared. Again after a new worker.

        `video_port` is None while no video was declared, 0 when no port was to be had.
        """
        self._place = PhonePlace(local_address, local_port, video_port)

    def receive_offer(self, offer_text: str) -> PhoneAgreement:
        """Takes the offer of an INVITE or re-INVITE. GlareError while ours is pending (SIP status 491)."""
        if self._offered is not None:
            raise GlareError("The bridge's own offer is not answered yet; try again (RFC 3264 section 4).")
        remote = parse_description(offer_text)
        last = self._agreement
        audio = self._choose_audio(remote)
        first = None if last is None else last.video_index
        video, no_video = find_video(remote, self._preferences, first)
        if video is not None and self._place is not None and self._portless:
            # A port that was not to be had may be free by now: the next declaration asks for it again.
            self._place = PhonePlace(self._place.address, self._place.audio_port)
        had = last is not None and last.video is not None
        if no_video == NOT_OFFERED and (had or self.claims_video):
            no_video = ENDED if had else STRIPPED
        found = self._understood(remote, audio, video, no_video)
        held = not audio.section.direction.receives
        self._agreement = agree(
            found, self._wish, last, self._preferences, held=held, exchange=next(self._exchanges)
        )
        self._video_wish.note_offered(had=had, has=video is not None)
        self._described = self._wish
        self._answer_due, self._answered = True, False
        return self._agreement

    def answer(self) -> str:
        """The text answering the last `receive_offer`; the same again until the next description."""
        if self._agreement is None or not self._answer_due:
            raise NotAllowedError("There is no offer of the phone to answer.")
        self._answered = True
        place = self._placed()
        return self._write(place.address, self._agreement.answer_media(place))

    def offer(self, *, anew: bool = False) -> str:
        """Our offer, new or again, as wanted now. Video is added only if there is a port for it.

        `anew` lists all codecs in the middle of a call, for a phone that asks what the bridge can: a PBX takes the
        answer from another phone.
        While it is pending the offer may be replaced: the answer then belongs to the last one.
        """
        place = self._placed()
        if self._answered:
            self._answer_due = (
                False  # else the phone's own offer came first, and its answer is still to be written
            )
        self._offered = make_offer(
            self._agreement,
            place,
            self._preferences,
            self._keys,
            Wanted(self._wish, self._video_change, anew),
        )
        if self._agreement is None and self._video_wish.refusal:
            refused = self._video_wish.refusal
            self._offered = msgspec.structs.replace(self._offered, no_video=refused)
        return self._write(place.address, self._offered.media)

    def fork(self) -> "PhoneSession":
        """The session as it is now; of several answers to one offer each is taken by one of these."""
        twin = copy.copy(self)
        twin._video_wish = copy.copy(self._video_wish)  # noqa: SLF001 - of its own class
        return twin

    def receive_answer(self, answer_text: str) -> PhoneAgreement:
        """Takes the answer to our offer. Raises NegotiationError when it has no usable audio.

        A phone that agrees in the middle of a call without a word means what it said before.
        """
        offered, last = self._offered, self._agreement
        if offered is None:
            raise NotAllowedError("No offer of the bridge is pending.")
        remote = parse_description(answer_text) if answer_text or last is None else last.remote
        found = read_answer(remote, offered, self._preferences)
        asked = offered.direction
        held = not found.audio.section.direction.receives if asked.sends else self.held_by_remote
        self._agreement = agree(
            found, asked, last, self._preferences, held=held, exchange=next(self._exchanges)
        )
        self._described, self._offered = asked, None
        self._video_wish.note_answered(asked=offered.change, has=self._agreement.video is not None)
        return self._agreement

    def withdraw_offer(self) -> None:
        """Our re-INVITE was refused (491, 488): what was agreed before holds on."""
        self._offered = None

    def doubt_offer(self) -> None:
        """Our re-INVITE was not answered: nobody knows what the phone made of it, so it is told once more."""
        self._offered = self._described = None

    # --- inside -------------------------------------------------------------------------------------------

    def _placed(self) -> PhonePlace:
        if self._place is None:
            raise NotAllowedError("The leg has no RTP port yet: place() comes first.")
        return self._place

    @property
    def _portless(self) -> bool:
        return self._place is not None and self._place.video_port == 0

    def _choose_audio(self, remote: SessionDescription) -> PhoneAudio:
        agreed = self._agreement
        # The section that carried the call goes first: a phone may add another audio section behind it.
        first = None if agreed is None else agreed.audio_index
        preferred = None if agreed is None else agreed.audio.codec
        policy, reach = self._preferences.srtp_policy, self._preferences.reach
        for section in find_sections(remote, "audio", policy, first, reach):
            media = remote.media[section.index]
            audio = understand_audio(media, section, self._preferences, preferred, in_order=False)
            if audio is not None:
                return audio
        if unreachable := explain_reach(remote, "audio", reach):
            raise NegotiationError(unreachable)
        known = ", ".join(self._preferences.codecs)
        way = _WAYS[self._preferences.srtp]
        raise NegotiationError(f"The offer has no audio over {way} with one of {known}.")

    @property
    def _keys(self) -> KeyMakers:
        """By the session's number, which survives a restart: the phone is told the same keys again."""
        make, id_ = self._preferences.srtp_keys, self._session_id
        return KeyMakers(
            lambda suite: make(f"{id_}/audio/{suite}", SUITES[suite].size),
            lambda suite: make(f"{id_}/video/{suite}", SUITES[suite].size),
        )

    def _understood(
        self, remote: SessionDescription, audio: PhoneAudio, video: PhoneVideo | None, no_video: str
    ) -> Understood:
        """What the phone offers, with our side of how its packets travel."""
        last, policy = self._agreement, self._preferences.srtp_policy

        def ours(section: PhoneSection, before: PhoneTransport | None, make_key: KeyMaker) -> PhoneTransport:
            return answer_transport(remote.media[section.index], policy, before, make_key)

        return Understood(
            remote,
            audio,
            ours(audio.section, last.audio_transport if last else None, self._keys.audio),
            video,
            ours(video.section, last.video_transport if last else None, self._keys.video) if video else None,
            no_video,
            up_events=audio.other_events,
            up_codecs=audio.others,  # some send what they offered, whatever was answered: better heard than not
        )

    def _write(self, address: str, media: tuple[MediaSection, ...]) -> str:
        if (address, media) != self._last_media:
            # RFC 3264 section 8: the version grows by one when, and only when, something changed.
            self._version += 1
            self._last_media = (address, media)
        return write_description(address, self._session_id, self._version, media)
