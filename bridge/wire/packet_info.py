"""The local address of a datagram, as the kernel tells it and takes it: IP_PKTINFO (ip(7)), IPV6_PKTINFO (RFC 3542)."""

import ipaddress
import struct

ASK_4 = (0, 8)  # level and option of setsockopt: IPPROTO_IP, IP_PKTINFO (linux/in.h)
ASK_6 = (41, 49)  # IPPROTO_IPV6, IPV6_RECVPKTINFO (linux/in6.h)
_KIND_4 = (0, 8)  # level and type of the control message
_KIND_6 = (41, 50)  # IPPROTO_IPV6, IPV6_PKTINFO
CONTROL_SIZE = 40  # of the larger one, with its header and padding
_HEADER = struct.Struct("@Nii")  # struct cmsghdr: length, level, type
_INFO_4 = struct.Struct("=I4s4s")  # interface, address that was routed to, address in the header
_INFO_6 = struct.Struct("=16sI")


def source_info(level: int, kind: int, info: bytes) -> tuple[int, int, bytes] | None:
    """What came with a datagram, as level, type and data of what is to go with the answer; None if it is
    something else. No interface is named: the route decides, as without it."""
    if (level, kind) == _KIND_4 and len(info) == _INFO_4.size:
        _, local, _ = _INFO_4.unpack(info)
        return level, kind, _INFO_4.pack(0, local, bytes(4))
    if (level, kind) == _KIND_6 and len(info) == _INFO_6.size:
        return level, kind, _INFO_6.pack(info[:16], 0)
    return None


def info_of(address: str) -> tuple[int, int, bytes]:
    """To send from `address`, which is numeric."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        return *_KIND_6, _INFO_6.pack(ip.packed, 0)
    return *_KIND_4, _INFO_4.pack(0, ip.packed, bytes(4))


def answering_control(control: bytes) -> bytes:
    """A received control buffer as the one that sends from where that datagram was sent to; b"" if it says not."""
    if len(control) < _HEADER.size:
        return b""
    size, level, kind = _HEADER.unpack_from(control)
    found = source_info(level, kind, control[_HEADER.size : size])
    return b"" if found is None else _control(*found)


def _control(level: int, kind: int, info: bytes) -> bytes:
    size = _HEADER.size + len(info)
    return _HEADER.pack(size, level, kind) + info + bytes(-size % 8)
