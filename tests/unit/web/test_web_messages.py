"""Commands: what is accepted, what is refused, and that the refusal says where and never what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signaling
from bridge.errors import ParseError
from signaling.web.protocol import event, messages, wire_view
from signaling.web.protocol.messages import Command, parse_command, parse_command_id
from signaling.web.protocol.wire import WireModel

PROTOCOL = (Path(signaling.__path__[0]) / "PROTOCOL.md").read_text(encoding="utf-8")


def command(name: str, **fields: object) -> str:
    return json.dumps({"id": 1, "command": name, **fields})


def test_a_command_is_read_by_its_camel_case_names() -> None:
    wish = parse_command(
        command("addParticipant", interactionId="int_1", userId="bob", properties={"case_number": "12"})
    )
    assert wish == messages.AddParticipant(
        command="addParticipant",
        id=1,
        interaction_id="int_1",
        user_id="bob",
        type="video",
        role="sme",
        properties={"case_number": "12"},
    )


def test_a_browser_candidate_is_read_as_the_browser_writes_it() -> None:
    candidate = {
        "candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host",
        "sdpMid": "0",
        "sdpMLineIndex": 0,
        "usernameFragment": "abcd",
    }
    trickle = parse_command(command("trickleCandidate", legId="leg_1", candidate=candidate))
    assert isinstance(trickle, messages.TrickleCandidate)
    assert trickle.candidate is not None
    assert trickle.candidate.sdp_m_line_index == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[" * 100_000, "recursion limit"),
        ("[]", "should be an object"),
        ("{}", "command: Field required"),
        (command("dance"), "command: not a command of this protocol"),
        (command("ping", secret="hunter2"), "secret: Extra inputs"),
        (command("acceptOffer"), "offerId: Field required"),
        (command("acceptOffer", offer_id="off_1"), "offerId: Field required"),
        (command("acceptOffer", offerId=7), "offerId: Input should be a valid string"),
        (command("setPresence", presence="asleep"), "presence: Input should be"),
        (command("setAttributes", interactionId="i", attributes={"a": 1}), "attributes.a: "),
        (command("offerMedia", interactionId="i", sdp="v" * 65_537), "sdp: String should have at most"),
        ('{"id": "1", "command": "ping"}', "id: Input should be a valid integer"),
        ('{"id": -1, "command": "ping"}', "id: "),
        ('{"id": 9007199254740992, "command": "ping"}', "id: "),
        ('{"id": NaN, "command": "ping"}', "id: "),
        ('{"id": 1, "command": "ping"} {}', "Invalid JSON"),
    ],
)
def test_what_is_no_command_is_refused_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_command(text)
    assert reason in caught.value.reason


def test_a_refusal_quotes_no_value_and_stays_short() -> None:
    with pytest.raises(ParseError) as caught:
        parse_command(command("authenticate", token=["eyJhbGciOi"] * 50, **{"x" * 10_000: 1}))
    assert "eyJ" not in caught.value.reason
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id": 7}', 7),
        ('{"id": true}', None),
        ('{"id": 1.5}', None),
        ("[7]", None),
        ("{", None),
        ('{"id": -2}', None),
    ],
)
def test_the_id_of_a_broken_command_is_found_where_there_is_one(text: str, expected: int | None) -> None:
    assert parse_command_id(text) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from([model.model_fields["command"].annotation.__args__[0] for model in get_args(Command)])


@settings(max_examples=150)
@given(
    st.text()
    | json_values.map(json.dumps)
    | st.builds(lambda n, v: command(n, interactionId=v), names, json_values)
)
def test_nothing_but_a_parse_error_comes_out_of_garbage(text: str) -> None:
    try:
        parse_command(text)
    except ParseError:
        parse_command_id(text)


# --- the prose ----------------------------------------------------------------------------------------------


def tags(union: object, field: str) -> Iterator[str]:
    for model in get_args(union):
        yield from get_args(model.model_fields[field].annotation)


def named_in_section(number: int) -> set[str]:
    """The names in the first column of the tables of a section of PROTOCOL.md."""
    section = re.split(r"^## ", PROTOCOL, flags=re.MULTILINE)[number]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_protocol_lists_every_command() -> None:
    assert named_in_section(3) - {"command"} == set(tags(Command, "command"))


def test_the_protocol_lists_every_field_of_a_command() -> None:
    section = re.split(r"^## ", PROTOCOL, flags=re.MULTILINE)[3]
    rows = {
        name: row
        for row in section.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    for model in get_args(Command):
        (name,) = get_args(model.model_fields["command"].annotation)
        for field in set(model.model_fields) - {"id", "command"}:
            assert f"`{model.model_fields[field].alias}`" in rows[name]


def test_the_protocol_lists_every_event() -> None:
    union = get_args(event.Event)[0]
    assert named_in_section(4) - {"event"} == set(tags(union, "event"))


@pytest.mark.parametrize(
    "model", [wire_view.Interaction, wire_view.Participant, wire_view.Offer, wire_view.User]
)
def test_the_protocol_lists_every_field_of_a_value(model: type[WireModel]) -> None:
    section = re.split(r"^### Values", PROTOCOL, flags=re.MULTILINE)[1].split("\n## ")[0]
    for field in model.model_fields.values():
        assert f"`{field.alias}`" in section
