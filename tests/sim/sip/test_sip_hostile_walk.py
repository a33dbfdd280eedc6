"""Peers that mean harm, by chance and seed: whatever one of them says in its call, the agent does not raise,
does not grow, and the call beside it goes on."""

import random

import pytest

from bridge.errors import BridgeError
from bridge.ids import TrunkId
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived, CallKey, CallReoffered, ReferralArrived
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, Response
from tests.unit.sip.line import ANSWER, BOB, OFFER, Message, RawPhone, make_agent, names, tag_of

TRUNK = Trunk(
    TrunkId("t"),
    ("192.0.2.1/32",),  # the hostile one; who talks beside it is another
    "sip:192.0.2.1",
    session_expires_s=120,
    reliable_provisional=True,
    username="anna",
    password="secret",
    trusted=True,
)
STEPS = 200
TIMES_S = (0.0, 0.0, 0.0, 0.01, 0.3, 1.0, 5.0, 40.0, 200.0)
METHODS = (
    *("INVITE", "INVITE", "UPDATE", "UPDATE", "PRACK", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "OPTIONS"),
    *("MESSAGE", "REGISTER", "PUBLISH", "ACK", "ACK", "CANCEL", "BYE", "JUMP"),
)
HEADERS = (
    *("", "", "", "Require: 100rel\r\n", "Supported: timer, 100rel, replaces\r\n", "Require: unheard-of\r\n"),
    *(
        f"Session-Expires: {text}\r\n"
        for text in ("1", "0", "90;refresher=uas", "99999999999", "-1", "x;y;z")
    ),
    *(
        f"Supported: timer\r\nMin-SE: {text}\r\nSession-Expires: 100\r\n"
        for text in ("99999999999", "x", "0")
    ),
    *(f"RAck: {text}\r\n" for text in ("0 0 INVITE", "1 1 INVITE", "4294967296 1 INVITE", "x", "1 2")),
    *(f"Refer-To: {text}\r\n" for text in ("<sip:c@192.0.2.3>", "<tel:+1>", "<http://x>", "<sip:", "*")),
    "Refer-To: <sip:bridge@192.0.2.2>\r\nRefer-Sub: false\r\n",
    "Refer-To: <sip:c@192.0.2.3?Replaces=beside%3Bto-tag%3Db%3Bfrom-tag%3Dalice>\r\n",
    "Event: refer\r\nExpires: 99999999999\r\n",
    "Event: refer\r\nExpires: 0\r\n",
    "Record-Route: <sip:192.0.2.9>\r\n" * 40,
    "Record-Route: <sip:nobody@>\r\n",
    "Info-Package: none\r\n",
    "Replaces: beside;to-tag=b1;from-tag=alice\r\n",
    "Replaces: ;;;\r\nReplaces: beside\r\n",
    "Retry-After: 99999999999999999999\r\n",
    'Reason: SIP;cause=x;text="\x01"\r\n',
    "Allow: " + ", ".join(f"M{number}" for number in range(200)) + "\r\n",
)
CONTACTS = (
    "<sip:alice@192.0.2.1:5060>",
    "<sip:alice@[::1]:99999>",
    "<tel:1>",
    "*",
    "",
    "<sip:a@b;transport=x>",
)
BODIES = (
    *("", OFFER, ANSWER, "v=0", "\0\0", "Signal=5\r\nDuration=160\r\n", "m=audio 1 RTP/AVP 0\r\n" * 100),
    "x" * 20_000,
)
NUMBERS = (0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
STATUSES = (100, 180, 183, 199, 200, 200, 202, 302, 401, 407, 408, 422, 481, 487, 491, 500, 503, 603, 699)


class Hostile:
    """One agent, a call of good will beside it, and a peer that says what chance tells it to."""

    def __init__(self, seed: int, agent: UserAgent, settings: AgentSettings) -> None:
        self.settings = settings
        self.chance = random.Random(seed)
        self.agent = agent
        self.raw = RawPhone(agent)
        self.tags = [""]
        self.sent: list[Request] = []  # by the agent, worth an answer
        self.calls: list[CallKey] = []
        self.accepted: list[int] = []  # REFERs

    def say(self) -> None:
        """A request, an answer to one of the agent's, a while of silence, or a way that breaks."""
        pick = self.chance.random()
        if pick < 0.02:
            self.agent.fail_flow(self.raw.flow, self.raw.now)
        elif pick < 0.1:
            self.take(self.raw.wait(self.chance.choice(TIMES_S)))
        elif pick < 0.35 and self.sent:
            self.answer(self.chance.choice(self.sent[-8:]))
        elif pick < 0.45:
            self.act()
        else:
            self.ask()
        self.follow()

    def ask(self) -> None:
        chance = self.chance
        method = chance.choice(METHODS)
        number = chance.choice(NUMBERS) if chance.random() < 0.1 else len(self.tags) + chance.randrange(200)
        heard = self.raw.send(
            method,
            number,
            to_tag="" if chance.random() < 0.2 else chance.choice(self.tags),
            branch=f"z9hG4bKh{chance.randrange(30)}" if chance.random() < 0.4 else "",
            extra=chance.choice(HEADERS) + chance.choice(HEADERS),
            body=chance.choice(BODIES),
            call_id=f"hostile-{chance.randrange(2)}",
            contact=chance.choice(CONTACTS),
        )
        self.take(heard)

    def answer(self, request: Request) -> None:
        chance = self.chance
        text = f"SIP/2.0 {chance.choice(STATUSES)} Whatever\r\n"
        for name in ("Via", "From", "Call-ID", "CSeq"):
            text += f"{name}: {request.first(name)}\r\n"
        tag = "" if "tag=" in request.first("To") else f";tag=t{chance.randrange(20)}"
        text += f"To: {request.first('To')}{tag}\r\nContact: {chance.choice(CONTACTS)}\r\n"
        text += f"Require: 100rel\r\nRSeq: {chance.choice(NUMBERS)}\r\n" if chance.random() < 0.3 else ""
        text += f"Min-SE: {chance.randrange(200_000)}\r\n" + chance.choice(HEADERS)
        body = chance.choice(BODIES)
        text += "Content-Type: application/sdp\r\n" if body else ""
        self.agent.receive_message(
            f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode(), self.raw.flow, self.raw.now
        )
        self.take(self.raw.heard())

    def act(self) -> None:
        """What the bridge does in the meantime with calls of this peer."""
        agent, now, chance = self.agent, self.raw.now, self.chance
        if not self.calls or chance.random() < 0.2:
            self.calls.append(agent.invite("sip:evil@192.0.2.1", OFFER, now, trunk_id=TRUNK.trunk_id))
            return
        call = chance.choice(self.calls[-4:])
        acts = (
            lambda: agent.ring(call, now),
            lambda: agent.accept(call, ANSWER, now),
            lambda: agent.reinvite(call, OFFER, now),
            lambda: agent.update(call, OFFER, now),
            lambda: agent.answer_reinvite(call, ANSWER, now),
            lambda: agent.reject_reinvite(call, 488, now),
            lambda: self.accepted.append(agent.accept_referral(call, now)),
            lambda: agent.finish_referral(call, chance.choice(self.accepted or [1]), 486, now),
            lambda: agent.ask_for_picture(call, now),
            lambda: agent.press(call, "12", now),
            lambda: make_agent(BOB, self.settings).restore(agent.remember(call), now),
            lambda: agent.hang_up(call, "enough", now),
        )
        try:
            chance.choice(acts)()
        except BridgeError:
            return  # the door expects these

    def follow(self) -> None:
        self.take(self.raw.heard())
        for event in self.agent.events():
            if isinstance(event, CallArrived | CallReoffered | ReferralArrived):
                self.calls.append(event.call)

    def take(self, heard: list[Message]) -> None:
        for message in heard:
            if isinstance(message, Response):
                self.tags.append(tag_of(message))
            elif message.method != "ACK":
                self.sent.append(message)


def begin(agent: UserAgent) -> tuple[RawPhone, CallKey, str]:
    """A call of good will."""
    phone = RawPhone(agent)
    phone.flow = Flow("udp", "192.0.2.77", 5060)
    phone.send("INVITE", 1, body=OFFER, call_id="beside", branch="z9hG4bKgood1")
    (event,) = agent.events()
    assert isinstance(event, CallArrived)
    agent.accept(event.call, ANSWER, 0.0)
    (success,) = phone.heard()
    phone.send("ACK", 1, to_tag=tag_of(success), call_id="beside", branch="z9hG4bKgood2")
    agent.events()
    return phone, event.call, tag_of(success)


@pytest.mark.parametrize("trunks", [(), (TRUNK,)], ids=["plain", "with all there is"])
@pytest.mark.parametrize("seed", range(50))
def test_a_peer_that_says_anything_harms_nobody(seed: int, trunks: tuple[Trunk, ...]) -> None:
    settings = AgentSettings(trunks=Trunks(trunks), ring_timeout_s=30.0)
    agent = make_agent(BOB, settings)
    phone, call, tag = begin(agent)
    hostile = Hostile(seed, agent, settings)
    for _ in range(STEPS):
        hostile.say()
    assert call in agent.calls()
    phone.now = hostile.raw.now
    heard = phone.send("INVITE", 2, to_tag=tag, call_id="beside", body="hold", branch="z9hG4bKgood3")
    (event,) = [event for event in agent.events() if isinstance(event, CallReoffered)]
    assert (heard, event.call, event.offer) == ([], call, "hold")
    agent.answer_reinvite(call, ANSWER, phone.now)
    assert names(phone.heard()) == ["200 INVITE"]
    phone.send("ACK", 2, to_tag=tag, call_id="beside", branch="z9hG4bKgood4")
    assert "200 BYE" in names(phone.send("BYE", 3, to_tag=tag, call_id="beside", branch="z9hG4bKgood5"))
    for left in agent.calls():
        agent.hang_up(left, "the day is over", phone.now)
    phone.wait(400)
    counters = agent.counters()
    assert (agent.calls(), counters["sip_calls"], counters["sip_transactions"]) == ((), 0, 0)
