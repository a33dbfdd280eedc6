"""Which interaction data a desktop shows, in which order, and what it lets one set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SidebarField:
    """One attribute. Without a `label` its name stands there; without `choices` any text may be set."""

    name: str
    label: str = ""
    choices: tuple[str, ...] = ()
    settable: bool = True


@dataclass(frozen=True)
class Sidebar:
    """`others`: attributes that are no field are shown after those that are, and may be set by name."""

    fields: tuple[SidebarField, ...] = ()
    others: bool = True
