"""A small DNS server on loopback, for names that nobody else has."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer(asyncio.DatagramProtocol):
    """Answers out of `zone`, lines as in a zone file: `name ttl type data`. `asked` counts each question."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self.zone: list[str] = []
        self.asked: Counter[str] = Counter()
        self.silent = False

    @property
    def address(self) -> str:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        question = query.question[0]
        self.asked[
            f"{dns.rdatatype.to_text(question.rdtype)} {question.name.to_text(omit_final_dot=True)}"
        ] += 1
        if self.silent or self._transport is None:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        entries = [line.split(maxsplit=3) for line in self.zone]
        named = [entry for entry in entries if dns.name.from_text(entry[0]) == question.name]
        if not named:
            response.set_rcode(dns.rcode.NXDOMAIN)
        found = [entry for entry in named if dns.rdatatype.from_text(entry[2]) == question.rdtype]
        if found:
            texts = [entry[3] for entry in found]
            response.answer.append(
                dns.rrset.from_text(question.name, int(found[0][1]), "IN", found[0][2], *texts)
            )
        self._transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server(*zone: str) -> AsyncIterator[NameServer]:
    server = NameServer()
    server.zone = list(zone)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
