"""One m= section of a phone's description, whatever its medium: where its packets go, and which way."""

import ipaddress
from functools import lru_cache
from typing import Literal

import msgspec

from bridge.errors import NegotiationError, ParseError
from bridge.negotiation.phone.transport import SrtpPolicy, can_carry, is_secure
from bridge.wire.sdp import (
    Origin,
    SessionDescription,
    parse_session_description,
    serialize_session_description,
)
from bridge.wire.sdp_section import Connection, Direction, MediaSection, make_direction

# Calls come from few gateways, and are asked three times for what their address is: 15 us a call (measured).
ADDRESSES_KEPT = 1024


Reach = Literal["IP4", "IP6"] | None
"""The IP version of the bridge's own media address; None takes either."""

_SLIDES = "slides"  # of a=content, RFC 4796 section 5
_FAMILIES = {"IP4": "IPv4", "IP6": "IPv6"}


class PhonePlace(msgspec.Struct, frozen=True):
    """Where the bridge receives: RTP on these ports, RTCP one higher.

    `video_port` is None while no port was asked for, and 0 when none was to be had.
    """

    address: str
    audio_port: int
    video_port: int | None = None


class PhoneSection(msgspec.Struct, frozen=True):
    """A section the bridge can exchange packets with. `direction` is the phone's."""

    index: int
    address: str
    port: int
    rtcp_port: int
    direction: Direction


def parse_description(text: str) -> SessionDescription:
    """Raises NegotiationError for what is none."""
    try:
        return parse_session_description(text)
    except ParseError as error:
        raise NegotiationError(error.reason) from error


def read_section(
    remote: SessionDescription, index: int, kind: str, policy: SrtpPolicy, reach: Reach = None
) -> PhoneSection | None:
    """The section as one of this kind over RTP as the policy wants it, with an address in reach; else None."""
    section = remote.media[index]
    if section.kind != kind or not section.port or not can_carry(section, policy):
        return None
    address = _address_of(remote, section)
    if not _is_usable(address) or _is_foreign(address, reach):
        return None
    direction = remote.direction(section)
    if is_unspecified(address):
        # RFC 3264 section 8.4: "hold" as RFC 2543 wrote it; the phone takes nothing.
        direction = make_direction(sends=direction.sends, receives=False)
    return PhoneSection(
        index,
        address,
        section.port,
        section.rtcp_port or min(section.port + 1, 65535),  # RFC 3550 section 11, RFC 3605
        direction,
    )


def find_sections(
    remote: SessionDescription, kind: str, policy: SrtpPolicy, first: int | None, reach: Reach = None
) -> tuple[PhoneSection, ...]:
    """All usable sections of a kind, the one at `first` before the others, encrypted ones before plain ones, and
    somebody's slides last."""

    def rank(index: int) -> tuple[bool, bool]:
        section = remote.media[index]
        return _SLIDES in (section.attributes.value("content") or ""), not is_secure(section, policy)

    order = sorted(range(len(remote.media)), key=rank)
    chosen = order if first is None else (first, *(index for index in order if index != first))
    found = (read_section(remote, index, kind, policy, reach) for index in chosen if index in order)
    return tuple(section for section in found if section is not None)


def explain_reach(remote: SessionDescription, kind: str, reach: Reach) -> str:
    """Why no packet would come to the phone if its only addresses for this medium are none or out of reach, else ""."""
    live = [_address_of(remote, media) for media in remote.media if media.kind == kind and media.port]
    addresses = [address for address in live if _is_usable(address)]
    if live and not addresses:
        place = live[0][:64] or "no address"
        return f"the phone takes {kind} at {place}, and the bridge needs the IP address of one host"
    if not addresses or not all(_is_foreign(address, reach) for address in addresses):
        return ""
    theirs = _FAMILIES[reach_of(addresses[0])]
    return (
        f"the phone takes {kind} at {addresses[0]}, and the bridge has no {theirs} address for media "
        "(rtp.address, rtp.advertised_address)"
    )


def _address_of(remote: SessionDescription, section: MediaSection) -> str:
    """Without the TTL, which is multicast's, and written by some all the same (RFC 8866 section 5.7)."""
    connection = remote.connection_of(section)
    return "" if connection is None else connection.address.partition("/")[0]


def _is_foreign(address: str, reach: Reach) -> bool:
    """Of the other IP version. Unspecified addresses are "hold", and nothing is sent there."""
    if reach is None or is_unspecified(address):
        return False
    return reach_of(address) != reach


@lru_cache(ADDRESSES_KEPT)
def _is_usable(address: str) -> bool:
    """A unicast IP literal. Host names would need a look-up per call, multicast is not for calls, and a zone ("%")
    means something to its own host alone: the kernel would look its name up for each packet."""
    try:
        return not ipaddress.ip_address(address).is_multicast and "%" not in address
    except ValueError:
        return False


@lru_cache(ADDRESSES_KEPT)
def is_unspecified(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def refuse(section: MediaSection) -> MediaSection:
    """The same m= line with port 0 (RFC 3264 section 6)."""
    formats = section.formats or ("0",)
    return MediaSection(section.kind, 0, section.protocol, formats)


def connection_of(address: str) -> Connection:
    return Connection(address, reach_of(address))


def reach_of(address: str) -> Literal["IP4", "IP6"]:
    return "IP6" if ":" in address else "IP4"


def write_description(address: str, session_id: int, version: int, media: tuple[MediaSection, ...]) -> str:
    connection = connection_of(address)
    origin = Origin("-", str(session_id), str(version), connection.address_type, address)
    return serialize_session_description(
        SessionDescription(origin, name="warmbridge", connection=connection, media=media)
    )
