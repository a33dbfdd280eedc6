"""Alice and Bob on a wire that does something to one of its messages, in virtual time."""

from collections.abc import Callable

from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallKey,
    CallReoffered,
    ReofferAnswered,
    ReofferRefused,
    TrunkMoved,
)
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.sim.sip.troubled_wire import Treatment, TroubledWire, WireParty, untouched
from tests.unit.sip.line import ALICE, BOB, make_agent

TRUNK = TrunkId("t")


class Party(WireParty):
    """One side: what it does by itself."""

    on_event: Callable[[AgentEvent], None] = staticmethod(lambda _: None)

    def take(self, event: AgentEvent) -> None:
        super().take(event)
        self.on_event(event)

    def call(self) -> CallKey:
        """Its only call."""
        (call,) = {event.call for event in self.events if not isinstance(event, TrunkMoved)}
        return call


def _settings(trunk: Trunk | None) -> AgentSettings:
    return AgentSettings(trunks=Trunks((trunk,))) if trunk is not None else AgentSettings()


class FlowWire(TroubledWire):
    """Alice calls, Bob is called."""

    def __init__(
        self,
        treatment: Treatment = untouched,
        trunk: Trunk | None = None,
        bobs_trunk: Trunk | None = None,
    ) -> None:
        """They know each other as the same trunk, if they know any, or Bob knows Alice as one of his own."""
        self.alice = Party("alice", ALICE, make_agent(ALICE, _settings(trunk)))
        self.bob = Party("bob", BOB, make_agent(BOB, _settings(bobs_trunk or trunk)))
        super().__init__((self.alice, self.bob), treatment)

    def invite(self, offer: str = "offer") -> None:
        self.act(lambda: self.alice.agent.invite("sip:bob@192.0.2.2", offer, self.now, trunk_id=TRUNK))

    def do(self, act: Callable[[], None], after_s: float) -> None:
        """Lets time pass, then somebody does something."""
        self.run(after_s)
        self.act(act)

    # --- what Bob does ------------------------------------------------------------------------------------

    def bob_rings(self) -> CallKey:
        """Once the INVITE is sure to be there, though it was lost once."""
        self.run(0.7)
        (arrived,) = self.bob.told(CallArrived)
        self.act(lambda: self.bob.agent.ring(arrived.call, self.now))
        return arrived.call

    def bob_answers(self, after_s: float = 1.0) -> None:
        """Rings, and answers later."""
        call = self.bob_rings()
        self.do(lambda: self.bob.agent.accept(call, "answer", self.now), after_s)

    def agree_to_offers(self) -> None:
        """Both sides answer whatever is offered in the call."""
        for party in (self.alice, self.bob):
            party.on_event = self._agreeing(party)

    def _agreeing(self, party: Party) -> Callable[[AgentEvent], None]:
        def agree(event: AgentEvent) -> None:
            if isinstance(event, CallReoffered):
                party.agent.answer_reinvite(event.call, f"answer to {event.offer}", self.now)

        return agree

    def both_are_up(self) -> bool:
        return bool(self.alice.told(CallAnswered)) and all(
            party.agent.is_confirmed(party.call()) for party in (self.alice, self.bob)
        )

    def agreed(self, party: Party) -> list[str]:
        """The answers to its offers within the call."""
        assert not party.told(ReofferRefused)
        return [event.answer for event in party.events if isinstance(event, ReofferAnswered)]
