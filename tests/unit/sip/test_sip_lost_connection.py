"""A TCP connection that ends with a request of ours in it: over TCP nothing sends it again by itself."""

import asyncio
import secrets

from bridge.clock import SystemClock
from signaling.sip.session.event import AgentEvent, CallRefused
from signaling.sip.shell.endpoint import SipEndpoint
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.wire.flow import TCP, Flow
from signaling.sip.wire.message import Request, parse_message
from signaling.sip.wire.response import make_response
from tests.unit.sip.line import ALICE, ANSWER, BOB, OFFER, RawPhone, make_agent, tag_of

TARGET = "sip:bob@192.0.2.2;transport=tcp"
TO_BOB = Flow(TCP, BOB, 5060)


def test_a_bye_that_was_lost_with_its_connection_goes_by_another() -> None:
    raw = RawPhone(make_agent(BOB), TCP)
    raw.send("INVITE", 1, body=OFFER)
    (call,) = raw.agent.calls()
    raw.agent.accept(call, ANSWER, raw.now)
    (ok,) = raw.heard()
    raw.send("ACK", 1, to_tag=tag_of(ok))
    raw.agent.hang_up(call, "", raw.now)
    sent = raw.agent.messages_to_send()
    raw.agent.lose_connection(Flow(TCP, ALICE, 40_000, 2), raw.now)  # another one
    assert raw.heard() == []
    raw.agent.lose_connection(Flow(TCP, ALICE, 40_001, raw.flow.connection), raw.now)
    assert raw.agent.messages_to_send() == sent
    raw.agent.lose_connection(TO_BOB, raw.now)
    assert raw.agent.calls() == (call,)
    raw.agent.lose_connection(Flow(TCP, ALICE, 5060, 3), raw.now)  # the one that was opened for it
    assert (raw.heard(), raw.agent.calls()) == ([], ())


def test_an_invite_whose_connections_end_twice_has_failed() -> None:
    agent = make_agent(ALICE)
    call = agent.invite(TARGET, OFFER, 0.0)
    sent = agent.messages_to_send()
    agent.lose_connection(Flow(TCP, BOB, 5060, 1), 0.1)
    assert agent.messages_to_send() == sent
    agent.lose_connection(Flow(TCP, BOB, 5060, 2), 0.2)
    assert agent.events() == [CallRefused(call, 503, "cannot be reached")]


def test_an_invite_that_rings_is_not_sent_again() -> None:
    """Its answer comes by another connection (RFC 3261 section 18.2.2)."""
    agent = make_agent(ALICE)
    call = agent.invite(TARGET, OFFER, 0.0)
    ((data, flow),) = agent.messages_to_send()
    invite = parse_message(data)
    assert isinstance(invite, Request)
    agent.receive_message(make_response(invite, 180, to_tag="b"), flow, 0.1)
    agent.lose_connection(Flow(TCP, BOB, 5060, 1), 0.2)
    assert (agent.messages_to_send(), agent.calls()) == ([], (call,))


class Firewall(asyncio.Protocol):
    """Resets the first connection that brings something, and lets the others through."""

    def __init__(self, heard: list[bytes], passed: asyncio.Event) -> None:
        self._heard = heard
        self._passed = passed
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard.append(data)
        if len(self._heard) > 1:
            self._passed.set()
        elif self._transport is not None:
            self._transport.abort()


async def test_a_peer_that_resets_the_connection_gets_the_invite_by_the_next() -> None:
    heard: list[bytes] = []
    events: list[AgentEvent] = []
    passed = asyncio.Event()
    server = await asyncio.get_running_loop().create_server(lambda: Firewall(heard, passed), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = SipEndpoint(EndpointSettings(port=0), SystemClock(), secrets.token_hex, events.append)
    async with asyncio.TaskGroup() as tasks:
        await endpoint.open(tasks)
        endpoint.agent.invite(f"sip:bob@127.0.0.1:{port};transport=tcp", OFFER, endpoint.now())
        endpoint.flush()
        await passed.wait()
        endpoint.close()
    server.close()
    assert heard[0] == heard[1]
    assert heard[0].startswith(b"INVITE sip:bob@")
    assert events == []
