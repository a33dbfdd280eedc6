"""Turns away at the door what is not to be heard, before anything is kept of it."""

from bridge.errors import ParseError
from signaling.sip.agent.inspection.screen import Screen
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.registry import CallRegistry
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.admission import Admission
from signaling.sip.trunk.gate import Gate, Verdict
from signaling.sip.wire.flow import UDP, Flow
from signaling.sip.wire.message import (
    Essentials,
    Headers,
    Request,
    SipParseError,
    salvage_request,
    with_top_via,
)
from signaling.sip.wire.response import make_response, warning
from signaling.sip.wire.via import annotate_via, parse_via, response_flow

GUESSES = 10  # wrong passwords one source may try before it hears nothing more
GUESSES_PER_S = 0.1


class Porter:
    """Malformed messages, strangers, scanners, and whoever must prove first who they are."""

    __slots__ = (
        "_answers_unwanted",
        "_gate",
        "_guesses",
        "_layer",
        "_registry",
        "_screen",
        "_trunks",
        "malformed",
        "strangers",
        "unanswered",
    )

    def __init__(
        self, settings: AgentSettings, gate: Gate, layer: TransactionLayer, registry: CallRegistry
    ) -> None:
        self._answers_unwanted = settings.answers_unwanted
        self._gate = gate
        self._guesses = Admission(GUESSES_PER_S, GUESSES)
        self._layer = layer
        self._registry = registry
        self._screen = Screen(settings.scanners, settings.destinations)
        self._trunks = settings.trunks
        self.malformed = 0
        self.strangers = 0
        self.unanswered = 0

    def turns_away(
        self, request: Request, essentials: Essentials, received: bytes, flow: Flow, now: float
    ) -> bool:
        """Whether nobody is to hear of this request; its sender may have been told why."""
        return self._is_unwanted(request, essentials, received, flow) or self._is_challenged(
            request, essentials, received, flow, now
        )

    def refuse_malformed(self, data: bytes, flow: Flow, error: ParseError) -> None:
        """What the shell could not even cut out of a stream: counted, and refused if it can be."""
        self.malformed += 1
        status = error.status if isinstance(error, SipParseError) else 400
        self._refuse_statelessly(data, flow, status, warning(error.reason))

    def refuse_stranger(self, data: bytes, flow: Flow) -> None:
        """403 to a request from where none may come from, if it is not longer; nothing to anything else."""
        self.strangers += 1
        refusal = self._make_refusal(data, flow, 403, ())
        if refusal is not None:
            self._answer_stranger(*refusal, data)

    def counters(self) -> dict[str, int]:
        return {
            "sip_malformed": self.malformed,
            "sip_strangers": self.strangers,
            "sip_screened": self._screen.screened,
            "sip_unanswered_strangers": self.unanswered,
            "sip_wrong_credentials": self._gate.wrong,
            "sip_replayed_credentials": self._gate.replayed,
        }

    # --- inside -------------------------------------------------------------------------------------------

    def _is_unwanted(self, request: Request, essentials: Essentials, received: bytes, flow: Flow) -> bool:
        if not self._screen.objects_to(request, essentials):
            return False
        if self._answers_unwanted:
            self._refuse_statelessly(received, flow, 403, ())
        return True

    def _is_challenged(
        self, request: Request, essentials: Essentials, received: bytes, flow: Flow, now: float
    ) -> bool:
        """Whether the sender must prove first who it is, which it is told; nothing is kept of the request."""
        trunk = self._trunks.of(flow.host)
        asking = trunk or self._trunks.roaming
        if asking is None or not asking.authenticate:
            return False
        if self._layer.knows(request, essentials) or self._registry.by_dialog(essentials) is not None:
            return False
        if request.method in ("ACK", "CANCEL"):
            self.strangers += trunk is None
            return True  # neither can be challenged (RFC 3261 section 22.1), and both are of no use alone
        verdict, proved = self._gate.check(request, now)
        if proved is not None and (proved is trunk if trunk is not None else proved.roams):
            return False
        if verdict is Verdict.WRONG and not self._guesses.takes(flow.host, now):
            return True  # whoever guesses on hears nothing
        asked = with_top_via(request, annotate_via(essentials.via, flow))
        data = make_response(asked, 401, headers=self._gate.challenges(verdict, asking, now))
        back = response_flow(essentials.via, flow)
        if trunk is None:
            self._answer_stranger(data, back, received)
        else:
            self._layer.send(data, back)
        return True

    def _answer_stranger(self, data: bytes, flow: Flow, received: bytes) -> None:
        """Over UDP the sender may be another one than it says: it gets no more than was sent in its name."""
        if flow.transport == UDP and len(data) > len(received):
            self.unanswered += 1
        else:
            self._layer.send(data, flow)

    def _refuse_statelessly(self, data: bytes, flow: Flow, status: int, headers: Headers) -> None:
        refusal = self._make_refusal(data, flow, status, headers)
        if refusal is None:
            return
        if self._trunks.welcome_strangers and self._trunks.of(flow.host) is None:
            self._answer_stranger(*refusal, data)
        else:
            self._layer.send(*refusal)

    def _make_refusal(
        self, data: bytes, flow: Flow, status: int, headers: Headers
    ) -> tuple[bytes, Flow] | None:
        """Of what may not even be a request; None if it is none, or there is no telling whom to."""
        request = salvage_request(data)
        if request is None or request.method == "ACK":
            return None
        try:
            via = parse_via(request.every("Via")[0])
            answer = make_response(with_top_via(request, annotate_via(via, flow)), status, headers=headers)
        except (ParseError, ValueError):
            return None  # not even that much can be written back
        return answer, response_flow(via, flow)
