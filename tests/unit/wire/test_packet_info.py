"""The kernel's word on local addresses, read and said back."""

import ipaddress
import struct

import pytest

from bridge.wire.packet_info import CONTROL_SIZE, answering_control, info_of, source_info


def control(level: int, kind: int, info: bytes) -> bytes:
    return struct.pack("@Nii", 16 + len(info), level, kind) + info + bytes(-len(info) % 8)


def came_to(address: str, interface: int = 3) -> bytes:
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        return control(41, 50, ip.packed + struct.pack("=I", interface))
    return control(0, 8, struct.pack("=I4s4s", interface, ip.packed, ip.packed))


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"])
def test_an_answer_leaves_from_where_the_datagram_came_to_by_whichever_interface(address: str) -> None:
    answer = answering_control(came_to(address))
    assert answer == control(*info_of(address))
    assert len(answer) <= CONTROL_SIZE


def test_to_a_broadcast_the_routed_address_answers() -> None:
    info = struct.pack("=I4s4s", 2, bytes((192, 0, 2, 7)), bytes((255, 255, 255, 255)))
    assert source_info(0, 8, info) == info_of("192.0.2.7")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        bytes(15),
        bytes(16),
        came_to("192.0.2.7")[:20],
        control(0, 9, bytes(12)),
        control(41, 50, bytes(12)),
        control(1, 8, bytes(12)),
        struct.pack("@Nii", 1 << 60, 0, 8) + bytes(8),
    ],
)
def test_anything_else_says_nothing(said: bytes) -> None:
    assert answering_control(said) == b""
