"""One INVITE of ours answered by several phones (RFC 3261 section 13.2.2.4)."""

from signaling.sip.agent.agent import UserAgent
from signaling.sip.agent.invite.invitation import MAX_BRANCHES
from signaling.sip.session.event import CallAnswered, CallRefused
from signaling.sip.wire.flow import Flow
from signaling.sip.wire.message import Request, Response, parse_message
from tests.unit.sip.line import ALICE, OFFER, make_agent

PROXY = Flow("udp", "192.0.2.9", 5060)


def invite(agent: UserAgent) -> Request:
    agent.invite("sip:bob@192.0.2.9", OFFER, 0.0)
    ((data, _),) = agent.messages_to_send()
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def answer(
    agent: UserAgent, request: Request, tag: str, status: str = "200 OK", contact: str = ""
) -> list[str]:
    """A phone behind the proxy answers; returns what Alice sends, with the host it is meant for."""
    text = f"SIP/2.0 {status}\r\n"
    for name in ("Via", "From", "Call-ID", "CSeq"):
        text += f"{name}: {request.first(name)}\r\n"
    text += f"To: {request.first('To')};tag={tag}\r\nContact: {contact or f'<sip:{tag}@192.0.2.20>'}\r\n"
    text += f"Content-Type: application/sdp\r\nContent-Length: {len(tag)}\r\n\r\n{tag}"
    agent.receive_message(text.encode(), PROXY, 0.0)
    sent = []
    for data, _ in agent.messages_to_send():
        message = parse_message(data)
        assert not isinstance(message, Response)
        sent.append(f"{message.method} {message.uri}")
    return sent


def test_the_first_phone_gets_the_call_and_the_others_are_hung_up() -> None:
    agent = make_agent(ALICE)
    request = invite(agent)
    assert answer(agent, request, "one") == ["ACK sip:one@192.0.2.20"]
    (answered,) = agent.events()
    assert isinstance(answered, CallAnswered)
    assert answered.answer == "one"
    assert answer(agent, request, "two") == ["ACK sip:two@192.0.2.20", "BYE sip:two@192.0.2.20"]
    assert answer(agent, request, "two") == ["ACK sip:two@192.0.2.20"]  # its ACK was lost
    assert answer(agent, request, "one") == ["ACK sip:one@192.0.2.20"]
    assert agent.events() == []
    assert agent.calls() == (answered.call,)


def test_phones_that_answer_without_end_are_ignored() -> None:
    agent = make_agent(ALICE)
    request = invite(agent)
    sent = [answer(agent, request, f"phone{number}") for number in range(MAX_BRANCHES + 3)]
    assert [len(messages) for messages in sent] == [1] + [2] * (MAX_BRANCHES - 1) + [0] * 3
    assert agent.counters()["sip_ignored_answers"] == 3


def test_a_phone_that_answers_after_the_call_ended_is_hung_up() -> None:
    agent = make_agent(ALICE)
    request = invite(agent)
    answer(agent, request, "one")
    (answered,) = agent.events()
    assert isinstance(answered, CallAnswered)
    agent.hang_up(answered.call, "", 0.0)
    agent.messages_to_send()
    assert answer(agent, request, "two") == ["ACK sip:two@192.0.2.20", "BYE sip:two@192.0.2.20"]


def test_an_answer_with_routes_nobody_can_follow_ends_the_call() -> None:
    agent = make_agent(ALICE)
    request = invite(agent)
    assert answer(agent, request, "one", "200 OK\r\nRecord-Route: <nonsense>") == []
    (refused,) = agent.events()
    assert isinstance(refused, CallRefused)
    assert (refused.status, agent.calls()) == (500, ())


def test_an_answer_whose_contact_makes_no_sense_is_one() -> None:
    """Left unheard, the phone that was picked up would be hung up after 32 s."""
    agent = make_agent(ALICE)
    request = invite(agent)
    assert answer(agent, request, "one", contact="Front desk, sip:bob@@192.0.2.20;;") == [
        "ACK sip:bob@192.0.2.9"
    ]
    (answered,) = agent.events()
    assert isinstance(answered, CallAnswered)
