"""A letter as it lies in the outbox, and which events bring one about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bridge.desk import events


class Letter(msgspec.Struct, frozen=True):
    """`address` is the name of one in `group`: an outbox holds no passwords."""

    group: str
    address: str
    subject: str
    text: str


@dataclass(frozen=True)
class DeadLetter:
    """A letter that was given up."""

    notification_id: int
    group: str
    address: str
    subject: str
    text: str
    attempts: int
    reason: str


@dataclass(frozen=True)
class Notice:
    """What a whole group is to read."""

    group: str
    subject: str
    text: str


def notices_of(happened: Sequence[events.DeskEvent]) -> Iterator[Notice]:
    for event in happened:
        match event:
            case events.QueueDepthExceeded():
                for group in event.notify:
                    yield Notice(group, event.subject, event.text)
            case events.NotificationAsked():
                yield Notice(event.group, event.subject, event.text)
            case _:
                pass


def serialize_letter(letter: Letter) -> bytes:
    return msgspec.json.encode(letter)


def parse_letter(body: bytes) -> Letter:
    return msgspec.json.decode(body, type=Letter)
