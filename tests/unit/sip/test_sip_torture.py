"""The 49 cases of RFC 4475, written here after its descriptions: `tests/data/sip/rfc4475/<its name>.dat`."""

from pathlib import Path

import pytest

from bridge.errors import ParseError
from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.identity import LocalIdentity
from signaling.sip.wire.message import Response, parse_essentials, parse_message

MESSAGES = Path(__file__).parents[2] / "data" / "sip" / "rfc4475"
FLOW = Flow("udp", "192.0.2.15", 5060)

# What this user agent does with each: the call arrives, it answers with a status, or drops it.
CALL, DROP = "call", "drop"
ACCEPTED: dict[str, int | str] = {
    # 3.1.1 valid messages; what has a To tag is of a dialog nobody knows here
    "wsinv": 481,
    "intmeth": 501,
    "esc01": CALL,
    "escnull": 405,
    "esc02": 501,
    "lwsdisp": 200,
    "longreq": CALL,
    "dblreq": 405,
    "semiuri": 200,
    "transports": 200,
    "mpart01": 405,
    "unreason": DROP,
    "noreason": DROP,
    # 3.2 transaction layer, 3.3 application layer, 3.4 backward compatibility
    "badbranch": 200,
    "unkscm": 416,
    "novelsc": 416,
    "unksm2": 405,
    "bext01": 420,
    "invut": 415,
    "regaut01": 405,
    "bcast": DROP,
    "zeromf": 200,
    "cparam01": 405,
    "cparam02": 405,
    "regescrt": 405,
    "sdp01": 406,
    "inv2543": CALL,
    # 3.1.2, whose section 12 leaves it open: nothing here reads Date, and no customer is refused for it
    "baddate": CALL,
}
REFUSED: dict[str, int | str] = {
    # 3.1.2 invalid messages
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "scalarlg": DROP,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "bigcode": DROP,
    # 3.3
    "insuf": DROP,
    "multi01": 400,
    "mcl01": 400,
}


def agent() -> UserAgent:
    return UserAgent(AgentSettings(), LocalIdentity("192.0.2.99", 5060, lambda count: "ab" * count))


def outcome(data: bytes) -> int | str:
    ua = agent()
    ua.receive_message(data, FLOW, 0.0)
    sent = [parse_message(message) for message, _ in ua.messages_to_send()]
    if sent:
        assert len(sent) == 1
        assert isinstance(sent[0], Response)
        return sent[0].status
    return CALL if any(isinstance(event, CallArrived) for event in ua.events()) else DROP


def test_all_cases_are_there() -> None:
    assert len(ACCEPTED) + len(REFUSED) == 49
    assert {path.stem for path in MESSAGES.glob("*.dat")} == ACCEPTED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", ACCEPTED)
def test_well_formed_messages_are_understood(name: str) -> None:
    data = (MESSAGES / f"{name}.dat").read_bytes()
    parse_essentials(parse_message(data))
    assert outcome(data) == ACCEPTED[name]


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_messages_are_refused(name: str) -> None:
    data = (MESSAGES / f"{name}.dat").read_bytes()
    with pytest.raises(ParseError):
        parse_essentials(parse_message(data))
    assert outcome(data) == REFUSED[name]


def test_a_call_of_the_old_days_is_answered_by_its_from() -> None:
    ua = agent()
    ua.receive_message((MESSAGES / "inv2543.dat").read_bytes(), FLOW, 0.0)
    (event,) = ua.events()
    assert isinstance(event, CallArrived)
    assert (event.caller, event.called) == ("+13035551111", "UserB")
    ua.accept(event.call, "v=0\r\n", 0.0)
    ((data, flow),) = ua.messages_to_send()
    assert data.startswith(b"SIP/2.0 200 OK\r\n")
    assert flow == FLOW
