"""SRTP and SRTCP of one association, keyed by DTLS or by SDP (RFC 3711, RFC 5764, RFC 4568, RFC 7714).

What a peer sends never raises: a packet that fails is None and counted.
"""

from typing import NamedTuple

from bridge.transport.mki import MarkedContext, MarkingContext
from bridge.transport.srtp_library import (
    AUTHENTICATION,
    MALFORMED,
    REPLAYED,
    SUITES,
    SrtpBackend,
    SrtpContext,
    SrtpProfile,
    default_backend,
)

MAX_STREAMS = 256  # libsrtp keeps some kB for each SSRC a peer invents; gateways change theirs at each prompt
MAX_ROLLOVER = 32  # 65,536 packets each: 11 hours of a call that was there before this process
MAX_SEARCHES = 8  # packets for which that is tried; a stranger's forgeries must not cost 32 checks for ever
_UNREAD = (AUTHENTICATION, MALFORMED)  # the latter where another MKI came, or none
OVERLAP_PACKETS = 100  # under a new key, until which some under the old one may still be on their way


class SrtpKeys(NamedTuple):
    """Master key and salt, concatenated, for each direction as the bridge sees it; the MKI of its packets, if any."""

    profile: SrtpProfile
    send: bytes
    receive: bytes
    send_mki: bytes = b""
    receive_mki: bytes = b""

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.name.decode()})"


def suite_keys(
    suite: str, local_key: bytes, remote_key: bytes, local_mki: bytes = b"", remote_mki: bytes = b""
) -> SrtpKeys:
    """The keys of a crypto line (RFC 4568)."""
    return SrtpKeys(SUITES[suite], local_key, remote_key, local_mki, remote_mki)


def split_keying_material(profile: SrtpProfile, material: bytes, *, server: bool) -> SrtpKeys:
    """The exporter's output cut into both directions (RFC 5764 section 4.2)."""
    key, salt = profile.key_size, profile.salt_size
    client_key, server_key = material[:key], material[key : 2 * key]
    client_salt, server_salt = material[2 * key : 2 * key + salt], material[2 * key + salt :]
    client, server_ = client_key + client_salt, server_key + server_salt
    return SrtpKeys(profile, server_, client) if server else SrtpKeys(profile, client, server_)


