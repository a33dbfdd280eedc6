"""The ICE-lite agent of one leg (RFC 8445 section 2.5), without I/O.

A lite agent sends no checks: it answers the browser's, follows its nomination and takes the flow of checks as
consent to go on sending (RFC 7675). The STUN messages themselves are aioice's.
"""

import enum
import ipaddress
import struct
from collections.abc import Sequence

from aioice import stun

from bridge.errors import NotAllowedError
from bridge.plane.messages import IceCredentials
from bridge.transport.address import Address
from bridge.transport.demux import STUN_HEADER_SIZE

CONSENT_TIMEOUT_S = 30.0  # RFC 7675 section 5.1
MAX_SOURCES = 16  # addresses of one browser: interfaces times families, and what its NAT makes of them
MAX_GENERATIONS = 3  # whose checks are answered: a browser's pair may have been made one restart earlier
MAX_RETIRED = 8
MAX_STUN_SIZE = 1500
_USERNAME = 0x0006
_HOST_TYPE_PREFERENCE = 126  # RFC 8445 section 5.1.2.2


class State(enum.Enum):
    """How far this agent came."""

    WAITING = "waiting"  # no authentic check yet
    CHECKED = "checked"  # checks arrive, the browser did not choose yet
    NOMINATED = "nominated"
    LOST = "lost"  # consent ran out; only an ICE restart helps


class Event(enum.Enum):
    """What moves it."""

    CHECK = "check"
    NOMINATION = "nomination"
    SILENCE = "silence"
    RESTART = "restart"


TRANSITIONS = {
    (State.WAITING, Event.CHECK): State.CHECKED,
    (State.WAITING, Event.NOMINATION): State.NOMINATED,
    (State.WAITING, Event.SILENCE): State.LOST,
    (State.WAITING, Event.RESTART): State.WAITING,
    (State.CHECKED, Event.CHECK): State.CHECKED,
    (State.CHECKED, Event.NOMINATION): State.NOMINATED,
    (State.CHECKED, Event.SILENCE): State.LOST,
    (State.CHECKED, Event.RESTART): State.CHECKED,
    (State.NOMINATED, Event.CHECK): State.NOMINATED,
    (State.NOMINATED, Event.NOMINATION): State.NOMINATED,
    (State.NOMINATED, Event.SILENCE): State.LOST,
    # RFC 8445 section 9: media stays on the old pair until the new generation has one
    (State.NOMINATED, Event.RESTART): State.NOMINATED,
    (State.LOST, Event.CHECK): State.LOST,
    (State.LOST, Event.NOMINATION): State.LOST,
    (State.LOST, Event.RESTART): State.WAITING,
}


def next_state(state: State, event: Event) -> State:
    """Looks the step up; a missing one is our own mistake."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise NotAllowedError(f"ICE cannot take {event.value} while {state.value}") from None


def host_candidates(addresses: Sequence[str], port: int) -> tuple[str, ...]:
    """The texts after "candidate:" for our addresses, the first one preferred (RFC 8839 section 5.1)."""
    texts = []
    for index, address in enumerate(addresses):
        ip = ipaddress.ip_address(address)
        priority = (_HOST_TYPE_PREFERENCE << 24) + ((65_535 - index) << 8) + 255
        texts.append(f"{index + 1} 1 udp {priority} {ip} {port} typ host")
    return tuple(texts)


def username_of(datagram: bytes) -> tuple[str, str] | None:
    """The two halves of USERNAME, receiver's ufrag first, read without trusting anything else."""
    position = STUN_HEADER_SIZE
    while position + 4 <= len(datagram):
        kind, size = struct.unpack_from("!HH", datagram, position)
        if kind == _USERNAME:
            text = datagram[position + 4 : position + 4 + size].decode("ascii", "replace")
            local, colon, remote = text.partition(":")
            return (local, remote) if colon else None
        position += 4 + size + (-size % 4)
    return None


def _attributes_fit(datagram: bytes) -> bool:
    """True if the attributes fill the message exactly; aioice reads past that with a shrug."""
    position = STUN_HEADER_SIZE
    while position + 4 <= len(datagram):
        (size,) = struct.unpack_from("!H", datagram, position + 2)
        position += 4 + size + (-size % 4)
    return position == len(datagram)


