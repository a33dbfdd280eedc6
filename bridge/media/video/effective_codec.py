"""What a stream of H.264 is by its own word: the sequence parameter set and the packets, whatever the SDP said."""

import msgspec

from bridge.errors import ParseError
from bridge.plane.messages import Codec
from bridge.wire import h264

_ANY_MODE = 23  # NAL unit types up to here stand alone in their packets (RFC 6184 section 5.2)


class EffectiveCodec:
    """Follows one stream. `codec` is what it is known to be: another object when that changes."""

    __slots__ = ("_declared", "_mode", "_profile_level_id", "codec")

    def __init__(self, declared: Codec) -> None:
        self._declared = declared
        self._mode = _declared_mode(declared)
        self._profile_level_id = ""
        self.codec = declared

    def receive(self, data: bytes, start: int, end: int, found: h264.PayloadLook) -> Codec:
        """Looks at a payload, of which `found` is known; returns the codec from this packet on."""
        if data[start] & h264.NAL_TYPE_MASK > _ANY_MODE:
            mode = h264.packetization_mode_of(data[start : start + 1])
            if mode > self._mode:
                self._mode = mode
                self._describe()
        if found & h264.PayloadLook.SPS:
            self._read_parameter_set(data[start:end])
        return self.codec

    def _read_parameter_set(self, payload: bytes) -> None:
        try:
            units = tuple(h264.iterate_nal_units(payload))
        except ParseError:
            return
        for unit in units:
            if unit[0] & h264.NAL_TYPE_MASK == h264.SPS and len(unit) >= 4:
                text = unit[1:4].hex()
                if text != self._profile_level_id:
                    self._profile_level_id = text
                    self._describe()

    def _describe(self) -> None:
        told = [f"packetization-mode={self._mode}"]
        if self._profile_level_id:
            told.append(f"profile-level-id={self._profile_level_id}")
        else:
            declared = (part.strip() for part in self._declared.fmtp.split(";"))
            told += [part for part in declared if part.lower().startswith("profile-level-id=")]
        self.codec = msgspec.structs.replace(self._declared, fmtp=";".join(told))


def _declared_mode(codec: Codec) -> int:
    try:
        return h264.parse_fmtp(codec.fmtp).packetization_mode
    except ParseError:
        return 0
