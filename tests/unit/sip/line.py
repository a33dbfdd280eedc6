"""Two user agents with a wire between them, in virtual time; and a phone that speaks raw text."""

import itertools
from collections.abc import Callable

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import AgentEvent
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Request, Response, parse_message

ALICE, BOB = "192.0.2.1", "192.0.2.2"
OFFER, ANSWER = "v=0\r\no=offer\r\n", "v=0\r\no=answer\r\n"
Message = Request | Response


def counting_hex(prefix: str) -> Callable[[int], str]:
    """Chance that can be read: every draw is another number."""
    serial = itertools.count(1)
    return lambda count: f"{prefix}{next(serial):x}".rjust(2 * count, "0")


def make_agent(host: str, settings: AgentSettings | None = None) -> UserAgent:
    prefix = "a" if host == ALICE else "b"
    return UserAgent(settings or AgentSettings(), LocalIdentity(host, 5060, counting_hex(prefix), prefix))


def name_of(message: Message) -> str:
    """`INVITE`, or `200 INVITE` for the response to one."""
    if isinstance(message, Request):
        return message.method
    return f"{message.status} {message.first('CSeq').split()[1]}"


class Line:
    """Alice and Bob. `lost` says which messages the wire loses; `log` is what was sent, by whom."""

    def __init__(self, transport: str = "udp") -> None:
        self.transport = transport
        self.agents = {ALICE: make_agent(ALICE), BOB: make_agent(BOB)}
        self.events: dict[str, list[AgentEvent]] = {ALICE: [], BOB: []}
        self.log: list[str] = []
        self.now = 0.0
        self.lost: Callable[[str], bool] = lambda _: False

    @property
    def alice(self) -> UserAgent:
        return self.agents[ALICE]

    @property
    def bob(self) -> UserAgent:
        return self.agents[BOB]

    def settle(self) -> None:
        """Delivers until nobody has anything to say."""
        while any([self._deliver(host) for host in (ALICE, BOB)]):
            pass

    def _deliver(self, host: str) -> bool:
        agent = self.agents[host]
        messages = agent.messages_to_send()
        for data, flow in messages:
            entry = f"{'alice' if host == ALICE else 'bob'} {name_of(parse_message(data))}"
            self.log.append(entry)
            if not self.lost(entry) and flow.host in self.agents:
                back = Flow(self.transport, host, 5060, 1 if self.transport == "tcp" else 0)
                self.agents[flow.host].receive_message(data, back, self.now)
        self.events[host].extend(agent.events())
        return bool(messages)

    def run(self, seconds: float) -> None:
        """Lets time pass, timer by timer."""
        self.settle()
        until = self.now + seconds
        while True:
            times = [at for agent in self.agents.values() if (at := agent.timer()) is not None]
            at = min(times, default=until)
            if at > until:
                break
            self.now = max(self.now, at)
            for agent in self.agents.values():
                agent.handle_timer(self.now)
            self.settle()
            if not times:
                break
        self.now = until

    def take(self, host: str) -> list[AgentEvent]:
        """The events since the last time."""
        events, self.events[host] = self.events[host], []
        return events

    def take_log(self) -> list[str]:
        log, self.log = self.log, []
        return log


class RawPhone:
    """Writes requests by hand and hears what one agent answers."""

    def __init__(self, agent: UserAgent, transport: str = "udp") -> None:
        self.agent = agent
        self.flow = Flow(transport, ALICE, 5060, 1 if transport == "tcp" else 0)
        self.now = 0.0
        self._branches = itertools.count(1)

    def new_branch(self) -> str:
        return f"z9hG4bK{next(self._branches)}"

    def send(
        self,
        method: str,
        number: int,
        *,
        to_tag: str = "",
        branch: str = "",
        extra: str = "",
        body: str = "",
        uri: str = "sip:bridge@192.0.2.2",
        call_id: str = "call-1",
        cseq: str = "",
        contact: str = "<sip:alice@192.0.2.1:5060>",
        kind: str = "application/sdp",
    ) -> list[Message]:
        """Sends a request and returns what came back at once."""
        contact = f"Contact: {contact}\r\n" if method == "INVITE" and contact else ""
        kind = f"Content-Type: {kind}\r\n" if body else ""
        tag = f";tag={to_tag}" if to_tag else ""
        text = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch or self.new_branch()};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: Alice <sip:alice@example.org>;tag=alice\r\n"
            f"To: <sip:bridge@example.net>{tag}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {cseq or f'{number} {method}'}\r\n{contact}{extra}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.agent.receive_message(text.encode("utf-8", "surrogateescape"), self.flow, self.now)
        return self.heard()

    def heard(self) -> list[Message]:
        return [parse_message(data) for data, _ in self.agent.messages_to_send()]

    def wait(self, seconds: float) -> list[Message]:
        """Lets the agent's timers run."""
        until = self.now + seconds
        heard: list[Message] = []
        while (at := self.agent.timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.agent.handle_timer(self.now)
            heard.extend(self.heard())
        self.now = until
        return heard


def names(messages: list[Message]) -> list[str]:
    return [name_of(message) for message in messages]


def tag_of(message: Message) -> str:
    return message.first("To").partition("tag=")[2]
