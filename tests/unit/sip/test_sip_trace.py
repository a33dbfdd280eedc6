"""The trace keeps the newest calls, whole, and no more of them than it may."""

from bridge.ids import LegId
from signaling.sip.diagnosis.ladder import Rung, draw
from signaling.sip.diagnosis.trace import MAX_CALLS, MAX_MESSAGES, SipTrace
from signaling.sip.wire.flow import Flow

PHONE = Flow("udp", "192.0.2.7", 5060)


def message(call_id: str, first: str = "BYE sip:a@b SIP/2.0", name: str = "Call-ID") -> bytes:
    return f"{first}\r\nVia: SIP/2.0/UDP h\r\n{name}: {call_id}\r\n\r\n".encode()


def test_a_leg_has_its_messages_in_order_and_nobody_elses() -> None:
    trace = SipTrace()
    trace.record(message("a", "INVITE sip:a@b SIP/2.0"), PHONE, 1.0, received=True)
    trace.record(message("b"), PHONE, 2.0, received=True)
    trace.record(message("a", "SIP/2.0 200 OK", "i"), PHONE, 3.0, received=False)
    trace.name(LegId("leg_1"), "a")
    assert [(one.at, one.received) for one in trace.of(LegId("leg_1"))] == [(1.0, True), (3.0, False)]
    assert trace.of(LegId("leg_2")) == ()


def test_the_call_that_spoke_longest_ago_is_forgotten_first() -> None:
    trace = SipTrace()
    for number in range(MAX_CALLS):
        trace.record(message(str(number)), PHONE, 0.0, received=True)
    trace.record(message("0"), PHONE, 1.0, received=True)
    trace.record(message("new"), PHONE, 2.0, received=True)
    for name in ("0", "1", "new"):
        trace.name(LegId(name), name)
    assert [len(trace.of(LegId(name))) for name in ("0", "1", "new")] == [2, 0, 1]
    assert trace.forgotten == 1


def test_a_call_that_says_too_much_keeps_its_beginning() -> None:
    trace = SipTrace()
    for at in range(MAX_MESSAGES + 5):
        trace.record(message("a"), PHONE, float(at), received=True)
    trace.name(LegId("leg_1"), "a")
    kept = trace.of(LegId("leg_1"))
    assert (kept[0].at, len(kept), trace.left_out) == (0.0, MAX_MESSAGES, 5)


def test_large_messages_are_bounded_together() -> None:
    trace = SipTrace()
    body = b"x" * 60_000
    for number in range(400):
        trace.record(message(str(number)) + body, PHONE, 0.0, received=True)
    assert 0 < trace.forgotten < 400


def test_what_belongs_to_no_call_is_counted() -> None:
    trace = SipTrace()
    trace.record(b"OPTIONS sip:a SIP/2.0\r\n\r\n", PHONE, 0.0, received=True)
    trace.record(b"Call-ID: in the first line", PHONE, 0.0, received=True)
    assert trace.left_out == 2


def test_the_ladder_shows_both_ways_from_the_first_message_on() -> None:
    rungs = [
        Rung(10.0, "leg_1", True, "udp", "192.0.2.7:5060", "INVITE sip:desk@bridge (sdp)", "INVITE ..."),
        Rung(10.25, "leg_1", False, "udp", "192.0.2.7:5060", "200 OK INVITE (sdp)", "SIP/2.0 200 OK"),
    ]
    lines = list(draw(rungs))
    assert lines[0] == "leg_1  192.0.2.7:5060 over udp"
    assert "    0.000s  |" in lines[2]
    assert lines[2].endswith("->|")
    assert lines[3].startswith("    0.250s  |<-")
    assert "INVITE sip:desk@bridge (sdp)" in lines[2]
    assert any("| SIP/2.0 200 OK" in line for line in draw(rungs, whole=True))
