"""Two neighbouring UDP ports of a synthetic phone: RTP on the even one, RTCP on the next."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.transport.srtp import SrtpSession

BIND_ATTEMPTS = 50


class RtpPair:
    """`protocol` reads both. `address` is that of RTP. With `srtp` it sends encrypted, and `read` decrypts."""

    def __init__(self) -> None:
        self._transports: list[asyncio.DatagramTransport] = []
        self.address = ("", 0)
        self.srtp: SrtpSession | None = None
        self.undecryptable = 0

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
        protected: bytes | None = packet
        if self.srtp is not None:
            protected = (self.srtp.protect_rtcp if is_rtcp(packet) else self.srtp.protect_rtp)(packet)
        if self._transports and protected is not None:
            self._transports[0].sendto(protected, remote)

    def read(self, data: bytes) -> bytes | None:
        """A packet that came, in the clear; None for one that could not be decrypted."""
        if self.srtp is None:
            return data
        plain = self.srtp.unprotect_rtcp(data) if is_rtcp(data) else self.srtp.unprotect_rtp(data)
        self.undecryptable += plain is None
        return plain

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self._transports = []


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 section 4: by the second octet."""
    return len(data) > 1 and 192 <= data[1] <= 223
