"""Who asks: the subject of a token, what it may do, and over which connection it speaks."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import ForbiddenError
from bridge.ids import UserId

INTERACTION_READ = "interaction:read"
INTERACTION_WRITE = "interaction:write"
ROUTING_WRITE = "routing:write"  # presence, accepting and rejecting offers
QUEUE_WRITE = "queue:write"  # making, changing and removing queues
USER_READ = "user:read"  # accounts of others
USER_WRITE = (
    "user:write"  # making, changing and disabling accounts; skills, entitlements and capacity of others
)
TRUNK_ADMIN = "trunk:admin"  # how the trunks are
METRICS_READ = "metrics:read"
WEBHOOK_READ = "webhook:read"
WEBHOOK_WRITE = "webhook:write"
VIDEO_USE = "telephony:video:use"  # starting a video escalation, joining with video
# Beyond one's own: an integration or a supervisor sees and acts on interactions it takes no part in.
INTERACTION_ALL = "interaction:all"
INTERACTION_SUPERVISE = "interaction:supervise"  # seeing all of them, listening in, whispering
# Whoever has the wider scope need not have the narrower one.
INCLUDED_IN = {INTERACTION_SUPERVISE: INTERACTION_ALL}

DESKTOP_SCOPES = (INTERACTION_READ, INTERACTION_WRITE, ROUTING_WRITE, VIDEO_USE)
EVERY_SCOPE = frozenset(
    {
        *DESKTOP_SCOPES,
        QUEUE_WRITE,
        USER_READ,
        USER_WRITE,
        TRUNK_ADMIN,
        METRICS_READ,
        WEBHOOK_READ,
        WEBHOOK_WRITE,
        INTERACTION_ALL,
        INTERACTION_SUPERVISE,
    }
)


def allows(scopes: frozenset[str], scope: str) -> bool:
    """Whether a token with `scopes` may do what `scope` is for. The one place where that is decided."""
    return scope in scopes or INCLUDED_IN.get(scope) in scopes


class TokenKind(StrEnum):
    """Who gave a token, and with it what it must not outlive."""

    OURS = "ours"  # by the command line
    MACHINE = "machine"  # to a client of the configuration
    PERSONAL = "personal"  # for an account
    FOREIGN = "foreign"  # another issuer


@dataclass(frozen=True)
class Principal:
    """`connection_id` names one websocket; "" for a request that has none (REST)."""

    user_id: UserId
    name: str
    scopes: frozenset[str]
    connection_id: str = ""
    kind: TokenKind = TokenKind.OURS

    def may(self, scope: str) -> bool:
        return allows(self.scopes, scope)

    def require(self, scope: str) -> None:
        """Raises ForbiddenError naming the missing scope."""
        if not self.may(scope):
            raise ForbiddenError(f"the token of {self.user_id} lacks the scope {scope}")
