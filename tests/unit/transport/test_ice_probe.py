"""The peer desktops check their way with: it answers who knows the password, and nobody else."""

from aioice import stun

from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.ice_probe import IceProbe

CREDENTIALS = IceCredentials("probe", "p" * 22)
SOURCE = ("192.0.2.1", 4711)


def check(pwd: str = CREDENTIALS.pwd, kind: stun.Class = stun.Class.REQUEST, *, signed: bool = True) -> bytes:
    request = stun.Message(stun.Method.BINDING, kind, b"t" * 12, {"USERNAME": "probe:them", "PRIORITY": 1})
    if signed:
        request.add_message_integrity(pwd.encode())
    else:
        request.add_fingerprint()
    return bytes(request)


def answers(datagram: bytes) -> list[tuple[bytes, Address]]:
    sent: list[tuple[bytes, Address]] = []
    probe = IceProbe(CREDENTIALS, lambda data, address: sent.append((data, address)))
    probe.receive_datagram(datagram, SOURCE, 0.0)
    assert not probe.accepts(SOURCE)
    assert probe.answered + probe.refused == 1
    return sent


def test_a_check_is_answered_with_the_address_it_came_from() -> None:
    ((datagram, address),) = answers(check())
    assert address == SOURCE
    response = stun.parse_message(datagram)
    assert response.check_message_integrity(CREDENTIALS.pwd.encode())
    assert response.message_class is stun.Class.RESPONSE
    assert response.attributes["XOR-MAPPED-ADDRESS"] == SOURCE


def test_who_does_not_know_the_password_gets_nothing_not_even_an_error() -> None:
    for datagram in (
        check("q" * 22),
        check(signed=False),
        check(kind=stun.Class.INDICATION),
        b"\x00\x01" + bytes(18),
    ):
        assert answers(datagram) == []
