"""One websocket's conversation without the socket: who speaks, what may be said, what is still to be sent."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from bridge.errors import BridgeError, ForbiddenError, NotAllowedError, ParseError, UnauthorizedError
from bridge.ids import UserId
from bridge.switchboard.browser.companions import Ticket, guest
from bridge.switchboard.door.principal import Principal
from signaling.web.access.auth import Identity, Verifier
from signaling.web.access.claims import LEEWAY_S
from signaling.web.access.rate import RateLimit
from signaling.web.protocol.event import AuthenticatedByHeader, TokenExpiring, serialize
from signaling.web.protocol.history import RESUME_MAX_EVENTS, History, Place
from signaling.web.protocol.messages import (
    Authenticate,
    Command,
    JoinCompanion,
    Ping,
    Resume,
    parse_command,
    parse_command_id,
)
from signaling.web.protocol.reply import Authenticated, Reply, Result, Trouble

GUEST_S = 12 * 3600.0  # longer than a call; who reconnects joins again
AUTHENTICATION_TIMEOUT_S = 10.0  # a browser on a slow link needs one round trip; a port scanner gets no more
EXPIRY_WARNING_S = 60.0  # time for a desktop to fetch a fresh token
QUEUE_MAX_MESSAGES = 1024  # a busy interaction makes some tens of events a second at worst
QUEUE_MAX_CHARACTERS = 4 * 1024 * 1024
# Patience with nonsense: this many at once, then one a second, before the connection is closed.
MALFORMED_BURST = 20
FLOOD_BURST = 200


class State(Enum):
    STRANGER = auto()  # connected, not authenticated
    OPEN = auto()
    CLOSING = auto()  # what is queued goes out, then the close frame; nothing is read any more
    CLOSED = auto()  # the peer is gone


class Input(Enum):
    AUTHENTICATE = auto()
    CLOSE = auto()  # our decision
    DISCONNECT = auto()  # the socket's news


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.STRANGER, Input.AUTHENTICATE): State.OPEN,
    (State.OPEN, Input.AUTHENTICATE): State.OPEN,  # renewal
    (State.STRANGER, Input.CLOSE): State.CLOSING,
    (State.OPEN, Input.CLOSE): State.CLOSING,
    (State.STRANGER, Input.DISCONNECT): State.CLOSED,
    (State.OPEN, Input.DISCONNECT): State.CLOSED,
    (State.CLOSING, Input.DISCONNECT): State.CLOSED,
}


class CloseCode:
    """Close codes (RFC 6455 section 7.4; 4000 and above are ours, see PROTOCOL.md)."""

    GOING_AWAY = 1001
    UNSUPPORTED = 1003
    MALFORMED = 4400
    UNAUTHORIZED = 4401
    FLOOD = 4429
    SLOW_CONSUMER = 4503


@dataclass(frozen=True)
class Close:
    code: int
    reason: str


class TooManyMessagesError(BridgeError):
    """Over the rate; the message was not read."""

    code = "too_many_messages"


class Session:
    """`receive_*` take what the client sent, `messages_to_send` and `close` say what it gets.

    `count` is told the names of what went wrong: malformed, flood, slow_consumer, unauthorized, expired.
    """

    __slots__ = (
        "_auth_deadline",
        "_characters",
        "_count",
        "_expires_at",
        "_flood",
        "_history",
        "_malformed",
        "_messages",
        "_queue",
        "_state",
        "_verifier",
        "_warn_at",
        "close_frame",
        "connection_id",
        "identity",
    )

    def __init__(
        self,
        connection_id: str,
        verifier: Verifier,
        messages_per_second: float,
        now: float,
        count: Callable[[str], None],
        history: History | None = None,
    ) -> None:
        self.connection_id = connection_id
        self.identity: Identity | None = None
        self.close_frame: Close | None = None
        self._verifier = verifier
        self._count = count
        self._history = history or History()
        self._state = State.STRANGER
        self._auth_deadline = now + AUTHENTICATION_TIMEOUT_S
        self._warn_at: float | None = None
        self._expires_at: float | None = None
        self._messages = RateLimit(messages_per_second, 2 * messages_per_second, now)
        self._malformed = RateLimit(1.0, MALFORMED_BURST, now)
        self._flood = RateLimit(1.0, FLOOD_BURST, now)
        self._queue: deque[str] = deque()
        self._characters = 0

    @property
    def state(self) -> State:
        return self._state

    @property
    def principal(self) -> Principal | None:
        return self.identity.principal(self.connection_id) if self.identity else None

    # --- what the client does -----------------------------------------------------------------------------

    def receive_text(self, text: str, now: float, wall: float) -> Command | None:
        """A command for the switchboard, or None when the session has answered by itself.

        `Authenticate` comes back when its key must be fetched first; then it is for `authenticate`.
        """
        if self._state not in (State.STRANGER, State.OPEN):
            return None
        if not self._messages.take(now):
            self._refuse_flood(now)
            return None
        try:
            command = parse_command(text)
        except ParseError as error:
            self._refuse_malformed(text, error, now)
            return None
        if isinstance(command, Authenticate):
            if self._verifier.lacks_key(command.token):
                return command
            self.authenticate(command, now, wall)
            return None
        if isinstance(command, JoinCompanion):
            return self._joining(command)
        if self._state is State.STRANGER:
            self.refuse(command.id, UnauthorizedError("authenticate first"))
            self._unauthorized("authenticate first")
            return None
        if isinstance(command, Ping):
            self.reply(command.id, None)
            return None
        return command

    def receive_binary(self) -> None:
        self._count("malformed")
        self.shut(CloseCode.UNSUPPORTED, "text frames only")

    def receive_authorization(self, token: str, now: float, wall: float) -> None:
        """The bearer token of the handshake. A bad one closes the connection as a bad `authenticate` does."""
        try:
            identity = self._verifier.verify(token, wall)
        except UnauthorizedError as error:
            self._unauthorized(error.reason)
            return
        self._admit(identity, now, wall)
        self._put(serialize(AuthenticatedByHeader(identity=self._described(identity))))

    def disconnected(self) -> None:
        """The socket is gone; nothing can be sent any more. Twice is fine."""
        if self._state is not State.CLOSED:
            self._state = TRANSITIONS[self._state, Input.DISCONNECT]
        self._empty()

    def _joining(self, command: JoinCompanion) -> Command | None:
        """A guest's first command: it is the switchboard that knows the link."""
        if self._state is State.STRANGER:
            return command
        self.refuse(command.id, NotAllowedError("this connection has somebody's name already"))
        return None

    def admit_guest(self, ticket: Ticket, now: float, wall: float) -> Identity:
        """The link is this browser's. The connection lasts as long as a long call; then it may join again."""
        scopes = guest(ticket, self.connection_id).scopes
        identity = Identity(UserId(ticket.link_id), "", scopes, wall + GUEST_S)
        if self._state is State.STRANGER:
            self._admit(identity, now, wall)
        return identity

    # --- what the bridge says -----------------------------------------------------------------------------

    def reply(self, command_id: int, result: Result | None) -> None:
        """Tells a command's sender that it is done."""
        reply = Reply(id=command_id, ok=True, result=result) if result else Reply(id=command_id, ok=True)
        self._put(serialize(reply))

    def refuse(self, command_id: int | None, error: BridgeError, participant_id: str | None = None) -> None:
        """Tells a command's sender why nothing has changed."""
        if participant_id is None:
            trouble = Trouble(code=error.code, reason=error.reason)
        else:
            trouble = Trouble(code=error.code, reason=error.reason, participant_id=participant_id)
        self._put(serialize(Reply(id=command_id, ok=False, error=trouble)))

    def push(self, text: str) -> None:
        """Queues an event. A client that does not keep up is closed: a gap in its events would mislead it."""
        if self._state is State.OPEN:
            self._put(text)

    def judge(self) -> None:
        """An account has changed. If it is this one, less may be left of its rights, or nothing."""
        if self.identity is None or self._state is not State.OPEN:
            return
        try:
            self.identity = self._verifier.judged(self.identity)
        except UnauthorizedError as error:
            self._unauthorized(error.reason)

    def shut(self, code: int, reason: str) -> None:
        """Ends the conversation from our side after what is queued. The first reason stands."""
        if self._state in (State.CLOSING, State.CLOSED):
            return
        self._state = TRANSITIONS[self._state, Input.CLOSE]
        self.close_frame = Close(code, reason[:100])  # RFC 6455 section 5.5: at most 123 bytes

    def messages_to_send(self) -> list[str]:
        """Takes all that is queued."""
        messages = list(self._queue)
        self._empty()
        return messages

    # --- time ---------------------------------------------------------------------------------------------

    def timer(self) -> float | None:
        """When `handle_timer` is wanted next."""
        if self._state is State.STRANGER:
            return self._auth_deadline
        if self._state is State.OPEN:
            return self._warn_at if self._warn_at is not None else self._expires_at
        return None

    def handle_timer(self, now: float) -> None:
        if self._state is State.STRANGER and now >= self._auth_deadline:
            self._unauthorized("no authenticate command in time")
        elif self._state is State.OPEN:
            self._handle_expiry(now)

    def _handle_expiry(self, now: float) -> None:
        if self._expires_at is not None and now >= self._expires_at:
            self._count("expired")
            self.shut(CloseCode.UNAUTHORIZED, "the token has expired")
        elif self._warn_at is not None and now >= self._warn_at and self.identity is not None:
            self._warn_at = None
            self._put(serialize(TokenExpiring(expires_at=_date(self.identity.expires_at))))

    # --- inside -------------------------------------------------------------------------------------------

    def authenticate(self, command: Authenticate, now: float, wall: float) -> None:
        if self._state not in (State.STRANGER, State.OPEN):
            return
        try:
            identity = self._verifier.verify(command.token, wall)
        except UnauthorizedError as error:
            self.refuse(command.id, error)
            # A failed renewal leaves the old token in force: the client may try again until it ends.
            if self._state is State.STRANGER:
                self._unauthorized(error.reason)
            return
        if self.identity is not None and identity.user_id != self.identity.user_id:
            self.refuse(command.id, ForbiddenError(f"this connection belongs to {self.identity.user_id}"))
            return
        resume = command.resume if self._state is State.STRANGER else None
        missed = self._missed(resume, identity) if resume is not None else None
        self._admit(identity, now, wall)
        self.reply(command.id, self._described(identity, resumed=missed is not None))
        # From here on events come as they happen: nothing lies between the two.
        for text in missed or ():
            self._put(text)

    def _missed(self, resume: Resume, identity: Identity) -> tuple[str, ...] | None:
        """What happened between two connections; None when that cannot be told completely."""
        if resume.boot_id != self._history.boot_id:
            return None
        told = self._history.since(Place(resume.number, resume.part))
        if told is None:
            return None
        who = (identity.user_id, self.connection_id, identity.scopes)
        missed = [one for one in told if one.audience.includes(*who)]
        if len(missed) > RESUME_MAX_EVENTS:
            return None
        try:
            return tuple(one.text for one in missed)
        except ValueError:  # a mistake of ours in one event: the lists, read anew, tell the same
            self._count("unwritable")
            return None

    def _admit(self, identity: Identity, now: float, wall: float) -> None:
        self._state = TRANSITIONS[self._state, Input.AUTHENTICATE]
        self.identity = identity
        remaining_s = identity.expires_at - wall
        self._expires_at = now + remaining_s + LEEWAY_S  # as long as it would be accepted
        self._warn_at = max(now, now + remaining_s - EXPIRY_WARNING_S)

    def _described(self, identity: Identity, *, resumed: bool = False) -> Authenticated:
        newest = self._history.newest
        return Authenticated(
            user_id=identity.user_id,
            name=identity.name,
            scopes=tuple(sorted(identity.scopes)),
            roles=self._verifier.ready_roles(identity.user_id),
            connection_id=self.connection_id,
            expires_at=_date(identity.expires_at),
            boot_id=self._history.boot_id,
            number=newest.number,
            part=newest.part,
            resumed=resumed,
        )

    def _unauthorized(self, reason: str) -> None:
        self._count("unauthorized")
        self.shut(CloseCode.UNAUTHORIZED, reason)

    def _refuse_malformed(self, text: str, error: ParseError, now: float) -> None:
        self._count("malformed")
        self.refuse(parse_command_id(text), error)
        if not self._malformed.take(now):
            self.shut(CloseCode.MALFORMED, "too many malformed messages")

    def _refuse_flood(self, now: float) -> None:
        self._count("flood")
        if self._flood.take(now):
            # Not even the id was read: parsing is what the limit protects.
            self.refuse(None, TooManyMessagesError("too many messages a second; this one was not read"))
        else:
            self.shut(CloseCode.FLOOD, "too many messages")

    def _put(self, text: str) -> None:
        if self._state is State.CLOSED:
            return
        if len(self._queue) >= QUEUE_MAX_MESSAGES or self._characters + len(text) > QUEUE_MAX_CHARACTERS:
            self._count("slow_consumer")
            self._empty()
            self.shut(CloseCode.SLOW_CONSUMER, "events were not read in time")
            return
        self._queue.append(text)
        self._characters += len(text)

    def _empty(self) -> None:
        self._queue.clear()
        self._characters = 0


def _date(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
