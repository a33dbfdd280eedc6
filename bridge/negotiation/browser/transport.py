"""The transport attributes of a browser's description: ICE credentials, certificate, DTLS role."""

import re

from bridge.errors import NegotiationError
from bridge.negotiation.browser.section import Transport, is_live
from bridge.plane.messages import Fingerprint, IceCredentials
from bridge.wire.sdp import SessionDescription
from bridge.wire.sdp_section import MediaSection

_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")  # RFC 8839 section 5.4
_ICE_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_DIGEST_SIZES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # RFC 8122 section 5; sha-1 is refused
_DIGEST = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*")


def read_transport(remote: SessionDescription) -> Transport:
    """What the tagged section (the first live one of the BUNDLE group, RFC 9143 section 7.1) says."""
    if not remote.bundle:
        raise NegotiationError(
            "The description has no a=group:BUNDLE; the bridge uses one transport per leg."
        )
    section = _tagged(remote)
    ufrag, pwd = remote.inherited(section, "ice-ufrag") or "", remote.inherited(section, "ice-pwd") or ""
    if not (_ICE_UFRAG.fullmatch(ufrag) and _ICE_PWD.fullmatch(pwd)):
        raise NegotiationError("The description has no valid a=ice-ufrag and a=ice-pwd (RFC 8839).")
    fingerprints = tuple(
        Fingerprint(algorithm, value)
        for algorithm, value in remote.fingerprints(section)
        if _DIGEST.fullmatch(value) and len(value) == _DIGEST_SIZES.get(algorithm, 0) * 3 - 1
    )
    if not fingerprints:
        raise NegotiationError("The description has no a=fingerprint of SHA-256 or stronger (RFC 8122).")
    return Transport(IceCredentials(ufrag, pwd), fingerprints, remote.inherited(section, "setup") or "")


def _tagged(remote: SessionDescription) -> MediaSection:
    by_mid = {section.mid: section for section in reversed(remote.media) if is_live(remote, section)}
    for mid in remote.bundle:
        if mid and mid in by_mid:
            return by_mid[mid]
    raise NegotiationError("No m= section of the BUNDLE group is live.")
