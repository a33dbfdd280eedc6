"""What a desktop checks its way to the bridge with: a peer that answers connectivity checks, and nothing else.

One for all desktops and without a state: who knows the password gets a response to each check, others get none.
"""

from collections.abc import Callable

from aioice import stun

from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.ice_lite import parse_check, success


class IceProbe:
    """A `MuxEndpoint`. No source ever becomes its own: media sent here is a stranger's."""

    __slots__ = ("_credentials", "_send", "answered", "refused")

    def __init__(self, credentials: IceCredentials, send: Callable[[bytes, Address], None]) -> None:
        self._credentials = credentials
        self._send = send
        self.answered = 0
        self.refused = 0

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:  # noqa: ARG002
        key = self._credentials.pwd.encode()
        request = parse_check(datagram)
        if request is None or not _is_authentic(request, key):
            self.refused += 1
            return
        self.answered += 1
        self._send(success(request, source, key), source)

    def accepts(self, source: Address) -> bool:  # noqa: ARG002
        return False


def _is_authentic(request: stun.Message, key: bytes) -> bool:
    return (
        request.message_class is stun.Class.REQUEST
        and "MESSAGE-INTEGRITY" in request.attributes
        and request.check_message_integrity(key)
    )
