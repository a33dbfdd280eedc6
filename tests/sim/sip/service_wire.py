"""The bridge and three phones on a troubled wire.

What the phones of RFC 5359 do and the bridge never does, REFER and 3xx, is written here by its own transactions.
"""

from collections.abc import Callable
from urllib.parse import quote

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.request.requester import Requester, ignore
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.dialog import Dialog
from signaling.sip.session.event import (
    AgentEvent,
    CallAnswered,
    CallArrived,
    CallKey,
    CallRefused,
    CallReoffered,
    ReferralArrived,
)
from signaling.sip.session.memory import parse_memory
from signaling.sip.transaction.outcome import RequestArrived, ResponseArrived
from signaling.sip.transaction.transaction import Timing
from signaling.sip.transaction.transaction_layer import TransactionLayer
from signaling.sip.trunk.authorizer import Authorizer
from signaling.sip.trunk.trunk import Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Headers, Request, Response, parse_essentials, parse_message
from signaling.sip.wire.response import make_response
from tests.sim.sip.troubled_wire import Treatment, TroubledWire, WireParty, untouched
from tests.unit.sip.line import counting_hex

HOSTS = {"bridge": "192.0.2.1", "alice": "192.0.2.2", "carol": "192.0.2.3", "dave": "192.0.2.4"}
TEAM = "192.0.2.9"  # a proxy that forks: whoever calls it calls carol and dave
_MANY = 1000  # the CSeq of a REFER, above every number that the phone's own agent uses


def uri_of(name: str) -> str:
    return f"sip:{name}@{HOSTS.get(name, TEAM)}"


class Party(WireParty):
    """One user agent, and who is in a call with it: by name, as the other side calls itself or was called."""

    def __init__(self, name: str, wire: "ServiceWire", settings: AgentSettings | None = None) -> None:
        identity = LocalIdentity(HOSTS[name], 5060, counting_hex(name[0]), name)
        super().__init__(name, HOSTS[name], UserAgent(settings or AgentSettings(), identity))
        self.wire = wire
        self.status = 200  # how it answers calls
        self.calls: dict[str, CallKey] = {}
        self.layer = TransactionLayer(Timing())
        self._identity = identity
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

    def take(self, event: AgentEvent) -> None:
        super().take(event)
        if isinstance(event, CallReoffered):
            self.agent.answer_reinvite(event.call, f"answer to {event.offer}", self.wire.now)
        elif isinstance(event, CallArrived):
            self._arrived(event)

    def _arrived(self, event: CallArrived) -> None:
        """Whoever asks for the place of another gets it, and the other one goes (RFC 3891 section 3)."""
        if self.status != 200:
            self.agent.reject(event.call, self.status, self.wire.now)
            return
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

    def left(self) -> tuple[int, int, float | None]:
        calls, transactions, timer = super().left()
        return calls, transactions + len(self.layer), timer


