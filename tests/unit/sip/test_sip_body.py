"""A session description beside other things in one body, as trunks send it (RFC 5621)."""

import pytest

from signaling.sip.session.event import CallAnswered, CallArrived
from signaling.sip.wire.body import MAX_PARTS, asks_too_much, find_sdp
from signaling.sip.wire.message import parse_message
from tests.unit.sip.line import ALICE, BOB, OFFER, RawPhone, make_agent, names

MIXED = 'multipart/mixed; boundary="ab-1"'
ISUP = (
    "--ab-1\r\nContent-Type: application/isup;version=itu-t92+\r\n"
    "Content-Disposition: signal;handling={}\r\n\r\n\0\1\r\n"
)


def mixed(handling: str = "optional", preamble: str = "") -> str:
    sdp = f"--ab-1\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n{OFFER}\r\n"
    return f"{preamble}{ISUP.format(handling)}{sdp}--ab-1--\r\n"


@pytest.mark.parametrize("preamble", ["", "for people\r\n"])
def test_a_call_with_more_than_a_description_in_its_body_is_taken(preamble: str) -> None:
    raw = RawPhone(make_agent(BOB))
    assert raw.send("INVITE", 1, body=mixed(preamble=preamble), kind=MIXED) == []
    (event,) = raw.agent.events()
    assert isinstance(event, CallArrived)
    assert event.offer == OFFER


def test_a_part_that_must_be_understood_is_refused() -> None:
    raw = RawPhone(make_agent(BOB))
    (refused,) = raw.send("INVITE", 1, body=mixed("required"), kind=MIXED)
    assert names([refused]) == ["415 INVITE"]
    assert refused.first("Accept") == "application/sdp, multipart/mixed"


def test_the_answer_is_found_beside_other_things() -> None:
    agent = make_agent(ALICE)
    agent.invite("sip:bob@192.0.2.2", OFFER, 0.0)
    ((data, flow),) = agent.messages_to_send()
    invite = parse_message(data)
    kept = "".join(f"{name}: {invite.first(name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
    text = f"SIP/2.0 200 OK\r\n{kept}To: {invite.first('To')};tag=b\r\nContact: <sip:bob@192.0.2.2>\r\n"
    text += f"Content-Type: {MIXED}\r\nContent-Length: {len(mixed())}\r\n\r\n{mixed()}"
    agent.receive_message(text.encode(), flow, 0.0)
    (event,) = agent.events()
    assert isinstance(event, CallAnswered)
    assert event.answer == OFFER


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (b"v=0\r\n", "Application/SDP; charset=utf-8", b"v=0\r\n"),
        (b"--x\nc: application/sdp\n\nv=0\n--x--", "multipart/alternative;boundary=x", b"v=0"),
        (b"--x\r\n\r\nplain\r\n--x--", "multipart/mixed;boundary=x", None),
        (b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0", "multipart/mixed;boundary=x", b"v=0"),
        (b"--x--\r\n--x\r\nc: application/sdp\r\n\r\nv=0\r\n", "multipart/mixed;boundary=x", None),
        (b"--x\r\nc: application/sdp\r\n\r\nv=0\r\n--x--", "multipart/mixed", None),
        (b"--x\r\nc: application/sdp\r\n\r\nv=0\r\n--x--", "multipart/mixed;,boundary=x", None),
        (
            b"--x\r\nc: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=0\r\n--x--",
            "multipart/mixed;boundary=x",
            None,
        ),
        (
            b"--x\r\nc: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--x--",
            "multipart/mixed;boundary=x",
            None,
        ),
        (
            b"--x\r\n\r\n" * MAX_PARTS + b"--x\r\nc: application/sdp\r\n\r\nv=0",
            "multipart/mixed;boundary=x",
            None,
        ),
    ],
)
def test_what_counts_as_a_description(body: bytes, kind: str, found: bytes | None) -> None:
    assert find_sdp(body, kind) == found
    assert not asks_too_much(body, kind)
