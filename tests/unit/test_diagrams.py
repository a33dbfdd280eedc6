"""Every transition table is drawn, and what is drawn is the table. To renew: python -m tests.diagram."""

import importlib
import pkgutil
from collections.abc import Iterator
from enum import Enum

import pytest

import bridge
import signaling
from signaling.sip.transaction.transaction import MACHINES
from tests.diagram import PAGES, ROOT, Drawing, page


@pytest.mark.parametrize("path", PAGES)
def test_the_diagrams_are_what_the_tables_say(path: str) -> None:
    assert (ROOT / path).read_text() == page(path)


def tables() -> Iterator[tuple[str, object]]:
    """Every module's constants whose name ends in TRANSITIONS."""
    for package in (bridge, signaling):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                module = importlib.import_module(found.name)
                for name, value in vars(module).items():
                    if name.endswith("TRANSITIONS"):
                        yield f"{found.name}.{name}", value


def test_no_table_is_left_out() -> None:
    drawn = {id(drawing.transitions) for _, drawings in PAGES.values() for drawing in drawings}
    missing = [name for name, table in tables() if id(table) not in drawn]
    assert not missing
    assert {id(machine.transitions) for machine in MACHINES} <= drawn


def test_each_drawing_names_the_module_of_its_table() -> None:
    for _, drawings in PAGES.values():
        for drawing in drawings:
            state = next(iter(drawing.transitions))[0]
            assert drawing.where == type(state).__module__.replace(".", "/") + ".py"


def test_arrows_are_shared_states_without_a_way_out_are_the_end() -> None:
    class Light(Enum):
        OFF = "off"
        ON = "on"
        BROKEN = "broken"

    class Deed(Enum):
        PRESS = "press"
        KICK = "kick"
        AGE = "age"

    table = {
        (Light.OFF, Deed.PRESS): Light.ON,
        (Light.OFF, Deed.KICK): Light.ON,
        (Light.ON, Deed.AGE): Light.BROKEN,
    }
    text = Drawing("Light", "light.py", table, Light.OFF).text()
    assert text.splitlines()[4:] == [
        "```mermaid",
        "stateDiagram-v2",
        '    state "off" as OFF',
        '    state "on" as ON',
        '    state "broken" as BROKEN',
        "    [*] --> OFF",
        "    OFF --> ON: press, kick",
        "    ON --> BROKEN: age",
        "    BROKEN --> [*]",
        "```",
    ]
