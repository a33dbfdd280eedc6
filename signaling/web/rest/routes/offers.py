"""Offers over REST: accept and reject those made to oneself. Media then comes over the websocket."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from bridge.ids import OfferId
from signaling.web.protocol import wire_view
from signaling.web.rest import body
from signaling.web.rest.rest import WRITE_PROBLEMS, api_router, problems
from signaling.web.rest.routes.interactions import interaction_response
from signaling.web.rest.routes.parameter import Router

ROUTER = api_router("offers", "/offers")

OfferInPath = Annotated[
    str, Path(alias="offerId", min_length=1, max_length=128, examples=["off_5f0c9a1e2b3d4c5f"])
]


@ROUTER.post(
    "/{offerId}/accept",
    operation_id="acceptOffer",
    summary="Join; the user's desktop brings the media",
    response_model=wire_view.Interaction,
    responses=problems(WRITE_PROBLEMS),
)
async def accept_offer(call: Router, offer_id: OfferInPath) -> Response:
    interaction_id = call.board.offers.interaction_of(OfferId(offer_id))
    work = call.board.offers.accept(call.principal, OfferId(offer_id))
    return await call.answer(
        work, lambda _changed: interaction_response(call.board.interactions.snapshot(interaction_id))
    )


@ROUTER.post(
    "/{offerId}/reject",
    operation_id="rejectOffer",
    summary="Let somebody else take it",
    status_code=204,
    responses=problems(WRITE_PROBLEMS),
)
async def reject_offer(call: Router, offer_id: OfferInPath, wish: body.OfferRefusal) -> Response:
    work = call.board.offers.reject(call.principal, OfferId(offer_id), wish.reason)
    return await call.carry_out(work)
