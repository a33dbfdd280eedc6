"""Ids say by their prefix what they are of, and chance is handed in."""

from collections.abc import Callable

import pytest

from bridge.ids import IdSource, LegId, track_id

PREFIXES: dict[str, Callable[[IdSource], str]] = {
    "int_": IdSource.interaction,
    "prt_": IdSource.participant,
    "leg_": IdSource.leg,
    "room_": IdSource.room,
    "off_": IdSource.offer,
    "seat_": IdSource.seat,
    "cbk_": IdSource.callback,
    "lnk_": IdSource.link,
    "flow_": IdSource.flow_run,
    "pmt_": IdSource.prompt,
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_id_is_its_prefix_and_what_chance_gave(prefix: str) -> None:
    asked: list[int] = []

    def token_hex(size: int) -> str:
        asked.append(size)
        return "ab" * size

    assert PREFIXES[prefix](IdSource(token_hex)) == prefix + "ab" * 8
    assert asked == [8], "64 bits: nobody guesses one, and two are never the same"


def test_every_kind_of_id_is_tested_here() -> None:
    made = {name for name in vars(IdSource) if not name.startswith("_")}
    assert made == {make.__name__ for make in PREFIXES.values()}


def test_a_track_is_named_by_its_leg_and_section() -> None:
    assert track_id(LegId("leg_1"), "v0") == "leg_1/v0"
