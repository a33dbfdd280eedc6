"""How the packets of one section of a phone travel: keys by SDES (RFC 4568), RTCP beside RTP or on its port."""

import hmac
import secrets
from collections.abc import Callable
from typing import Literal

import msgspec

from bridge.plane.messages import SrtpKeys
from bridge.wire.sdes import SUITES, OfferedKey, crypto_line, read_keys
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import Attribute, Attributes, MediaSection

KeySource = Callable[[str, int], bytes]
"""So many octets for a label: nobody else's, and the same for the same label if calls are to survive a restart."""


def random_key(_label: str, size: int) -> bytes:
    return secrets.token_bytes(size)


def derived_keys(secret: bytes) -> KeySource:
    """Keys by a secret that no journal has. A phone that does not take another key in a re-INVITE, as baresip,
    is told the one it knows after a restart, though it was never kept."""

    def derive(label: str, size: int) -> bytes:
        return hmac.digest(secret, b"srtp key of the bridge/" + label.encode(), "sha512")[:size]

    return derive


KeyMaker = Callable[[str], bytes]
"""The bridge's own key of one section for a suite; the same each time it is asked."""
SrtpUse = Literal["off", "optional", "mandatory"]

PLAIN_RTP = ("RTP/AVP", "RTP/AVPF")
SECURE_RTP = ("RTP/SAVP", "RTP/SAVPF")


class KeyMakers(msgspec.Struct, frozen=True):
    """Each medium has keys of its own."""

    audio: KeyMaker
    video: KeyMaker


class SrtpPolicy(msgspec.Struct, frozen=True):
    """What the bridge takes and offers. Optional: plain RTP when the phone has nothing better, and
    a=crypto on an RTP/AVP section is taken too, as phones write it that leave the choice to their peer."""

    use: SrtpUse = "off"
    suites: tuple[str, ...] = tuple(SUITES)


class LocalKey(msgspec.Struct, frozen=True):
    """A key of the bridge's own making and the line it stands in."""

    tag: int
    suite: str
    key: bytes
    mki: bytes = b""

    def __repr__(self) -> str:
        return f"LocalKey({self.tag}, {self.suite})"


class PhoneTransport(msgspec.Struct, frozen=True):
    """One section's, agreed or offered. `local` are our crypto lines: the one agreed, or one for each suite.

    `suite` is the agreed one. It has no keys when they are gone with the process that had them.
    """

    protocol: str = "RTP/AVP"
    srtp: SrtpKeys | None = None
    local: tuple[LocalKey, ...] = ()
    rtcp_mux: bool = False
    suite: str = ""

    @property
    def lacks_keys(self) -> bool:
        return bool(self.suite) and self.srtp is None


def can_carry(section: MediaSection, policy: SrtpPolicy) -> bool:
    """Whether a phone's section travels in a way the policy allows."""
    if section.protocol in SECURE_RTP:
        return policy.use != "off" and bool(_keys_of(section, policy))
    if section.protocol in PLAIN_RTP:
        return policy.use != "mandatory" or bool(_keys_of(section, policy))
    return False


def is_secure(section: MediaSection, policy: SrtpPolicy) -> bool:
    """Whether an answer to this section would be encrypted."""
    return policy.use != "off" and bool(_keys_of(section, policy))


def answer_transport(
    section: MediaSection, policy: SrtpPolicy, before: PhoneTransport | None, make_key: KeyMaker
) -> PhoneTransport:
    """Our side of an offered section that `can_carry`. Our key stays while the suite does: what the phone
    decrypts goes on, rollover counter and all."""
    rtcp_mux = section.attributes.has("rtcp-mux")
    keys = _keys_of(section, policy) if policy.use != "off" else ()
    if not keys:
        return PhoneTransport(section.protocol, rtcp_mux=rtcp_mux)
    chosen = _chosen(keys, before)
    local = _local_key(chosen, before, make_key)
    srtp = SrtpKeys(chosen.suite.name, local.key, chosen.key, local.mki, chosen.mki)
    return PhoneTransport(section.protocol, srtp, (local,), rtcp_mux, srtp.suite)


