"""H.264 in RTP (RFC 6184): NAL unit types, STAP-A and FU-A, key frames, and profiles by meaning."""

import enum
from collections.abc import Iterator

import msgspec

from bridge.errors import ParseError

NAL_TYPE_MASK = 0x1F
SLICE = 1  # ITU-T H.264 table 7-1
IDR_SLICE = 5
SPS = 7
PPS = 8
STAP_A = 24  # RFC 6184 section 5.2
FU_A = 28
_INTERLEAVED = frozenset({25, 26, 27, 29})  # STAP-B, MTAP16, MTAP24, FU-B
_FU_START, _FU_END = 0x80, 0x40


class PayloadLook(enum.IntFlag):
    """What a forwarder must know of a payload without decoding it."""

    NOTHING = 0
    IDR_START = 1
    SPS = 2


def look(payload: bytes, start: int = 0, end: int | None = None) -> PayloadLook:
    """What begins in this payload. Broken payloads say NOTHING: the receiver's decoder judges them."""
    if end is None:
        end = len(payload)
    if start >= end:
        return PayloadLook.NOTHING
    kind = payload[start] & NAL_TYPE_MASK
    if kind == FU_A:
        if start + 1 < end and payload[start + 1] & _FU_START:
            return _look_at(payload[start + 1] & NAL_TYPE_MASK)
        return PayloadLook.NOTHING
    if kind != STAP_A:
        return _look_at(kind)
    found = PayloadLook.NOTHING
    at = start + 1
    while at + 2 < end:
        size = payload[at] << 8 | payload[at + 1]
        found |= _look_at(payload[at + 2] & NAL_TYPE_MASK) if size else PayloadLook.NOTHING
        at += 2 + size
    return found


def _look_at(kind: int) -> PayloadLook:
    if kind == SPS:
        return PayloadLook.SPS
    return PayloadLook.IDR_START if kind == IDR_SLICE else PayloadLook.NOTHING


def starts_key_frame(payload: bytes) -> bool:
    """Whether a decoder could begin here: an SPS, or the beginning of an IDR picture."""
    return look(payload) != PayloadLook.NOTHING


def packetization_mode_of(payload: bytes) -> int:
    """The lowest packetization-mode that allows this payload (RFC 6184 table 3): 0, 1 or 2.

    0 also for the reserved types, which every receiver ignores; phones with scalable video send type 30.
    """
    if not payload:
        raise ParseError("H.264 payload is empty")
    kind = payload[0] & NAL_TYPE_MASK
    if kind in _INTERLEAVED:
        return 2
    return 1 if kind in (STAP_A, FU_A) else 0


def iterate_nal_units(payload: bytes) -> Iterator[bytes]:
    """The whole NAL units of a single NAL unit packet or a STAP-A; nothing of a FU-A. Raises ParseError."""
    if not payload:
        raise ParseError("H.264 payload is empty")
    kind = payload[0] & NAL_TYPE_MASK
    if kind == FU_A:
        return
    if kind != STAP_A:
        yield payload
        return
    at = 1
    while at < len(payload):
        end = at + 2 + int.from_bytes(payload[at : at + 2], "big")
        if at + 2 >= end or end > len(payload):
            raise ParseError("H.264 STAP-A is cut off")
        yield payload[at + 2 : end]
        at = end


class Fragment(msgspec.Struct, frozen=True, gc=False):
    """One FU-A. `header` is the header octet of the NAL unit it is a piece of."""

    header: int
    starts: bool
    ends: bool
    piece: bytes


def parse_fragment(payload: bytes) -> Fragment:
    """Raises ParseError if the payload is no FU-A."""
    if len(payload) < 2 or payload[0] & NAL_TYPE_MASK != FU_A:
        raise ParseError("H.264 payload is not a FU-A")
    header = payload[0] & 0xE0 | payload[1] & NAL_TYPE_MASK
    return Fragment(header, payload[1] & _FU_START != 0, payload[1] & _FU_END != 0, payload[2:])


class Profile(enum.IntEnum):
    """The profiles that real-time video uses; a decoder of one decodes those named in `DECODES`."""

    CONSTRAINED_BASELINE = 1
    BASELINE = 2
    MAIN = 3
    CONSTRAINED_HIGH = 4
    HIGH = 5


# ITU-T H.264 annex A.2: which profiles' streams a decoder of a profile must decode. Baseline's own extra
# tools (FMO, ASO) are in none of the others.
DECODES: dict[Profile, frozenset[Profile]] = {
    Profile.CONSTRAINED_BASELINE: frozenset({Profile.CONSTRAINED_BASELINE}),
    Profile.BASELINE: frozenset({Profile.CONSTRAINED_BASELINE, Profile.BASELINE}),
    Profile.MAIN: frozenset({Profile.CONSTRAINED_BASELINE, Profile.MAIN}),
    Profile.CONSTRAINED_HIGH: frozenset({Profile.CONSTRAINED_BASELINE, Profile.CONSTRAINED_HIGH}),
    Profile.HIGH: frozenset(set(Profile) - {Profile.BASELINE}),
}

# What every decoder takes in practice: browsers name one of the two, and mean the same streams.
UNIVERSAL_PROFILES = (Profile.CONSTRAINED_BASELINE, Profile.BASELINE)

