"""An opt-in capture of every SIP message, whole and unmasked, in a file that any packet analyser opens."""

import ipaddress
import os
import struct
from pathlib import Path
from typing import BinaryIO

import structlog

from signaling.sip.wire.flow import Flow

LINKTYPE_RAW = 101  # each packet begins with its IP header
MAX_PAYLOAD_BYTES = 65_000  # what fits into one IP packet; longer messages are cut, and say so
_UDP = 17
_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, LINKTYPE_RAW)

_log = structlog.get_logger("sip")


class Capture:
    """`write` appends one message as a UDP packet, whatever its transport: it came whole, and so it is shown.

    The file is for its owner alone: it holds what the trace masks. At `max_bytes` it is renamed to `.1`, in
    the place of the one before, and begun anew. A disk that takes no more ends the capture, not the calls.
    """

    __slots__ = ("_file", "_local", "_max_bytes", "_path", "_size", "failed")

    def __init__(self, path: Path, max_bytes: int, local: tuple[str, int]) -> None:
        """Raises OSError if the file cannot be written."""
        self._path = path
        self._max_bytes = max_bytes
        self._local = local
        self.failed = False
        self._size = 0
        self._file = self._begin()

    def write(self, data: bytes, flow: Flow, wall: float, *, received: bool) -> None:
        """`wall` is seconds since 1970."""
        if self.failed:
            return
        packet = _packet((flow.host, flow.port), self._local, data[:MAX_PAYLOAD_BYTES], received=received)
        seconds, fraction = divmod(wall, 1.0)
        cut = max(0, len(data) - MAX_PAYLOAD_BYTES)
        record = struct.pack("<IIII", int(seconds), int(fraction * 1e6), len(packet), len(packet) + cut)
        try:
            if self._size + len(record) + len(packet) > self._max_bytes:
                self._turn()
            self._file.write(record + packet)
        except OSError as error:
            self.failed = True
            _log.warning("! capture ended", file=str(self._path), error=str(error))
            return
        self._size += len(record) + len(packet)

    def close(self) -> None:
        """Twice is fine."""
        self._file.close()

    def _turn(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._file = self._begin()

    def _begin(self) -> BinaryIO:
        def only_for_the_owner(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        file: BinaryIO = open(self._path, "wb", buffering=0, opener=only_for_the_owner)  # noqa: SIM115
        file.write(_HEADER)
        self._size = len(_HEADER)
        return file


def _packet(remote: tuple[str, int], local: tuple[str, int], payload: bytes, *, received: bool) -> bytes:
    (source, source_port), (target, target_port) = (remote, local) if received else (local, remote)
    length = 8 + len(payload)
    udp = struct.pack(">HHHH", source_port, target_port, length, 0) + payload
    try:
        ends = ipaddress.ip_address(source), ipaddress.ip_address(target)
    except ValueError:  # a name that was not resolved yet
        ends = ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("0.0.0.0")
    if ends[0].version == 6 or ends[1].version == 6:
        return struct.pack(">IHBB", 6 << 28, length, _UDP, 64) + _as_six(ends[0]) + _as_six(ends[1]) + udp
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, _UDP, 0) + ends[0].packed + ends[1].packed
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + udp


def _as_six(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _checksum(header: bytes) -> int:
    """RFC 791 section 3.1, over a header whose checksum is 0."""
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
