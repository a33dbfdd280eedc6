"""Who calls, and by which ways: believed by trust, hidden by wish, kept without what is nobody's business."""

import pytest

from bridge.ids import TrunkId
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.session.event import CallArrived
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.unit.sip.line import BOB, OFFER, RawPhone, make_agent

PAI = 'P-Asserted-Identity: "Real" <sip:+4930777@carrier.example>, <tel:+4930777>\r\n'


def arrive(extra: str, *, trusted: bool = True) -> CallArrived:
    trunk = Trunk(TrunkId("t"), ("192.0.2.0/24",), trusted=trusted)
    raw = RawPhone(make_agent(BOB, AgentSettings(trunks=Trunks((trunk,)))))
    raw.send("INVITE", 1, body=OFFER, extra=extra)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    return event


@pytest.mark.parametrize(
    ("extra", "trusted", "caller"),
    [
        ("", True, "alice"),
        (PAI, True, "+4930777"),
        (PAI, False, "alice"),
        (f"{PAI}Privacy: none\r\n", True, "+4930777"),
        (f"{PAI}Privacy: id\r\n", True, "alice"),
        (f"{PAI}Privacy: user;id;critical\r\n", True, "anonymous"),
        ("Privacy: user\r\n", False, "anonymous"),
        ("P-Asserted-Identity: nonsense\r\n", True, "alice"),
    ],
)
def test_who_calls(extra: str, trusted: bool, caller: str) -> None:
    event = arrive(extra, trusted=trusted)
    assert event.caller == caller
    assert not {"P-Asserted-Identity", "Privacy"} & {name for name, _ in event.headers}
    assert "4930777" not in str(event.headers)


def test_an_anonymous_from_is_anonymous_and_a_trusted_trunk_knows_better() -> None:
    raw = RawPhone(make_agent(BOB))
    text = (
        "INVITE sip:bridge@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
        'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=a\r\nTo: <sip:bridge@192.0.2.2>\r\n'
        "Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    )
    raw.agent.receive_message(text.encode(), raw.flow, 0.0)
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    assert event.caller == "anonymous"


def test_the_ways_a_call_came_by_are_kept_as_people_and_reasons() -> None:
    event = arrive(
        'Diversion: <sip:+49301@a.example;token=secret>;reason=user-busy;privacy=off, "Boss" <tel:+49302>\r\n'
        "History-Info: <sip:hotline@b.example?Reason=SIP%3Bcause%3D302>;index=1\r\n"
        "History-Info: <sip:+49303@b.example?Privacy=history>;index=1.1\r\n"
        "Referred-By: <sip:carol@c.example;secret=1>;cid=x\r\n"
    )
    assert event.ways == (
        ("sip_diversion", "+49301 (user-busy), +49302"),
        ("sip_history", "hotline (1), anonymous (1.1)"),
        ("sip_referred_by", "carol"),
    )


def test_a_diversion_that_hides_itself_is_anonymous() -> None:
    assert arrive("Diversion: <sip:+49301@a>;privacy=full;reason=unconditional\r\n").ways == (
        ("sip_diversion", "anonymous (unconditional)"),
    )


def test_ways_without_end_or_sense_are_cut() -> None:
    event = arrive("Diversion: " + ", ".join(f"<sip:{'9' * 60}@a>" for _ in range(100)) + "\r\n")
    ((_, text),) = event.ways
    assert len(text) <= 256
    assert arrive("Diversion: <<<\r\nHistory-Info: \r\n").ways == ()
