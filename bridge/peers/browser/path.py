"""Whether connectivity checks get through to the bridge's media port: what a synthetic browser proves itself with."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

from aioice import stun

from bridge.peers.within import within

WITHIN_S = 2.0
RESENDS_S = 0.5  # RFC 8489 section 6.2.1


async def path_works(probe: Mapping[str, Any]) -> bool:
    """`probe` is the result of `getMediaProbe`. True once a check was answered by who knows the password."""
    address, port = _address_of(probe["candidates"][0])
    key = str(probe["icePwd"]).encode()
    answered = asyncio.Event()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Listener(key, answered), remote_addr=(address, port)
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            while not answered.is_set():
                transport.sendto(_check(f"{probe['iceUfrag']}:{secrets.token_hex(4)}", key))
                with contextlib.suppress(TimeoutError):
                    await within(RESENDS_S, answered.wait())
    except TimeoutError:
        return False
    finally:
        transport.close()
    return True


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, key: bytes, answered: asyncio.Event) -> None:
        self._key = key
        self._answered = answered

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002
        try:
            response = stun.parse_message(data)
        except ValueError:
            return
        if response.message_class is stun.Class.RESPONSE and response.check_message_integrity(self._key):
            self._answered.set()


def _check(username: str, key: bytes) -> bytes:
    attributes = {"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": secrets.randbits(64)}
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, secrets.token_bytes(12), attributes)
    request.add_message_integrity(key)
    return bytes(request)


def _address_of(candidate: str) -> tuple[str, int]:
    """Of the text after "candidate:" (RFC 8839 section 5.1)."""
    fields = candidate.split()
    return fields[4], int(fields[5])
