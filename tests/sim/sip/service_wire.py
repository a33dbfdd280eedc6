"""The bridge and three phones on a wire that does something to one of its messages, in virtual time.

What the phones of RFC 5359 do and the bridge never does, REFER and 3xx, is written here by its own transactions.
"""

import heapq
from collections.abc import Callable
from urllib.parse import quote

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.requester import Requester, ignore
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallKey,
    CallRefused,
    CallReoffered,
    ReferralArrived,
)
from signaling.sip.session.memory import parse_memory
from signaling.sip.transaction.outcome import RequestArrived
from signaling.sip.transaction.transaction import Timing
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.authorizer import Authorizer
from signaling.sip.trunk.trunk import Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Response, parse_essentials, parse_message
from signaling.sip.wire.response import make_response
from tests.sim.sip.flow_wire import Treatment, untouched
from tests.unit.sip.line import counting_hex, name_of

HOSTS = {"bridge": "192.0.2.1", "alice": "192.0.2.2", "carol": "192.0.2.3", "dave": "192.0.2.4"}
TEAM = "192.0.2.9"  # a proxy that forks: whoever calls it calls carol and dave
MEMBERS = ("carol", "dave")
_MANY = 1000  # the CSeq of a REFER, above every number that the phone's own agent uses


def uri_of(name: str) -> str:
    return f"sip:{name}@{HOSTS.get(name, TEAM)}"


class Party:
    """One user agent, and who is in a call with it: by name, as the other side calls itself or was called."""

    def __init__(self, name: str, wire: "ServiceWire") -> None:
        self.name = name
        self.wire = wire
        identity = LocalIdentity(HOSTS[name], 5060, counting_hex(name[0]), name)
        self.agent = UserAgent(AgentSettings(), identity)
        self.calls: dict[str, CallKey] = {}
        self.events: list[AgentEvent] = []
        self.layer = TransactionLayer(Timing())
        self._requester = Requester(identity, self.layer, Authorizer(identity, Trunks()), ("udp",))

    def dial(self, name: str, target: str = "") -> CallKey:
        self.calls[name] = self.agent.invite(target or uri_of(name), "offer", self.wire.now)
        return self.calls[name]

    def hang_up(self, name: str) -> None:
        if self.calls[name] in self.agent.calls():
            self.agent.hang_up(self.calls[name], "", self.wire.now)

    def talks_with(self, name: str) -> bool:
        call = self.calls.get(name)
        return call is not None and call in self.agent.calls() and self.agent.is_confirmed(call)

    def dialog_with(self, name: str) -> Dialog:
        dialog = parse_memory(self.agent.remember(self.calls[name])).dialog
        assert dialog is not None
        return dialog

    # --- what comes ---------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        self.agent.receive_message(data, flow, self.wire.now)

    def take(self, event: AgentEvent) -> None:
        self.events.append(event)
        if isinstance(event, CallReoffered):
            self.agent.answer_reinvite(event.call, f"answer to {event.offer}", self.wire.now)
        elif isinstance(event, CallArrived):
            self._arrived(event)

    def _arrived(self, event: CallArrived) -> None:
        """Whoever asks for the place of another gets it, and the other one goes (RFC 3891 section 3)."""
        self.calls[event.caller] = event.call
        self.agent.accept(event.call, "answer", self.wire.now)
        if event.replaces is not None:
            self.agent.hang_up(event.replaces, "replaced", self.wire.now)

    # --- time ---------------------------------------------------------------------------------------------

    def timer(self) -> float | None:
        times = (self.agent.timer(), self.layer.timer())
        return min((at for at in times if at is not None), default=None)

    def handle_timer(self, now: float) -> None:
        self.agent.handle_timer(now)
        self.layer.handle_timer(now)

    def messages(self) -> list[tuple[bytes, Flow]]:
        return self.agent.messages_to_send() + self.layer.take_messages()

    def left(self) -> tuple[int, int, int, float | None]:
        transactions = self.agent.counters()["sip_transactions"]
        return len(self.agent.calls()), transactions, len(self.layer), self.timer()


class Bridge(Party):
    """Does with a REFER what the SIP door and the switchboard do with it."""

    def __init__(self, wire: "ServiceWire") -> None:
        super().__init__("bridge", wire)
        self._referrers: dict[CallKey, CallKey] = {}

    def take(self, event: AgentEvent) -> None:
        super().take(event)
        if isinstance(event, ReferralArrived):
            self.agent.accept_referral(event.call, self.wire.now)
            name = event.target.removeprefix("sip:").partition("@")[0]
            self._referrers[self.dial(name, event.target)] = event.call
        elif isinstance(event, CallAnswered | CallRefused) and event.call in self._referrers:
            asking = self._referrers[event.call]
            if asking not in self.agent.calls():
                return
            answered = isinstance(event, CallAnswered)
            self.agent.finish_referral(
                asking, 200 if isinstance(event, CallAnswered) else event.status, self.wire.now
            )
            if answered:
                self.agent.hang_up(asking, "transferred", self.wire.now)

    def hold(self, name: str) -> None:
        self.agent.reinvite(self.calls[name], "hold", self.wire.now)

    def resume(self, name: str) -> None:
        self.agent.reinvite(self.calls[name], "resume", self.wire.now)


