"""What routes share of their parameters: who may, which object, which page."""

from typing import Annotated

from fastapi import Path, Query

from bridge.switchboard.door.principal import (
    INTERACTION_READ,
    INTERACTION_WRITE,
    ROUTING_WRITE,
    WEBHOOK_READ,
    WEBHOOK_WRITE,
)
from signaling.web.rest.rest import Call, needs

Reader = Annotated[Call, needs(INTERACTION_READ)]
Writer = Annotated[Call, needs(INTERACTION_WRITE)]
Router = Annotated[Call, needs(ROUTING_WRITE)]
HookReader = Annotated[Call, needs(WEBHOOK_READ)]
HookWriter = Annotated[Call, needs(WEBHOOK_WRITE)]

InteractionInPath = Annotated[
    str, Path(alias="interactionId", min_length=1, max_length=128, examples=["int_5f0c9a1e2b3d4c5f"])
]
UserInPath = Annotated[str, Path(alias="userId", min_length=1, max_length=128, examples=["eve"])]

Cursor = Annotated[str, Query(max_length=512, description="`nextCursor` of the page before")]
PageLimit = Annotated[int, Query(ge=1, le=200)]
