import socket

import pytest

from bridge.transport.address import Address, is_routable
from bridge.transport.batch import pack_sockaddr, unpack_sockaddr


@pytest.mark.parametrize(
    ("address", "routable"),
    [
        (("192.0.2.1", 4000), True),
        (("2001:db8::1", 4000), True),
        (("0.0.0.0", 4000), False),
        (("::", 4000), False),
        (("192.0.2.1", 0), False),
        (("192.0.2.1", 65_536), False),
        (("phone.example.org", 4000), False),
        (("", 4000), False),
        (("fe80::1%eth0", 4000), False),
    ],
)
def test_only_numeric_addresses_with_a_port_are_sent_to(address: Address, routable: bool) -> None:
    assert is_routable(address) is routable


@pytest.mark.parametrize(
    ("family", "address", "back"),
    [
        (socket.AF_INET, ("192.0.2.1", 65_535), ("192.0.2.1", 65_535)),
        (socket.AF_INET6, ("2001:db8::1", 1), ("2001:db8::1", 1)),
        (socket.AF_INET6, ("192.0.2.1", 1), ("192.0.2.1", 1)),  # mapped, on a dual-stack socket
    ],
)
def test_a_socket_address_survives_the_kernel_form(family: int, address: Address, back: Address) -> None:
    assert unpack_sockaddr(pack_sockaddr(family, address)) == back


@pytest.mark.parametrize("address", [("2001:db8::1", 1), ("example.org", 1), ("192.0.2.1", -1)])
def test_what_ipv4_cannot_reach_is_refused(address: Address) -> None:
    with pytest.raises(ValueError, match=r"."):
        pack_sockaddr(socket.AF_INET, address)