def offered_transport(policy: SrtpPolicy, make_key: KeyMaker, protocol: str | None = None) -> PhoneTransport:
    """What a first offer of a section says: a key for each suite. `protocol` is one agreed before."""
    names = () if policy.use == "off" else policy.suites
    keys = tuple(LocalKey(tag, name, make_key(name)) for tag, name in enumerate(names, 1))
    first = "RTP/SAVP" if policy.use == "mandatory" else "RTP/AVP"
    return PhoneTransport(protocol or first, local=keys, rtcp_mux=True)


def renewed_transport(agreed: PhoneTransport, policy: SrtpPolicy, make_key: KeyMaker) -> PhoneTransport:
    """What an offer says of a section that is agreed: the same again, with a new key where ours is gone.

    Of the suite in use only: a phone asked to change it may go on with the old one (seen with baresip).
    """
    if agreed.lacks_keys:
        same = msgspec.structs.replace(policy, suites=(agreed.suite,))
        return offered_transport(same, make_key, agreed.protocol)
    return msgspec.structs.replace(agreed, rtcp_mux=True)


def accepted_transport(
    section: MediaSection, policy: SrtpPolicy, offered: PhoneTransport
) -> PhoneTransport | None:
    """What the answered section came to; None if it breaks what was offered."""
    rtcp_mux = section.attributes.has("rtcp-mux")
    for key in _keys_of(section, policy):
        # By suite, which stands in one line each: gateways number their answer from 1, whatever they chose.
        local = next((ours for ours in offered.local if ours.suite == key.suite.name), None)
        if local is not None:
            srtp = SrtpKeys(key.suite.name, local.key, key.key, local.mki, key.mki)
            return PhoneTransport(section.protocol, srtp, (local,), rtcp_mux, srtp.suite)
    if section.protocol in SECURE_RTP or policy.use == "mandatory":
        return None
    return PhoneTransport(section.protocol, rtcp_mux=rtcp_mux)


def transport_lines(port: int, transport: PhoneTransport) -> tuple[Attribute, ...]:
    """The attributes of our section that say all this."""
    mux = (Attribute("rtcp-mux"),) if transport.rtcp_mux else ()
    crypto = tuple(crypto_line(key.tag, key.suite, key.key, key.mki) for key in transport.local)
    return (Attribute("rtcp", str(port + 1)), *mux, *crypto)


def without_keys(remote: SessionDescription) -> SessionDescription:
    """The description as it may be kept on disk."""
    media = tuple(
        msgspec.structs.replace(section, attributes=_without_crypto(section.attributes))
        for section in remote.media
    )
    return msgspec.structs.replace(remote, media=media, attributes=_without_crypto(remote.attributes))


def _without_crypto(attributes: Attributes) -> Attributes:
    return Attributes(tuple(line for line in attributes.lines if line.name != "crypto"))


def _keys_of(section: MediaSection, policy: SrtpPolicy) -> tuple[OfferedKey, ...]:
    return read_keys(section.cryptos, policy.suites)


def _chosen(keys: tuple[OfferedKey, ...], before: PhoneTransport | None) -> OfferedKey:
    """The suite in use goes on if the phone still has it, else the phone's own order counts."""
    suite = before.suite if before is not None else ""
    return next((key for key in keys if key.suite.name == suite), keys[0])


def _local_key(chosen: OfferedKey, before: PhoneTransport | None, make_key: KeyMaker) -> LocalKey:
    """With the phone's own MKI, as in the examples of RFC 4568: who marks its packets looks for the mark in ours."""
    suite = chosen.suite.name
    last = next((key for key in before.local if key.suite == suite), None) if before is not None else None
    if last is not None:
        return LocalKey(chosen.tag, suite, last.key, chosen.mki)
    return LocalKey(chosen.tag, suite, make_key(suite), chosen.mki)
