"""RFC 3263: which records are asked for, and the order of the ways they lead to."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.agent.request.location import (
    MAX_WAYS,
    Answer,
    Kind,
    Location,
    Pointer,
    Question,
    Service,
    locate,
    order_services,
)
from signaling.sip.shell.answer_cache import EMPTY_S, MAX_S, AnswerCache
from signaling.sip.wire.flow import TCP, TLS, UDP, Flow, flow_to
from signaling.sip.wire.uri import parse_uri

Zone = dict[tuple[str, str], Answer]
ALL = (UDP, TCP, TLS)
NOTHING = Answer(reason="does not exist")


def pointers(*entries: tuple[int, int, str, str, str]) -> Answer:
    return Answer(pointers=tuple(Pointer(*entry) for entry in entries))


def services(*entries: tuple[int, int, int, str]) -> Answer:
    return Answer(services=tuple(Service(*entry) for entry in entries))


def addresses(*texts: str) -> Answer:
    return Answer(addresses=texts)


def find(
    uri: str, zone: Zone, transports: tuple[str, ...] = ALL, version: int = 4
) -> tuple[Location, list[str]]:
    """The location, and what was asked, by round."""
    search = locate(flow_to(parse_uri(uri)), transports, version, lambda _: 0)
    asked: list[str] = []
    try:
        questions = next(search)
        while True:
            asked.append(" ".join(f"{question.kind} {question.name}" for question in questions))
            questions = search.send(tuple(zone.get((q.kind, q.name), NOTHING) for q in questions))
    except StopIteration as end:
        location: Location = end.value
        return location, asked


CARRIER: Zone = {
    ("NAPTR", "c.example"): pointers(
        (20, 0, "s", "SIP+D2U", "_sip._udp.c.example"),
        (10, 5, "S", "sip+d2t", "_sip._tcp.c.example"),
        (10, 1, "s", "SIPS+D2T", "_sips._tcp.c.example"),
        (1, 1, "u", "E2U+sip", "."),
    ),
    ("SRV", "_sips._tcp.c.example"): services((1, 0, 5061, "a.c.example")),
    ("SRV", "_sip._tcp.c.example"): services((2, 0, 5070, "b.c.example"), (1, 0, 5060, "a.c.example")),
    ("SRV", "_sip._udp.c.example"): services((1, 0, 5060, "a.c.example")),
    ("A", "a.c.example"): addresses("192.0.2.1", "192.0.2.2"),
    ("A", "b.c.example"): addresses("192.0.2.3"),
    ("AAAA", "b.c.example"): addresses("2001:db8::3"),
    ("A", "c.example"): addresses("192.0.2.9"),
}


def test_a_domain_says_by_naptr_how_it_wants_to_be_reached() -> None:
    location, asked = find("sip:a@c.example", CARRIER, (UDP, TCP))
    assert location.ways == (
        Flow(TCP, "192.0.2.1", 5060),
        Flow(TCP, "192.0.2.2", 5060),
        Flow(TCP, "192.0.2.3", 5070),
        Flow(UDP, "192.0.2.1", 5060),
        Flow(UDP, "192.0.2.2", 5060),
    )
    assert asked == [
        "NAPTR c.example",
        "SRV _sip._tcp.c.example SRV _sip._udp.c.example",
        "A a.c.example A b.c.example",
    ]


def test_over_tls_the_name_that_was_called_must_be_shown() -> None:
    location, _ = find("sip:a@c.example", CARRIER)
    assert location.ways[0] == Flow(TLS, "192.0.2.1", 5061, name="c.example")


def test_sips_goes_over_tls_only() -> None:
    location, _ = find("sips:a@c.example", CARRIER)
    assert {way.transport for way in location.ways} == {TLS}
    without, asked = find("sips:a@d.example", {("A", "d.example"): addresses("192.0.2.4")})
    assert without.ways == (Flow(TLS, "192.0.2.4", 5061, name="d.example"),)
    assert asked == ["NAPTR d.example", "SRV _sips._tcp.d.example", "A d.example"]


@pytest.mark.parametrize(
    ("uri", "asked", "way"),
    [
        ("sip:c.example:5080", ["A c.example"], Flow(UDP, "192.0.2.9", 5080)),
        ("sip:c.example:5080;transport=tcp", ["A c.example"], Flow(TCP, "192.0.2.9", 5080)),
        (
            "sip:c.example;transport=udp",
            ["SRV _sip._udp.c.example", "A a.c.example"],
            Flow(UDP, "192.0.2.1", 5060),
        ),
        (
            "sip:a.c.example;transport=tcp",
            ["SRV _sip._tcp.a.c.example", "A a.c.example"],
            Flow(TCP, "192.0.2.1", 5060),
        ),
        (
            "sip:a.c.example",
            [
                "NAPTR a.c.example",
                "SRV _sip._udp.a.c.example SRV _sip._tcp.a.c.example SRV _sips._tcp.a.c.example",
                "A a.c.example",
            ],
            Flow(UDP, "192.0.2.1", 5060),
        ),
    ],
)
def test_what_a_uri_says_is_not_asked_for(uri: str, asked: list[str], way: Flow) -> None:
    location, questions = find(uri, CARRIER)
    assert questions == asked
    assert location.ways[0] == way


def test_a_name_without_a_dot_has_addresses_only() -> None:
    location, asked = find("sip:localhost", {("A", "localhost"): addresses("127.0.0.1")})
    assert location.ways == (Flow(UDP, "127.0.0.1", 5060),)
    assert asked == ["A localhost"]


def test_naptr_may_name_a_host() -> None:
    zone: Zone = {
        ("NAPTR", "d.example"): pointers((1, 1, "a", "SIP+D2T", "a.c.example")),
        ("A", "a.c.example"): addresses("192.0.2.1"),
    }
    assert find("sip:d.example", zone)[0].ways == (Flow(TCP, "192.0.2.1", 5060),)


def test_addresses_of_the_other_version_are_not_asked_for() -> None:
    zone = {**CARRIER, ("SRV", "_sip._udp.e.example"): services((1, 1, 5060, "b.c.example"))}
    location, asked = find("sip:e.example;transport=udp", zone, version=6)
    assert location.ways == (Flow(UDP, "2001:db8::3", 5060),)
    assert asked[-1] == "AAAA b.c.example"


def test_a_domain_that_takes_no_calls_is_not_called() -> None:
    zone: Zone = {
        ("SRV", "_sip._udp.no.example"): services((0, 0, 0, ".")),
        ("A", "no.example"): addresses("192.0.2.1"),
    }
    location, _ = find("sip:no.example;transport=udp", zone)
    assert location == Location(reason="no.example says that it takes no calls")


def test_a_name_that_is_nowhere_says_why() -> None:
    assert find("sip:gone.example", {})[0] == Location(reason="gone.example does not exist")


def test_the_ways_are_bounded() -> None:
    many = services(*((1, 1, 5060, f"s{number}.example") for number in range(500)))
    zone: Zone = {("SRV", "_sip._udp.many.example"): many}
    zone |= {
        ("A", f"s{number}.example"): addresses(*(f"192.0.2.{n}" for n in range(50))) for number in range(500)
    }
    location, asked = find("sip:many.example;transport=udp", zone)
    assert len(location.ways) == MAX_WAYS
    assert len(asked[-1].split()) == 2 * MAX_WAYS


def test_priority_decides_and_weight_by_lot() -> None:
    rivals = [
        Service(1, 3, 1, "three"),
        Service(0, 0, 1, "first"),
        Service(1, 1, 1, "one"),
        Service(1, 0, 1, "none"),
    ]
    chance = Random(1).randrange
    first = Counter(order_services(rivals, chance)[1].target for _ in range(5000))
    assert order_services(rivals, chance)[0].target == "first"
    # A lot from 0 to 4 (RFC 2782): 0 is "none", and each weight has as many as it says.
    assert {name: round(count / 1000) for name, count in first.items()} == {"three": 3, "one": 1, "none": 1}


@given(
    st.lists(
        st.builds(
            Service, st.integers(0, 65_535), st.integers(0, 65_535), st.just(1), st.text("ab", max_size=3)
        ),
        max_size=12,
    ),
    st.integers(0, 2**32),
)
def test_every_server_has_its_turn_once(rivals: list[Service], seed: int) -> None:
    ordered = order_services(rivals, Random(seed).randrange)
    assert Counter(map(repr, ordered)) == Counter(map(repr, rivals))
    assert [s.priority for s in ordered] == sorted(s.priority for s in rivals)


# --- the cache ----------------------------------------------------------------------------------------------

QUESTION = Question("c.example", Kind.A)


def test_an_answer_holds_as_long_as_its_servers_say_and_nothing_for_a_short_while() -> None:
    cache = AnswerCache()
    cache.put(QUESTION, addresses("192.0.2.1"), 10.0, now=0.0)
    assert cache.get(QUESTION, 9.9) == addresses("192.0.2.1")
    assert cache.get(QUESTION, 10.0) is None
    cache.put(QUESTION, addresses("192.0.2.1"), 1e9, now=0.0)
    assert cache.get(QUESTION, MAX_S) is None
    cache.put(QUESTION, NOTHING, 1e9, now=0.0)
    assert cache.get(QUESTION, EMPTY_S - 0.1) == NOTHING
    assert cache.get(QUESTION, EMPTY_S) is None
    assert len(cache) == 0


def test_the_cache_is_bounded_and_forgets_what_nobody_asks_for() -> None:
    cache = AnswerCache(most=2)
    names = [Question(f"{number}.example", Kind.A) for number in range(3)]
    cache.put(names[0], addresses("192.0.2.0"), 60.0, 0.0)
    cache.put(names[1], addresses("192.0.2.1"), 60.0, 0.0)
    assert cache.get(names[0], 1.0) is not None
    cache.put(names[2], addresses("192.0.2.2"), 60.0, 2.0)
    assert [cache.get(name, 3.0) is not None for name in names] == [True, False, True]
    assert cache.forgotten == 1
