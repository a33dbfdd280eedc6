"""Who asks: the subject of a token, what it may do, and over which connection it speaks."""

from dataclasses import dataclass

from bridge.errors import ForbiddenError
from bridge.ids import UserId

INTERACTION_READ = "interaction:read"
INTERACTION_WRITE = "interaction:write"
ROUTING_WRITE = "routing:write"  # presence, accepting and rejecting offers
QUEUE_WRITE = "queue:write"  # making, changing and removing queues
USER_WRITE = "user:write"  # skills, entitlements and capacity of others
VIDEO_USE = "telephony:video:use"  # starting a video escalation, joining with video
# Beyond one's own: an integration or a supervisor sees and acts on interactions it takes no part in.
INTERACTION_ALL = "interaction:all"
INTERACTION_SUPERVISE = "interaction:supervise"  # seeing all of them, listening in, whispering


@dataclass(frozen=True)
class Principal:
    """`connection_id` names one websocket; "" for a request that has none (REST)."""

    user_id: UserId
    name: str
    scopes: frozenset[str]
    connection_id: str = ""

    def require(self, scope: str) -> None:
        """Raises ForbiddenError naming the missing scope."""
        if scope not in self.scopes:
            raise ForbiddenError(f"the token of {self.user_id} lacks the scope {scope}")
