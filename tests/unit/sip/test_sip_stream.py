"""Messages out of a TCP stream, however it is cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ParseError
from signaling.sip.wire.message import MAX_MESSAGE_BYTES
from signaling.sip.wire.stream import StreamFramer

FIRST = b"OPTIONS sip:a@b SIP/2.0\r\nl: 5\r\n\r\nhello"
SECOND = b"BYE sip:a@b SIP/2.0\r\nContent-Length : 0\r\n\r\n"


@given(cuts=st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=60)
def test_the_cuts_of_the_stream_do_not_matter(cuts: list[int]) -> None:
    data = b"\r\n\r\n" + FIRST + b"\r\n" + SECOND + b"\r\n\r\n" + FIRST
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    framer = StreamFramer()
    messages = [
        message for start, end in itertools.pairwise(edges) for message in framer.receive(data[start:end])
    ]
    assert messages == [FIRST, SECOND, FIRST]
    assert framer.take_pings() == 2
    assert framer.take_pings() == 0


def test_a_body_is_waited_for() -> None:
    framer = StreamFramer()
    assert framer.receive(FIRST[:-1]) == []
    assert framer.receive(FIRST[-1:]) == [FIRST]


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:a@b SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nl: 5\r\nContent-Length: 6\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nl: 99999\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n",
        b"x" * (MAX_MESSAGE_BYTES + 1),
    ],
    ids=["no length", "two lengths", "too long", "negative", "endless head"],
)
def test_a_stream_that_cannot_be_framed_is_given_up(data: bytes) -> None:
    with pytest.raises(ParseError):
        StreamFramer().receive(data)


def trickle(framer: StreamFramer) -> None:
    for _ in range(200):
        framer.receive(b"X: " + b"y" * 1000 + b"\r\n")


def test_a_head_that_trickles_in_is_bounded() -> None:
    with pytest.raises(ParseError):
        trickle(StreamFramer())


def test_what_was_whole_before_the_stream_broke_is_not_lost() -> None:
    framer = StreamFramer()
    broken = b"OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n"
    assert framer.receive(FIRST + SECOND + broken) == [FIRST, SECOND]
    with pytest.raises(ParseError):
        framer.receive(b"")
    assert framer.rest() == broken