class IceLite:
    """Answers checks and knows where to send.

    `local` and `remote` are the credentials of the current generation; `remote` is None until the answer is
    there. Checks of earlier generations stay answered, so that the old pair lives until the new one does, but
    they never move the selected address. What makes a generation is the browser's ufrag: Chromium was seen to
    check its new sockets with our old ufrag for good, when it gathered them before our answer was there.
    """

    __slots__ = (
        "_consent_at",
        "_consent_timeout_s",
        "_local",
        "_previous",
        "_remote",
        "_retired",
        "_selected",
        "_sources",
        "_state",
        "answered",
        "malformed",
        "role_conflicts",
        "unauthorized",
    )

    def __init__(
        self,
        local: IceCredentials,
        remote: IceCredentials | None,
        now: float,
        consent_timeout_s: float = CONSENT_TIMEOUT_S,
    ) -> None:
        self._local = local
        self._previous: list[IceCredentials] = []  # the latest first
        self._remote = remote
        self._retired: list[tuple[str, str]] = []  # (local, remote) ufrags, "" for any local one
        self._consent_timeout_s = consent_timeout_s
        self._consent_at = now
        self._state = State.WAITING
        self._selected: Address | None = None
        self._sources: dict[Address, None] = {}
        self.answered = 0
        self.malformed = 0
        self.unauthorized = 0
        self.role_conflicts = 0

    @property
    def state(self) -> State:
        return self._state

    @property
    def selected(self) -> Address | None:
        """The address the browser nominated."""
        return self._selected

    @property
    def destination(self) -> Address | None:
        """Where to send: the nominated address, before that the first one that passed a check."""
        return self._selected or next(iter(self._sources), None)

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """Those a check may name: of this generation and of those before, the latest first."""
        return (self._local.ufrag, *(earlier.ufrag for earlier in self._previous))

    def accepts(self, source: Address) -> bool:
        """True for an address that passed an authentic check."""
        return source in self._sources

    def update(self, local: IceCredentials, remote: IceCredentials | None, now: float) -> None:
        """Takes over credentials; other ones than before are an ICE restart, a first `remote` is not."""
        restarted = local != self._local
        if restarted:
            if self._remote is not None:
                self._retire(self._local.ufrag, self._remote.ufrag)
            self._previous = [self._local, *self._previous][: MAX_GENERATIONS - 1]
            self._local = local
        if remote is not None and remote != self._remote:
            if self._remote is not None:
                self._retire("", self._remote.ufrag)
                restarted = True
            else:
                self._consent_at = now
            self._remote = remote
        if restarted:
            self._state = next_state(self._state, Event.RESTART)
            self._consent_at = now

    def timer(self) -> float | None:
        if self._state is State.LOST or (self._remote is None and self._state is State.WAITING):
            return None  # lost for good, or the answer is still to come: nobody can send a check yet
        return self._consent_at + self._consent_timeout_s

    def handle_timer(self, now: float) -> None:
        at = self.timer()
        if at is not None and now >= at:
            self._state = next_state(self._state, Event.SILENCE)

    def receive_stun(self, datagram: bytes, source: Address, now: float) -> bytes | None:
        """The response to send back to `source`; None for what deserves none."""
        request = parse_check(datagram)
        if request is None:
            self.malformed += 1
            return None
        if request.message_class is not stun.Class.REQUEST:
            return None  # an indication keeps a NAT open; responses are for those who send requests
        username = request.attributes.get("USERNAME")
        if username is None or "MESSAGE-INTEGRITY" not in request.attributes:
            self.unauthorized += 1
            return _error(request, 400, "Bad Request", key=None)  # RFC 5389 section 10.1.2
        local_ufrag, _, remote_ufrag = username.partition(":")
        credentials = self._credentials(local_ufrag)
        if credentials is None or not request.check_message_integrity(credentials.pwd.encode()):
            self.unauthorized += 1
            return _error(request, 401, "Unauthorized", key=None)
        key = credentials.pwd.encode()
        if "ICE-CONTROLLED" in request.attributes:
            self.role_conflicts += 1  # RFC 8445 section 7.3.1.1: a lite agent always stays controlled
            return _error(request, 487, "Role Conflict", key)
        nominates = "USE-CANDIDATE" in request.attributes and not self._is_retired(local_ufrag, remote_ufrag)
        self._checked(source, now, nominates=nominates)
        self.answered += 1
        return success(request, source, key)

    def _credentials(self, local_ufrag: str) -> IceCredentials | None:
        known = (self._local, *self._previous)
        return next((credentials for credentials in known if credentials.ufrag == local_ufrag), None)

    def _retire(self, local_ufrag: str, remote_ufrag: str) -> None:
        self._retired = [*self._retired, (local_ufrag, remote_ufrag)][-MAX_RETIRED:]

    def _is_retired(self, local_ufrag: str, remote_ufrag: str) -> bool:
        return ("", remote_ufrag) in self._retired or (local_ufrag, remote_ufrag) in self._retired

    def _checked(self, source: Address, now: float, *, nominates: bool) -> None:
        self._remember(source)
        self._state = next_state(self._state, Event.NOMINATION if nominates else Event.CHECK)
        if nominates:
            self._selected = source
        if self._selected is None or source == self._selected:
            self._consent_at = now

    def _remember(self, source: Address) -> None:
        if source in self._sources:
            return
        if len(self._sources) >= MAX_SOURCES:
            oldest = next(address for address in self._sources if address != self._selected)
            del self._sources[oldest]
        self._sources[source] = None


def parse_check(datagram: bytes) -> stun.Message | None:
    """The message of a connectivity check, of any class; None for what is none. Its integrity is not checked."""
    if len(datagram) > MAX_STUN_SIZE or not _attributes_fit(datagram):
        return None
    try:
        message = stun.parse_message(datagram)
    except (ValueError, struct.error):  # struct.error: a number attribute that is too short
        return None
    if message.message_method is not stun.Method.BINDING or "FINGERPRINT" not in message.attributes:
        return None  # RFC 8445 section 7.1: a check carries FINGERPRINT
    return message


def success(request: stun.Message, source: Address, key: bytes) -> bytes:
    response = stun.Message(
        stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id, {"XOR-MAPPED-ADDRESS": source}
    )
    response.add_message_integrity(key)
    return bytes(response)


def _error(request: stun.Message, code: int, reason: str, key: bytes | None) -> bytes:
    """Signed where the request was authentic, plain where it was not (RFC 5389 section 10.1.2)."""
    response = stun.Message(
        stun.Method.BINDING, stun.Class.ERROR, request.transaction_id, {"ERROR-CODE": (code, reason)}
    )
    if key is None:
        response.add_fingerprint()
    else:
        response.add_message_integrity(key)
    return bytes(response)
