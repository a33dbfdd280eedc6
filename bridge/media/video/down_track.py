"""A video stream to one viewer: the outgoing numbers, its history, and what the viewer says about it."""

from collections.abc import Callable

from bridge.media.video.packet import VIDEO_CLOCK_RATE_HZ, VideoPacket
from bridge.media.video.path import Path, PathKind, choose
from bridge.plane.messages import Codec, DownTrackSpec, TrackStatistics
from bridge.rtp.history import SentHistory
from bridge.rtp.rewrite import StreamRewriter
from bridge.rtp.rtx import OSN_SIZE, wrap_rtx
from bridge.rtp.sender import StreamSender
from bridge.wire import vp8
from bridge.wire.extensions import extension_block
from bridge.wire.rtcp import ReportBlock, SenderReport
from bridge.wire.rtp import EXTENSION_BIT, HEADER, VERSION_2

RESEND_INTERVAL_S = 0.1  # per packet: without it 3165 of 5299 packets were retransmissions (measured)
MAX_NACKED = 512  # numbers of one request that are looked at: as many as the history holds
BUDGET_SHARE = 0.5  # of what is sent: the same measurement with it, 117-269
BUDGET_MAX_OCTETS = 64_000  # a quarter of a second at 2 Mbit/s


class DownTrack:
    """The video that one viewer gets: one outgoing SSRC, continuous over all its sources.

    Keep the object as long as its SSRC lives: a new one would begin behind the old one's numbers, and SRTP
    refuses those.
    """

    def __init__(self, spec: DownTrackSpec, send: Callable[[bytes], None]) -> None:
        self.spec = spec
        self.withheld = 0  # packets that came before a key frame
        self.over_budget = 0
        self.resent_lately = 0
        self.frames = 0
        self.nacks = 0
        self.plis = 0
        self.retransmitted = 0
        self._send = send
        self._ask: Callable[[], None] | None = None
        self._sender = StreamSender(spec.ssrc, VIDEO_CLOCK_RATE_HZ)
        self._rewriter = StreamRewriter(VIDEO_CLOCK_RATE_HZ)
        self._history = SentHistory()
        self._source_codec: Codec | None = None
        self._sent_codec = ""
        self._path: Path | None = None
        self._path_changed = False
        self._waiting = True
        self._budget_octets = float(BUDGET_MAX_OCTETS)
        self._rtx_sequence_number = 0
        self._extension = b""
        self._first_octet = VERSION_2
        self._rtx_payload_types: dict[int, int] = {}
        self.update(spec)

    def update(self, spec: DownTrackSpec) -> None:
        """Takes a renegotiated description; the SSRC is the same. Raises ValueError if not."""
        if spec.ssrc != self.spec.ssrc:
            raise ValueError("a down track keeps its SSRC")
        self.spec = spec
        elements = {} if spec.extensions.mid is None else {spec.extensions.mid: spec.mid.encode()}
        self._extension = extension_block(elements)
        self._first_octet = VERSION_2 | (EXTENSION_BIT if self._extension else 0)
        self._rtx_payload_types = {
            codec.payload_type: codec.rtx_payload_type
            for codec in spec.codecs
            if codec.rtx_payload_type is not None
        }
        if self._source_codec is not None:
            self.choose_path(self._source_codec)

    @property
    def path(self) -> Path | None:
        """How the source reaches this viewer; None while there is no source."""
        return self._path

    @property
    def waiting(self) -> bool:
        """Whether it waits for a key frame."""
        return self._waiting

    @property
    def has_rolled_over(self) -> bool:
        """The sequence number went through 0: SRTP's rollover counter is no longer its first."""
        return self._rewriter.has_rolled_over

    def take_path_change(self) -> Path | None:
        """The path, if it was chosen anew since the last call."""
        changed, self._path_changed = self._path_changed, False
        return self._path if changed else None

    # --- its source -------------------------------------------------------------------------------------

    def attach(self, ask_key_frame: Callable[[], None]) -> None:
        """Another source feeds it from now on."""
        self._ask = ask_key_frame
        self._source_codec = None
        self._path = None
        self.wait_for_key_frame()

    def detach(self) -> None:
        """No source; the outgoing stream rests."""
        self._ask = None
        self._path = None
        self._source_codec = None
        self._waiting = True
        self._rewriter.release()

    def wait_for_key_frame(self) -> None:
        """Holds back what comes until a key frame begins, and asks for one."""
        self._waiting = True
        self._rewriter.release()
        if self._ask is not None:
            self._ask()

    def choose_path(self, codec: Codec) -> None:
        """Decides how a stream of `codec` goes out; a changed payload format waits for a key frame."""
        path = choose(codec, self.spec.codecs, level_binds=self.spec.level_binds)
        source_changed = codec != self._source_codec
        self._source_codec = codec
        if path != self._path:
            self._path_changed = True
            self._path = path
            source_changed = True
        if source_changed and not self._waiting and path.kind is PathKind.FORWARD:
            self.wait_for_key_frame()

    # --- packets ----------------------------------------------------------------------------------------

    def push(self, packet: VideoPacket, now: float) -> bool:
        """Sends a packet on; True if the picture began with it."""
        if packet.codec is not self._source_codec:
            self.choose_path(packet.codec)
        path = self._path
        if path is None or path.codec is None:
            self.withheld += 1
            return False
        began = False
        if self._waiting:
            if not packet.starts_key_frame:
                self.withheld += 1
                return False
            self._rewriter.switch(packet.index, packet.media_time, now)
            self._waiting = False
            self._sent_codec = path.codec.name
            began = True
        place = self._rewriter.rewrite(packet.index, packet.media_time, now)
        if place is None:
            self.withheld += 1
            return False
        self._send_packet(packet, path.codec, place.index & 0xFFFF, place.media_time & 0xFFFFFFFF, now)
        return began

    def _send_packet(
        self, packet: VideoPacket, codec: Codec, sequence_number: int, timestamp: int, now: float
    ) -> None:
        head = HEADER.pack(
            self._first_octet,
            packet.marker_bit | codec.payload_type,
            sequence_number,
            timestamp,
            self.spec.ssrc,
        )
        descriptor = packet.descriptor
        start = packet.start
        if descriptor is None or descriptor.size == 1:
            data = b"".join((head, self._extension, packet.data[start : packet.end]))
        else:
            counters = self._rewrite_descriptor(packet, descriptor)
            data = b"".join(
                (head, self._extension, counters, packet.data[start + descriptor.size : packet.end])
            )
        self._history.push(sequence_number, data, now)
        self._sender.sent(timestamp, packet.end - start, now)
        self._budget_octets = min(BUDGET_MAX_OCTETS, self._budget_octets + BUDGET_SHARE * len(data))
        if packet.marker_bit:
            self.frames += 1
        self._send(data)

    def _rewrite_descriptor(self, packet: VideoPacket, descriptor: vp8.Vp8Descriptor) -> bytearray:
        """The payload descriptor with the outgoing stream's counters.

        Picture ids always go out with 15 bits: sources of 7 and of 15 bits may follow each other.
        """
        start = packet.start
        if descriptor.picture_id_bits == 7:
            buffer = bytearray(vp8.widened_descriptor(packet.data, descriptor, start))
            descriptor = vp8.parse_descriptor(buffer)
        else:
            buffer = bytearray(packet.data[start : start + descriptor.size])
        picture_id = tl0picidx = 0
        if descriptor.picture_id_bits:
            picture_id = self._rewriter.picture_id(packet.picture_id)
        if descriptor.tl0picidx is not None:
            tl0picidx = self._rewriter.tl0picidx(packet.tl0picidx)
        vp8.write_counters(buffer, descriptor, picture_id, tl0picidx)
        return buffer

    # --- what the viewer says ---------------------------------------------------------------------------

    def receive_nack(self, sequence_numbers: tuple[int, ...], now: float) -> None:
        """Sends again what is still here, within the budget. What never came from the source is not here."""
        self.nacks += len(sequence_numbers)
        for sequence_number in sequence_numbers[:MAX_NACKED]:
            found = self._history.find(sequence_number, now)
            if found is None:
                continue
            if found.resent_at is not None and now - found.resent_at < RESEND_INTERVAL_S:
                self.resent_lately += 1
                continue
            if self._budget_octets < len(found.packet) + OSN_SIZE:
                self.over_budget += 1
                continue
            found.resent_at = now
            self._budget_octets -= len(found.packet) + OSN_SIZE
            self.retransmitted += 1
            self._send(self._retransmission(found.packet))

    def _retransmission(self, packet: bytes) -> bytes:
        """As RTX where it was negotiated, else the same packet once more."""
        payload_type = self._rtx_payload_types.get(packet[1] & 0x7F)
        if payload_type is None or self.spec.rtx_ssrc is None:
            return packet
        self._rtx_sequence_number += 1
        return wrap_rtx(packet, payload_type, self.spec.rtx_ssrc, self._rtx_sequence_number)

    def receive_pli(self) -> None:
        """The viewer lost the picture (PLI or FIR)."""
        self.plis += 1
        if self._ask is not None:
            self._ask()

    def receive_report_block(self, block: ReportBlock, now: float) -> float | None:
        """The viewer's report on this stream; returns the round trip in seconds if it tells."""
        return self._sender.receive_report_block(block, now)

    def sender_report(self, now: float, ntp_seconds: float) -> SenderReport | None:
        """None before the first packet."""
        return self._sender.sender_report(now, ntp_seconds)

    def statistics(self) -> TrackStatistics:
        """The codec is that of the packets counted, also while the stream rests; "" before the first."""
        sender = self._sender
        round_trip = None if self._ask is None else sender.round_trip_s  # a resting stream has an old one
        return TrackStatistics(
            mid=self.spec.mid,
            kind=self.spec.kind,
            direction="down",
            codec=self._sent_codec,
            packets=sender.packets,
            octets=sender.octets,
            lost=max(0, sender.packets_lost),
            jitter_ms=sender.remote_jitter_ms,
            round_trip_ms=None if round_trip is None else round_trip * 1000,
            frames=self.frames,
            nacks=self.nacks,
            plis=self.plis,
            retransmitted=self.retransmitted,
            dropped=self.withheld + self.over_budget,
            waits_for_key_frame=self.waiting,
        )
