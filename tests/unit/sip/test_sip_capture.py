"""The capture is a file of packets that turns over at its bound; a full disk costs no call."""

import stat
import struct
from contextlib import closing
from pathlib import Path

import pytest

from signaling.sip.diagnosis.capture import Capture
from signaling.sip.wire.flow import Flow

PHONE = Flow("tcp", "192.0.2.7", 5070)
LOCAL = ("198.51.100.1", 5060)
MESSAGE = b"OPTIONS sip:a SIP/2.0\r\n\r\n"


def packets(path: Path) -> list[bytes]:
    data, found = path.read_bytes(), []
    at = 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    return found


def test_both_ways_have_their_addresses_and_a_valid_header(tmp_path: Path) -> None:
    with closing(Capture(tmp_path / "sip.pcap", 10_000, LOCAL)) as capture:
        capture.write(MESSAGE, PHONE, 1_700_000_000.25, received=True)
        capture.write(MESSAGE, PHONE, 1_700_000_000.5, received=False)
    received, sent = packets(tmp_path / "sip.pcap")
    assert received[12:24] == bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack(">HH", 5070, 5060)
    assert sent[12:24] == bytes([198, 51, 100, 1, 192, 0, 2, 7]) + struct.pack(">HH", 5060, 5070)
    assert received[28:] == MESSAGE
    assert sum(struct.unpack(">10H", received[:20])) % 0xFFFF == 0  # RFC 1071: the sum over it is all ones
    assert stat.S_IMODE((tmp_path / "sip.pcap").stat().st_mode) == 0o600


def test_ipv6_has_its_own_header(tmp_path: Path) -> None:
    with closing(Capture(tmp_path / "sip.pcap", 10_000, ("2001:db8::1", 5060))) as capture:
        capture.write(MESSAGE, Flow("udp", "2001:db8::7", 5060), 1.0, received=True)
    (packet,) = packets(tmp_path / "sip.pcap")
    assert (packet[0] >> 4, packet[6], packet[48:]) == (6, 17, MESSAGE)


def test_a_full_file_makes_room_for_the_next(tmp_path: Path) -> None:
    with closing(Capture(tmp_path / "sip.pcap", 500, LOCAL)) as capture:
        for _ in range(20):
            capture.write(MESSAGE, PHONE, 1.0, received=True)
    assert (tmp_path / "sip.pcap").stat().st_size <= 500
    assert (tmp_path / "sip.pcap.1").stat().st_size <= 500
    assert packets(tmp_path / "sip.pcap")[0][28:] == MESSAGE


def test_a_long_message_is_cut_and_a_name_has_no_address(tmp_path: Path) -> None:
    with closing(Capture(tmp_path / "sip.pcap", 1_000_000, LOCAL)) as capture:
        capture.write(b"x" * 70_000, Flow("udp", "phone.example", 5060), 1.0, received=False)
    (packet,) = packets(tmp_path / "sip.pcap")
    assert len(packet) == 65_028
    assert packet[16:20] == bytes(4)


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Capture(tmp_path / "nowhere" / "sip.pcap", 1000, LOCAL)


def test_a_disk_that_takes_no_more_ends_the_capture_and_nothing_else(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "sip.pcap", 100, LOCAL)
    tmp_path.joinpath("sip.pcap").unlink()  # so that it cannot be renamed when it is full
    for _ in range(5):
        capture.write(MESSAGE, PHONE, 1.0, received=True)
    assert capture.failed