class Bridge(Party):
    """Does with a REFER what the SIP door and the switchboard do with it."""

    def __init__(self, wire: "ServiceWire") -> None:
        super().__init__("bridge", wire, AgentSettings(destinations=("bridge",)))
        self._referrers: dict[CallKey, tuple[CallKey, int]] = {}  # by the call that is made

    def take(self, event: AgentEvent) -> None:
        super().take(event)
        if isinstance(event, ReferralArrived):
            number = self.agent.accept_referral(event.call, self.wire.now)
            name = event.target.removeprefix("sip:").partition("@")[0]
            self._referrers[self.dial(name, event.target)] = (event.call, number)
        elif isinstance(event, CallAnswered | CallRefused) and event.call in self._referrers:
            asking, number = self._referrers[event.call]
            if asking not in self.agent.calls():
                return
            answered = isinstance(event, CallAnswered)
            self.agent.finish_referral(
                asking, number, 200 if isinstance(event, CallAnswered) else event.status, self.wire.now
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
        self.answers = True  # or rings only
        self.moved_to = ""  # whom a 302 names
        self.notified: list[str] = []
        self.heard: list[int] = []  # what became of its requests outside of calls
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

    def ask(self, method: str, name: str, headers: Headers) -> None:
        """A request that belongs to no call."""
        identity, branch = self._identity, self._identity.new_branch()
        general: Headers = (
            ("Via", identity.via("udp", branch)),
            ("Max-Forwards", "70"),
            ("From", f"<{uri_of(self.name)}>;tag={identity.new_tag()}"),
            ("To", f"<{uri_of(name)}>"),
            ("Call-ID", identity.new_call_id()),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<{uri_of(self.name)}>"),
        )
        request = Request(method=method, uri=uri_of(name), headers=(*general, *headers))
        flow = Flow("udp", HOSTS[name], 5060)
        self._requester.send(
            request, branch, flow, self.wire.now, lambda reply, _: self.heard.append(reply.status)
        )

    def ring(self, name: str) -> None:
        """Once more: what may be lost is said again (RFC 3261 section 13.3.1.1)."""
        self.agent.ring(self.calls[name], self.wire.now)

    def pick_up(self, name: str, dialog: Dialog, more: str = "") -> None:
        """Calls whoever has `dialog`, to take its place."""
        what = f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}{more}"
        self.dial(name, f"{uri_of(name)}?Replaces={quote(what, safe='')}")

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        message = parse_message(data)
        essentials = parse_essentials(message)
        if isinstance(message, Response):
            if essentials.cseq_method in ("REFER", "SUBSCRIBE"):
                for outcome in self.layer.receive_response(message, essentials, flow, now):
                    if isinstance(outcome, ResponseArrived):
                        self._requester.receive_response(outcome, now)
            else:
                super().receive(data, flow, now)
        elif (
            message.method == "NOTIFY"
            or (self.moved_to and not essentials.to_tag)
            or self.layer.knows(message, essentials)
        ):
            for arrived in self.layer.receive_request(message, essentials, flow, now):
                if isinstance(arrived, RequestArrived):
                    self._respond(arrived)
        else:
            super().receive(data, flow, now)

    def _respond(self, arrived: RequestArrived) -> None:
        """200 to a NOTIFY, 500 to one that comes behind a newer one, 302 to an INVITE."""
        if arrived.request.method == "NOTIFY":
            status = 200 if arrived.essentials.cseq_number > self._newest else 500  # RFC 3261 section 12.2.2
            if status == 200:
                self._newest = arrived.essentials.cseq_number
                self.notified.append(arrived.request.body.decode().split()[1])
            self.layer.respond(arrived.key, status, make_response(arrived.request, status), self.wire.now)
            return
        headers = (("Contact", f"<{uri_of(self.moved_to)}>"),)
        data = make_response(arrived.request, 302, to_tag=f"{self.name}-moved", headers=headers)
        self.layer.respond(arrived.key, 302, data, self.wire.now)

    def _arrived(self, event: CallArrived) -> None:
        self.told_by += [value for name, value in event.ways if name == "sip_referred_by"]
        if self.status == 200:
            self.agent.ring(event.call, self.wire.now)
        if self.answers:
            super()._arrived(event)
        else:
            self.calls[event.caller] = event.call


class ServiceWire(TroubledWire):
    def __init__(self, treatment: Treatment = untouched) -> None:
        self.bridge = Bridge(self)
        self.alice, self.carol, self.dave = (Phone(name, self) for name in ("alice", "carol", "dave"))
        super().__init__(
            (self.bridge, self.alice, self.carol, self.dave), treatment, {TEAM: (self.carol, self.dave)}
        )

    def do(self, act: Callable[[], object], then_s: float = 4.0) -> None:
        """Somebody does something, and time passes: enough for what is lost to be said again."""
        self.act(act)
        self.run(then_s)