class Phone(Party):
    """Rings and answers, is busy, or has moved; hears by NOTIFY what became of its REFERs."""

    def __init__(self, name: str, wire: "ServiceWire") -> None:
        super().__init__(name, wire)
        self.status = 200  # how it answers calls
        self.moved_to = ""  # whom a 302 names
        self.told: list[str] = []
        self._newest = 0  # NOTIFY
        self.told_by: list[str] = []

    def refer(self, name: str, target: str, replaced: Dialog | None = None) -> None:
        """Sends whom it talks with elsewhere; `replaced` is its own dialog with the target."""
        if replaced is not None:
            dialog = f"{replaced.call_id};to-tag={replaced.remote_tag};from-tag={replaced.local_tag}"
            target = f"{target}?Replaces={quote(dialog, safe='')}"
        within = self.dialog_with(name)
        within.local_cseq = _MANY
        headers = (
            ("Refer-To", f"<{target}>"),
            ("Referred-By", f"<{uri_of(self.name)}>"),
            ("Contact", f"<{uri_of(self.name)}>"),
        )
        self._requester.send_within(within, "REFER", self.wire.now, ignore, headers)

    def pick_up(self, name: str, dialog: Dialog) -> None:
        """Calls whoever has `dialog`, to take its place."""
        what = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"
        self.dial(name, f"{uri_of(name)}?Replaces={quote(what, safe='')}")

    def receive(self, data: bytes, flow: Flow) -> None:
        message = parse_message(data)
        essentials = parse_essentials(message)
        if isinstance(message, Response):
            if essentials.cseq_method == "REFER":
                self.layer.receive_response(message, essentials, flow, self.wire.now)
            else:
                super().receive(data, flow)
        elif (
            message.method == "NOTIFY"
            or (self.moved_to and not essentials.to_tag)
            or self.layer.knows(message, essentials)
        ):
            for arrived in self.layer.receive_request(message, essentials, flow, self.wire.now):
                if isinstance(arrived, RequestArrived):
                    self._respond(arrived)
        else:
            super().receive(data, flow)

    def _respond(self, arrived: RequestArrived) -> None:
        """200 to a NOTIFY, 500 to one that comes behind a newer one, 302 to an INVITE."""
        if arrived.request.method == "NOTIFY":
            status = 200 if arrived.essentials.cseq_number > self._newest else 500  # RFC 3261 section 12.2.2
            if status == 200:
                self._newest = arrived.essentials.cseq_number
                self.told.append(arrived.request.body.decode().split()[1])
            self.layer.respond(arrived.key, status, make_response(arrived.request, status), self.wire.now)
            return
        headers = (("Contact", f"<{uri_of(self.moved_to)}>"),)
        data = make_response(arrived.request, 302, to_tag=f"{self.name}-moved", headers=headers)
        self.layer.respond(arrived.key, 302, data, self.wire.now)

    def _arrived(self, event: CallArrived) -> None:
        self.told_by += [value for name, value in event.ways if name == "sip_referred_by"]
        if self.status != 200:
            self.agent.reject(event.call, self.status, self.wire.now)
        else:
            self.agent.ring(event.call, self.wire.now)
            super()._arrived(event)


class ServiceWire:
    """`sent` is what went over the wire, by whom, copies not counted."""

    def __init__(self, treatment: Treatment = untouched) -> None:
        self.now = 0.0
        self.sent: list[str] = []
        self.bridge = Bridge(self)
        self.alice, self.carol, self.dave = (Phone(name, self) for name in ("alice", "carol", "dave"))
        self._parties: tuple[Party, ...] = (self.bridge, self.alice, self.carol, self.dave)
        self._by_host: dict[str, tuple[Party, ...]] = {HOSTS[party.name]: (party,) for party in self._parties}
        self._by_host[TEAM] = tuple(party for party in self._parties if party.name in MEMBERS)
        self._treatment = treatment
        self._wire: list[tuple[float, int, str, str, bytes]] = []
        self._serial = 0

    def do(self, act: Callable[[], object], then_s: float = 4.0) -> None:
        """Somebody does something, and time passes: enough for what is lost to be said again."""
        act()
        self._flush()
        self.run(then_s)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            times = [party.timer() for party in self._parties]
            times.append(self._wire[0][0] if self._wire else None)
            at = min((at for at in times if at is not None), default=until)
            if at >= until:
                break
            self.now = max(self.now, at)
            self._deliver()
            for party in self._parties:
                party.handle_timer(self.now)
            self._flush()
        self.now = until

    def _deliver(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            _, _, source, target, data = heapq.heappop(self._wire)
            for party in self._by_host[target]:
                party.receive(data, Flow("udp", source, 5060))

    def _flush(self) -> None:
        while any([self._flush_one(party) for party in self._parties]):
            pass

    def _flush_one(self, party: Party) -> bool:
        events, messages = party.agent.events(), party.messages()
        for event in events:
            party.take(event)
        for data, flow in messages:
            for delay_s in self._treatment(len(self.sent)):
                self._serial += 1
                entry = (self.now + delay_s, self._serial, HOSTS[party.name], flow.host, data)
                heapq.heappush(self._wire, entry)
            self.sent.append(f"{party.name} {name_of(parse_message(data))}")
        return bool(events or messages)

    def ended(self, party: Party) -> list[str]:
        return [event.by for event in party.events if isinstance(event, CallEnded)]

    def leftovers(self) -> dict[str, tuple[int, int, int, float | None]]:
        """Calls, transactions and timers of each, once everything is over."""
        self.run(300)
        return {party.name: party.left() for party in self._parties}
