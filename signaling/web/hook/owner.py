"""What the owner of a webhook may be told at this moment: rights that were lost are lost for what is sent, too."""

import math
from collections.abc import Mapping
from typing import Protocol

from bridge.ids import UserId
from bridge.switchboard.door.principal import WEBHOOK_WRITE, TokenKind, allows
from signaling.web.hook.webhook import Subscription


class Register(Protocol):
    """Knows what has become of an owner."""

    def why_void(self, user_id: UserId, issued_at: float, kind: TokenKind) -> str:
        """ "" while there is such an account and it is not disabled."""
        ...

    def entitlement(self, user_id: UserId) -> frozenset[str]:
        """What the account gives a right to now."""
        ...


class Owners:
    """`clients` are the machines of the configuration with all they may have."""

    __slots__ = ("_clients", "_register")

    def __init__(self, register: Register, clients: Mapping[str, frozenset[str]]) -> None:
        self._register = register
        self._clients = clients

    def why_resting(self, subscription: Subscription) -> str:
        """Why nothing is told in its owner's name; "" if it is."""
        owner, kind = subscription.owner, subscription.kind
        # A new password voids tokens, and not what was subscribed with them.
        if reason := self._register.why_void(UserId(owner), math.inf, kind):
            return f"{owner}, whose webhook it is: {reason}"
        if kind is TokenKind.MACHINE and owner not in self._clients:
            return f"{owner}, whose webhook it is: there is no such client any more"
        if not allows(self.rights(subscription), WEBHOOK_WRITE):
            return f"{owner}, whose webhook it is, lacks the scope {WEBHOOK_WRITE}"
        return ""

    def rights(self, subscription: Subscription) -> frozenset[str]:
        """The scopes of then that are left."""
        then = frozenset(subscription.scopes)
        match subscription.kind:
            case TokenKind.PERSONAL:
                return then & self._register.entitlement(UserId(subscription.owner))
            case TokenKind.MACHINE:
                return then & self._clients.get(subscription.owner, frozenset())
            case _:
                return then  # of who has them from elsewhere nothing more is known
