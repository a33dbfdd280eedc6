"""A trunk called by its domain over TLS has the certificate of that domain, also where its Contact is an address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from bridge.ids import LegId, TrunkId
from bridge.switchboard.door.doors import Route
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.door.call import SipDoor
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.shell.tls_context import TlsContexts, TlsFiles, make_contexts
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.certificates import Authority
from tests.interop.name_server import name_server
from tests.interop.programs import eventually
from tests.interop.sip.test_sip_door import Hall, describe, make_door

CARRIER, DOMAIN = TrunkId("carrier"), "carrier.example"
FAR = "127.0.0.2"
TARGET = f"sips:bob@{DOMAIN}"


class Relay:
    """What lies between two doors and breaks."""

    def __init__(self) -> None:
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def running(self, host: str, port: int) -> AsyncIterator["Relay"]:
        """To `host` and `port`."""

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65_536):
                    writer.write(data)
            writer.close()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(host, port, local_addr=(FAR, 0))
            self._writers += [writer, back]
            await asyncio.gather(carry(reader, back), carry(there, writer))

        server = await asyncio.start_server(accept, FAR)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
            self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@dataclass
class Carriers:
    door: SipDoor
    hall: Hall
    far: SipDoor
    far_hall: Hall
    relay: Relay


def shown(authority: Authority, *names: str) -> TlsContexts:
    mine = authority.vouch(*names)
    return make_contexts(TlsFiles(str(mine.certificate), str(mine.key), str(authority.file)))


@pytest_asyncio.fixture
async def carriers(tmp_path: Path) -> AsyncIterator[Carriers]:
    authority = Authority(tmp_path / "authority")
    ours, theirs = shown(authority, "127.0.0.1", FAR), shown(authority, DOMAIN)
    far, far_hall, hall = (
        make_door(EndpointSettings(FAR, port=0, tls_port=0, transports=("tls",), tls=theirs)),
        Hall(),
        Hall(),
    )
    trunks = Trunks([Trunk(CARRIER, ("127.0.0.0/8",), f"sips:{DOMAIN}")])
    async with asyncio.TaskGroup() as tasks, name_server() as server:
        await far.open(tasks, far_hall)
        door = make_door(
            EndpointSettings(
                port=0,
                tls_port=0,
                transports=("tls",),
                tls=ours,
                nameservers=(server.address,),
                agent=AgentSettings(trunks=trunks),
            )
        )
        await door.open(tasks, hall)
        async with Relay().running(FAR, far.tls_port) as relay:
            server.zone = [
                f"_sips._tcp.{DOMAIN} 60 SRV 1 1 {relay.port} a.{DOMAIN}.",
                f"a.{DOMAIN} 60 A {FAR}",
            ]
            yield Carriers(door, hall, far, far_hall, relay)
            door.close()
            far.close()


async def test_a_call_to_a_domain_is_hung_up_though_its_connection_was_lost(carriers: Carriers) -> None:
    """The BYE goes to the address of the Contact; whose it is says the domain (RFC 5922 section 4)."""
    leg_id = LegId("leg_out")
    await carriers.door.dial(leg_id, Route(CARRIER, TARGET), describe("sendrecv"))
    carriers.relay.cut()
    await asyncio.sleep(0.1)
    await carriers.door.hang_up(leg_id, "enough")
    await eventually("the carrier hears of it", lambda: carriers.far_hall.hung, 5.0)
    assert carriers.door.counters()["sip_failed_handshakes_total"] == 0


async def test_a_call_from_a_trunk_with_a_domain_is_hung_up_though_its_connection_was_lost(
    carriers: Carriers,
) -> None:
    """What the domain's address is was learned as it was called, or asked whether it is there."""
    leg_id = LegId("leg_out")
    await carriers.door.dial(leg_id, Route(CARRIER, TARGET), describe("sendrecv"))
    async with Relay().running("127.0.0.1", carriers.door.tls_port) as relay:
        target = f"sips:desk@{FAR}:{relay.port}"
        await carriers.far.dial(LegId("leg_far"), Route(CARRIER, target), describe("sendrecv"))
        (call,) = carriers.hall.calls
        relay.cut()
        await asyncio.sleep(0.1)
        await carriers.door.hang_up(call.leg_id, "enough")
        await eventually("the carrier hears of it", lambda: carriers.far_hall.hung, 5.0)
    assert carriers.door.counters()["sip_failed_handshakes_total"] == 0
