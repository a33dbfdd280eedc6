"""What was told lately, kept for desktops whose socket dropped: each gets what it missed, once."""

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from bridge.switchboard.door.changes import Changes
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import DesktopEvent, InteractionUpdated, OfferMade, OfferUpdated
from signaling.web.protocol.event import serialize_event

if TYPE_CHECKING:
    from bridge.switchboard.view.view import Sketch

EVENTS_MAX = 10_000  # minutes of a busy desk
CHARACTERS_MAX = 32 * 1024 * 1024
USUAL_CHARACTERS = 2_000  # of an event beside the attributes it carries, which may be much more
RESUME_MAX_EVENTS = 500  # half of a session's queue; who missed more reads the lists anew


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where an event stands: its journal number, and which of the events with that number it is."""

    number: int
    part: int


# Ten thousand of them stay for minutes: the collector need not look at what can be in no circle.
class Told(msgspec.Struct, gc=False):
    """One event, and who could see it. Most are nobody's to miss: the text is written when it is asked for.

    `written` is the text if there is one already.
    """

    place: Place
    event: DesktopEvent
    audience: Audience
    written: str = ""
    characters: int = 0

    @property
    def text(self) -> str:
        self.written = self.written or serialize_event(self.event, self.place.part)
        return self.written


class Unread(msgspec.Struct, gc=False):
    """Changes that nobody saw. Events are made of them when somebody asks what was missed."""

    changes: Changes
    characters: int
    made: tuple[Told, ...] = ()

    @property
    def place(self) -> Place:
        """Of the last one."""
        return Place(self.changes.numbers[-1], 0)

    def told(self) -> tuple[Told, ...]:
        if not self.made:
            self.made = tuple(Told(Place(event.number, 0), event, seen_by) for event, seen_by in self.changes)
        return self.made


class Numbering:
    """Tells events of one journal number apart, in the order in which they are told."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = Place(0, 0)

    def place(self, number: int) -> Place:
        part = self._last.part + 1 if number == self._last.number else 0
        self._last = Place(number, part)
        return self._last

    def skip_to(self, number: int) -> None:
        """Events up to this one were told, each with a number of its own."""
        self._last = Place(number, 0)


class History:
    """The newest events of one boot, bounded by count and size; `dropped` counts those that gave way."""

    __slots__ = (
        "_characters",
        "_count",
        "_floor",
        "_newest",
        "_told",
        "_weighed",
        "_weight",
        "boot_id",
        "dropped",
    )

    def __init__(self, boot_id: str = "") -> None:
        self.boot_id = boot_id
        self._told: deque[Told | Unread] = deque()
        self._count = 0  # of events
        self._characters = 0
        self._floor: Place | None = None  # everything after it is here
        self._newest = Place(0, 0)
        self.dropped = 0
        self._weighed: Sketch | None = None  # the last one, which most events of a step share
        self._weight = 0

    @property
    def newest(self) -> Place:
        """Of what was told so far, by this process or the one before."""
        return self._newest

    def begin(self, last_number: int) -> None:
        """An earlier process told events up to `last_number`; they are not here."""
        if self._floor is None:
            # Whatever its parts were: numbers of this process are higher.
            self._floor = self._newest = Place(last_number, 0)

    def add(self, told: Told) -> None:
        if self._floor is None:
            self.begin(told.place.number - 1)
        told.characters = len(told.written) or self._expected_characters(told.event)
        self._keep(told, 1)

    def add_unread(self, changes: Changes) -> None:
        """What a step changed, of which nobody has seen anything."""
        if self._floor is None:
            self.begin(changes.numbers[0] - 1)
        weight = sum(map(len, changes.sketch.attributes.values()))
        self._keep(Unread(changes, len(changes) * (USUAL_CHARACTERS + weight)), len(changes))

    def _keep(self, told: Told | Unread, count: int) -> None:
        self._told.append(told)
        self._newest = told.place
        self._count += count
        self._characters += told.characters
        while self._count > EVENTS_MAX or self._characters > CHARACTERS_MAX:
            oldest = self._told.popleft()
            gone = len(oldest.changes) if isinstance(oldest, Unread) else 1
            self._count -= gone
            self._characters -= oldest.characters
            self._floor = oldest.place
            self.dropped += gone

    def since(self, place: Place) -> tuple[Told, ...] | None:
        """What was told after `place`; None if that cannot be said completely."""
        if self._floor is None or place.number < self._floor.number or place > self._newest:
            return None
        if place.number == self._floor.number and place < self._floor:
            return None
        missed: list[Told] = []
        for entry in reversed(self._told):
            if entry.place <= place:
                break
            told = entry.told() if isinstance(entry, Unread) else (entry,)
            missed += [one for one in reversed(told) if one.place > place]
        return tuple(reversed(missed))

    def _expected_characters(self, event: DesktopEvent) -> int:
        if isinstance(event, InteractionUpdated):
            sketch = event.sketch
            if sketch is not self._weighed:
                self._weighed, self._weight = sketch, sum(map(len, sketch.attributes.values()))
            return USUAL_CHARACTERS + self._weight
        if isinstance(event, OfferMade | OfferUpdated):
            return USUAL_CHARACTERS + sum(map(len, event.offer.attributes.values()))
        return USUAL_CHARACTERS