# RFC 6184 table 5: (profile_idc, mask over profile-iop, wanted bits) and the profile they mean.
_PROFILE_PATTERNS: tuple[tuple[int, int, int, Profile], ...] = (
    (0x42, 0x4F, 0x40, Profile.CONSTRAINED_BASELINE),
    (0x4D, 0x8F, 0x80, Profile.CONSTRAINED_BASELINE),
    (0x58, 0xCF, 0xC0, Profile.CONSTRAINED_BASELINE),
    (0x42, 0x4F, 0x00, Profile.BASELINE),
    (0x58, 0xCF, 0x80, Profile.BASELINE),
    (0x4D, 0xAF, 0x00, Profile.MAIN),
    (0x64, 0xFF, 0x0C, Profile.CONSTRAINED_HIGH),
    (0x64, 0xFF, 0x00, Profile.HIGH),
)
_LEVEL_1B = 10.5  # between 1 and 1.1, table A-1; said by constraint_set3 or level_idc 9


class H264Profile(msgspec.Struct, frozen=True, gc=False):
    """A profile-level-id by meaning. `level` is level_idc (31 = level 3.1), 10.5 for level 1b."""

    profile: Profile
    level: float


# RFC 6184 section 8.1: an absent profile-level-id means Baseline, level 1.
DEFAULT_PROFILE = H264Profile(Profile.BASELINE, 10)


def parse_profile_level_id(text: str) -> H264Profile:
    """Six hexadecimal digits. Raises ParseError when malformed or of a profile not known here."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise ParseError("H.264 profile-level-id is not hexadecimal") from None
    if len(value) != 3 or len(text) != 6:
        raise ParseError("H.264 profile-level-id is not three octets")
    return _profile_of(value[0], value[1], value[2])


def parse_sps_profile(sps: bytes) -> H264Profile:
    """The profile of a sequence parameter set NAL unit: what the stream is, whatever the SDP said."""
    if len(sps) < 4 or sps[0] & NAL_TYPE_MASK != SPS:
        raise ParseError("H.264 NAL unit is not a sequence parameter set")
    return _profile_of(sps[1], sps[2], sps[3])


def _profile_of(profile_idc: int, profile_iop: int, level_idc: int) -> H264Profile:
    for wanted_idc, mask, bits, profile in _PROFILE_PATTERNS:
        if profile_idc == wanted_idc and profile_iop & mask == bits:
            return H264Profile(profile, _level_of(profile_idc, profile_iop, level_idc))
    raise ParseError(f"H.264 profile {profile_idc:02x}{profile_iop:02x} is not known")


def _level_of(profile_idc: int, profile_iop: int, level_idc: int) -> float:
    by_flag = level_idc == 11 and profile_iop & 0x10 and profile_idc in (0x42, 0x4D, 0x58)
    return _LEVEL_1B if by_flag or level_idc == 9 else float(level_idc)


class H264Parameters(msgspec.Struct, frozen=True, gc=False):
    """What an a=fmtp line of H.264 means. `level_given` is False where it says nothing of profile and level:
    the standard's level 1 is then what few mean, and a refusal would be a black picture for sure."""

    profile: H264Profile
    packetization_mode: int = 0
    level_asymmetry_allowed: bool = False
    level_given: bool = True


def parse_fmtp(fmtp: str) -> H264Parameters:
    """Absent parameters have the defaults of RFC 6184 section 8.1. Raises ParseError on broken ones."""
    fields: dict[str, str] = {}
    for part in fmtp.split(";"):
        name, _, value = part.partition("=")
        fields[name.strip().lower()] = value.strip()
    mode = fields.get("packetization-mode", "0")
    if mode not in ("0", "1", "2"):
        raise ParseError("H.264 packetization-mode is not 0, 1 or 2")
    text = fields.get("profile-level-id")
    return H264Parameters(
        profile=DEFAULT_PROFILE if text is None else parse_profile_level_id(text),
        packetization_mode=int(mode),
        level_asymmetry_allowed=fields.get("level-asymmetry-allowed") == "1",
        level_given=text is not None,
    )


def mode_refusal(source: H264Parameters, down: H264Parameters) -> str | None:
    """Why a receiver cannot take the packets of a source, whatever is in them; None if it can."""
    if source.packetization_mode <= down.packetization_mode:
        return None
    return (
        f"the source sends H.264 packetization-mode {source.packetization_mode}, "
        f"the receiver takes {down.packetization_mode}"
    )


def profile_refusal(source: H264Parameters, down: H264Parameters) -> str | None:
    """Why a receiver cannot decode a source, whatever its level; None if it can."""
    if source.profile.profile in DECODES[down.profile.profile]:
        return None
    return f"the source sends H.264 {_name(source)}, the receiver decodes {_name(down)}"


def level_refusal(source: H264Parameters, down: H264Parameters) -> str | None:
    """Why a source asks too much of a receiver; None if it does not, or if the receiver names no limit."""
    if not down.level_given or source.profile.level <= down.profile.level:
        return None
    return (
        f"the source sends H.264 level {source.profile.level / 10:g}, "
        f"the receiver decodes up to level {down.profile.level / 10:g}"
    )


def _name(parameters: H264Parameters) -> str:
    return parameters.profile.profile.name.lower().replace("_", " ")
