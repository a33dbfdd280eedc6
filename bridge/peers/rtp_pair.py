"""Two neighbouring UDP ports of a synthetic phone: RTP on the even one, RTCP on the next."""

import asyncio

BIND_ATTEMPTS = 50


class RtpPair:
    """`protocol` reads both. `address` is that of RTP."""

    def __init__(self) -> None:
        self._transports: list[asyncio.DatagramTransport] = []
        self.address = ("", 0)

    @property
    def is_open(self) -> bool:
        return bool(self._transports)

    async def open(
        self, host: str, protocol: asyncio.DatagramProtocol, rtcp_protocol: asyncio.DatagramProtocol
    ) -> None:
        """Raises OSError when the host has no pair free."""
        loop = asyncio.get_running_loop()
        for _ in range(BIND_ATTEMPTS):
            transport, _ = await loop.create_datagram_endpoint(lambda: protocol, (host, 0))
            port = transport.get_extra_info("sockname")[1]
            try:
                if port % 2:
                    raise OSError("odd")
                second, _ = await loop.create_datagram_endpoint(lambda: rtcp_protocol, (host, port + 1))
            except OSError:
                transport.close()
                continue
            self._transports = [transport, second]
            self.address = (host, port)
            return
        raise OSError(f"no pair of free UDP ports on {host}")

    def send(self, packet: bytes, remote: tuple[str, int]) -> None:
        if self._transports:
            self._transports[0].sendto(packet, remote)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self._transports = []
