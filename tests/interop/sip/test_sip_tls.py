"""SIP over TLS with real phones: in and out, and who is not let in."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import CallFailedError
from bridge.ids import NO_TRUNK, LegId
from bridge.peers.ports import free_port
from bridge.switchboard.door.doors import Route
from signaling.sip.door.call import SipDoor
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.stream_ports import MAX_HANDSHAKES_PER_HOST
from signaling.sip.shell.tls_context import ClientCertificates, TlsContexts, TlsFiles, make_contexts
from tests.certificates import Authority
from tests.interop.baresip import PhoneTls, baresip
from tests.interop.linphone import linphone
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe, make_door

TONE_HZ = 400.0


@dataclass
class SecureHouse:
    """A door with TLS, its corridor, and the authority that its phones believe."""

    hall: Hall
    door: SipDoor
    authority: Authority

    @property
    def uri(self) -> str:
        return f"sip:desk@127.0.0.1:{self.door.tls_port};transport=tls"

    def count(self, name: str) -> int:
        return self.door.counters()[name]


def make_tls(authority: Authority, clients: ClientCertificates = "off") -> TlsContexts:
    mine, believed = authority.vouch("127.0.0.1", "::1", "localhost"), str(authority.file)
    return make_contexts(
        TlsFiles(
            str(mine.certificate), str(mine.key), believed, clients, "" if clients == "off" else believed
        )
    )


@pytest_asyncio.fixture(params=["off"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SecureHouse]:
    """Parametrize it indirectly with what clients must show."""
    authority = Authority(tmp_path / "authority")
    settings = EndpointSettings(
        port=0, tls_port=0, transports=("udp", "tcp", "tls"), tls=make_tls(authority, request.param)
    )
    door = make_door(settings)
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, (hall := Hall()))
        yield SecureHouse(hall, door, authority)
        door.close()


def phone_tls(house: SecureHouse) -> PhoneTls:
    return PhoneTls(house.authority.vouch("127.0.0.1", "phone").both, house.authority.file)


@pytest.mark.parametrize("house", ["off", "required"], indirect=True)
@pytest.mark.peer("baresip", "TLS in")
async def test_baresip_calls_in_over_tls_and_is_hung_up_over_its_connection(
    house: SecureHouse, tmp_path: Path
) -> None:
    async with baresip(tmp_path / "phone", TONE_HZ, transport="tls", tls=phone_tls(house)) as phone:
        await phone.dial(house.uri)
        (call,) = house.hall.calls
        assert "Contact: <sip:bridge@127.0.0.1:" in phone.log()
        await house.door.reoffer(call.leg_id, describe("sendonly"))
        await house.door.hang_up(call.leg_id, "enough")
        await phone.happens("CALL_CLOSED")
    assert (house.count("sip_failed_handshakes_total"), house.count("sip_malformed_total")) == (0, 0)


@pytest.mark.peer("baresip", "TLS out")
async def test_the_bridge_calls_baresip_over_tls(house: SecureHouse, tmp_path: Path) -> None:
    async with baresip(tmp_path / "phone", TONE_HZ, transport="tls", tls=phone_tls(house)) as phone:
        target = f"sip:bob@127.0.0.1:{phone.sip_port + 1};transport=tls"
        answer = await house.door.dial(LegId("leg_out"), Route(NO_TRUNK, target), describe("sendrecv"))
        assert "m=audio" in answer
        await phone.happens("CALL_ESTABLISHED")
        await phone.hang_up()
        await eventually("the corridor hears of it", lambda: house.hall.hung)


@pytest.mark.peer("linphone", "TLS in, certificate checked")
async def test_linphone_believes_our_certificate_calls_and_is_hung_up(
    house: SecureHouse, tmp_path: Path
) -> None:
    mine = house.authority.vouch("127.0.0.1", "lin")
    settings = {
        "sip.sip_tls_port": free_port(),
        "sip.root_ca": house.authority.file,
        "sip.verify_server_certs": 1,
        "sip.verify_server_cn": 1,
        "sip.client_cert_chain": mine.certificate,
        "sip.client_cert_key": mine.key,
    }
    async with linphone(tmp_path / "phone", TONE_HZ, settings) as phone:
        await phone.dial(house.uri.replace("127.0.0.1", "localhost"))  # it knows no addresses in certificates
        (call,) = house.hall.calls
        await house.door.reoffer(call.leg_id, describe("sendonly"))
        await house.door.hang_up(call.leg_id, "enough")
        await phone.says("ended")  # over its own connection: nobody can connect to it
    assert house.count("sip_failed_handshakes_total") == 0


@pytest.mark.peer("baresip", "TLS out refused for a wrong certificate")
async def test_the_bridge_does_not_call_a_phone_whose_certificate_is_for_somebody_else(
    house: SecureHouse, tmp_path: Path
) -> None:
    wrong = PhoneTls(house.authority.vouch("other.example").both, house.authority.file)
    async with baresip(tmp_path / "phone", TONE_HZ, transport="tls", tls=wrong) as phone:
        target = f"sips:bob@127.0.0.1:{phone.sip_port + 1}"
        with pytest.raises(CallFailedError) as caught:
            await house.door.dial(LegId("leg_out"), Route(NO_TRUNK, target), describe("sendrecv"))
    assert caught.value.status == 503
    assert house.count("sip_failed_handshakes_total") == 1


@pytest.mark.parametrize("house", ["required"], indirect=True)
async def test_who_must_show_a_certificate_and_does_not_stays_outside(house: SecureHouse) -> None:
    context = ssl.create_default_context(cafile=str(house.authority.file))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.door.tls_port, ssl=context)
    with pytest.raises(ssl.SSLError):  # over TLS 1.3 the refusal comes after the client's own handshake
        await reader.read()
    writer.close()
    assert house.count("sip_failed_handshakes_total") == 1


async def test_connections_that_never_shake_hands_are_bounded_and_end(house: SecureHouse) -> None:
    silent = [
        await asyncio.open_connection("127.0.0.1", house.door.tls_port)
        for _ in range(MAX_HANDSHAKES_PER_HOST + 5)
    ]
    await eventually("the last ones are refused", lambda: house.count("sip_refused_connections_total") == 5)
    assert house.count("sip_connections") == MAX_HANDSHAKES_PER_HOST
    await eventually("the others run out of time", lambda: house.count("sip_connections") == 0)
    assert house.count("sip_failed_handshakes_total") == MAX_HANDSHAKES_PER_HOST
    for _, writer in silent:
        writer.close()