class SrtpSession:
    """Both directions of one leg.

    Each keeps its context, and with it its rollover counters, as long as its key stays: `rekey` renews only
    what changed, and takes packets under the old key while the new one has not come to stay.
    """

    __slots__ = (
        "_backend",
        "_fresh",
        "_inbound",
        "_inbound_rtcp",
        "_keys",
        "_outbound",
        "_previous",
        "_renewed",
        "_restarted",
        "_resumed",
        "_searches",
        "_streams",
        "auth_failures",
        "excess_streams",
        "malformed",
        "protect_failures",
        "replays",
    )

    def __init__(self, keys: SrtpKeys, backend: SrtpBackend | None = None) -> None:
        self._backend = backend or default_backend()
        self._keys = keys
        self._outbound = self._sender()
        self._inbound = self._inbound_rtcp = self._receiver()
        self._previous: SrtpContext | None = None
        self._renewed = False
        self._restarted = False  # until an SRTCP index that began anew was believed
        self._fresh = 0  # packets under the new key since `rekey`
        self._streams: set[bytes] = set()
        self._resumed: dict[bytes, SrtpContext] = {}
        self._searches = 0
        self.auth_failures = 0
        self.replays = 0
        self.malformed = 0
        self.excess_streams = 0
        self.protect_failures = 0

    def rekey(self, keys: SrtpKeys) -> None:
        """Other keys on the same leg; the same once more changes nothing."""
        before, self._keys = self._keys, keys
        same_profile = before.profile == keys.profile
        if not same_profile or (before.send, before.send_mki) != (keys.send, keys.send_mki):
            self._outbound = self._sender()
        if not same_profile or (before.receive, before.receive_mki) != (keys.receive, keys.receive_mki):
            self._previous, self._fresh = self._inbound, 0
            self._inbound = self._inbound_rtcp = self._receiver()
            self._streams.clear()
            self._resumed.clear()
            self._searches = 0

    def renew(self) -> None:
        """A new exchange of descriptions: some phones begin to count anew at each, under the same key."""
        self._searches = 0
        self._renewed = self._restarted = True

    def protect_rtp(self, packet: bytes) -> bytes | None:
        """None if libsrtp refuses: mostly a sequence number far behind the last one of this SSRC."""
        result = self._outbound.rtp(packet)
        if isinstance(result, bytes):
            return result
        self.protect_failures += 1
        return None

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        result = self._outbound.rtcp(packet)
        if isinstance(result, bytes):
            return result
        self.protect_failures += 1
        return None

    def unprotect_rtp(self, datagram: bytes, *, may_search: bool = True) -> bytes | None:
        """None for what the key does not prove. The search for a rollover counter is not for strangers."""
        ssrc = datagram[8:12]
        if ssrc not in self._streams and not self._has_room():
            return self._start_over(ssrc, datagram)
        result = self._resumed.get(ssrc, self._inbound).rtp(datagram)
        if isinstance(result, bytes):
            self._streams.add(ssrc)
            self._fresh += 1
            return result
        if result in _UNREAD:
            previous = self._old_context()
            found = previous.rtp(datagram) if previous is not None else None
            unread = may_search and not isinstance(found, bytes) and result == AUTHENTICATION
            if unread and (self._renewed or ssrc not in self._streams):
                found = self._search_rollover(ssrc, datagram)
            if isinstance(found, bytes):
                return found
        self._count(result)
        return None

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        ssrc = datagram[4:8]
        if ssrc not in self._streams and not self._has_room():
            return None
        result = self._inbound_rtcp.rtcp(datagram)
        if result in REPLAYED and self._restarted:
            # The index of SRTCP began again with 1 (seen with baresip): believed once per exchange.
            self._restarted = False
            self._inbound_rtcp = self._receiver()
            result = self._inbound_rtcp.rtcp(datagram)
        if isinstance(result, bytes):
            self._streams.add(ssrc)
            return result
        previous = self._old_context() if result in _UNREAD else None
        found = previous.rtcp(datagram) if previous is not None else None
        if isinstance(found, bytes):
            return found
        self._count(result)
        return None

    def set_stream_roc(self, ssrc: int, roc: int) -> bool:
        """Sets the rollover counter of a stream we send (RFC 3711 section 3.3.1); False if not possible."""
        return self._outbound.set_stream_roc(ssrc, roc)

    @property
    def failures(self) -> int:
        """Packets of the peer that could not be read."""
        return self.auth_failures + self.replays + self.malformed + self.excess_streams

    def _old_context(self) -> SrtpContext | None:
        """For what was under way when the key changed."""
        if self._fresh > OVERLAP_PACKETS:
            self._previous = None
        return self._previous

    def _start_over(self, ssrc: bytes, datagram: bytes) -> bytes | None:
        """One stream too many forgets all others, if it is authentic: those that go on are found again."""
        context = self._receiver()
        result = context.rtp(datagram)
        if not isinstance(result, bytes):
            self._count(result)
            return None
        self._inbound = self._inbound_rtcp = context
        self._streams = {ssrc}
        self._resumed.clear()
        self._searches = 0
        return result

    def _search_rollover(self, ssrc: bytes, datagram: bytes) -> bytes | None:
        """A stream that began before this process did counts on from where it was, and one that the phone
        began anew counts from 0; SDES says neither."""
        if self._searches >= MAX_SEARCHES:
            return None
        self._searches += 1
        number = int.from_bytes(ssrc, "big")
        found = self._backend.receiver_of(self._keys.profile, self._keys.receive, number)
        if found is None:
            return None
        context = self._marked(found)
        for roc in range(MAX_ROLLOVER + 1):
            context.set_stream_roc(number, roc)
            result = context.rtp(datagram)
            if isinstance(result, bytes):
                self._resumed[ssrc] = context
                self._streams.add(ssrc)
                return result
        return None

    def _sender(self) -> SrtpContext:
        keys = self._keys
        context = self._backend.sender(keys.profile, keys.send)
        return MarkingContext(context, keys.send_mki, keys.profile) if keys.send_mki else context

    def _receiver(self) -> SrtpContext:
        return self._marked(self._backend.receiver(self._keys.profile, self._keys.receive))

    def _marked(self, context: SrtpContext) -> SrtpContext:
        mki = self._keys.receive_mki
        return MarkedContext(context, mki, self._keys.profile) if mki else context

    def _has_room(self) -> bool:
        if len(self._streams) < MAX_STREAMS:
            return True
        self.excess_streams += 1
        return False

    def _count(self, status: int) -> None:
        if status in REPLAYED:
            self.replays += 1
        elif status == AUTHENTICATION:
            self.auth_failures += 1
        else:
            self.malformed += 1
