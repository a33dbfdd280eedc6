"""What the shell asks of name servers, and what it makes of their trouble."""

import dns.exception
import dns.resolver
import pytest

from bridge.clock import ManualClock
from signaling.sip.agent.request.location import Question
from signaling.sip.shell.locator import Locator
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.wire.flow import UDP, Flow, Lookup

NAME = Flow(UDP, "carrier.example", 5060, lookup=Lookup.ADDRESS)


@pytest.mark.parametrize(
    ("trouble", "asked"),
    [
        (dns.exception.Timeout, 2),
        (dns.resolver.NoNameservers, 2),
        (OSError, 2),
        (dns.resolver.NXDOMAIN, 1),
    ],
    ids=["silence", "failure", "no network", "no such name"],
)
async def test_trouble_with_a_name_server_is_no_answer_that_holds(
    monkeypatch: pytest.MonkeyPatch, trouble: type[Exception], asked: int
) -> None:
    """One lost datagram must not refuse the calls of the next half minute."""
    locator = Locator(
        EndpointSettings(nameservers=("192.0.2.53",)), ManualClock(0.0), lambda _flow, _location: None
    )
    questions: list[str] = []

    async def resolve(*_: object, **__: object) -> None:
        questions.append("A")
        raise trouble

    async def nothing(_question: Question) -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(locator._resolver, "resolve", resolve)
    monkeypatch.setattr(locator, "_ask_system", nothing)
    for _ in range(2):
        location = await locator.locate(NAME)
        assert location.ways == ()
        assert location.reason
    assert len(questions) == asked
