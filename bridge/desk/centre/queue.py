"""A queue: who serves it, in which order, for how long one waits, and what happens when that is too long."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from bridge.desk.centre.notice import DEPTH_SUBJECT, DEPTH_TEXT
from bridge.desk.centre.role import ParticipantRole
from bridge.ids import QueueId, UserId

DEFAULT_QUEUE = QueueId("default")


class SkillMatch(StrEnum):
    """What the queue's skills mean for who is rung."""

    ALL = "all"  # only who has each of them at the wanted proficiency
    BEST = "best"  # who has most of them, and best, comes first; who has none still comes
    NONE = "none"  # skills are a note only


class Strategy(StrEnum):
    """What is asked before how long somebody has been idle, which always decides in the end."""

    LONGEST_IDLE = "longest-idle"
    MOST_SKILLED = "most-skilled"
    FEWEST_HANDLED = "fewest-handled"


class OverflowTo(StrEnum):
    QUEUE = "queue"
    CALLBACK = "callback"


class Overflow(msgspec.Struct, frozen=True, gc=False):
    """Where to when more than `depth` wait, or one waits longer than `wait_s`, or the queue's time is up."""

    to: OverflowTo
    depth: int | None = None
    wait_s: float | None = None
    queue_id: QueueId | None = None  # for `QUEUE`


class Profile(msgspec.Struct, frozen=True, gc=False):
    """What is known of a user beyond presence: set by configuration or API, never by the user."""

    user_id: UserId
    skills: Mapping[str, int] = {}  # name -> proficiency, 1 to 5
    video: bool = True  # the licence to join, or to ask for, video
    capacity: int = 1  # interactions at once
    external_ids: tuple[str, ...] = ()  # what other systems call the user

    def has(self, skills: Mapping[str, int]) -> bool:
        return all(self.skills.get(name, 0) >= level for name, level in skills.items())

    def proficiency(self, skills: Mapping[str, int]) -> int:
        """The sum of what is there of `skills`."""
        return sum(self.skills.get(name, 0) for name in skills)


class Queue(msgspec.Struct, frozen=True, gc=False):
    """Seconds, unless the name says otherwise. None is no limit, 0 for a period means never.

    The first of its limits (depth, wait, time) that is met decides where a waiting one goes, once.
    """

    queue_id: QueueId
    name: str
    role: ParticipantRole = ParticipantRole.AGENT  # who serves it
    skills: Mapping[str, int] = {}
    skill_match: SkillMatch = SkillMatch.ALL
    video_enabled: bool = True
    strategy: Strategy = Strategy.LONGEST_IDLE
    priorities: Mapping[str, float] = msgspec.field(
        default_factory=lambda: {"High": 300.0, "Normal": 0.0, "Low": -300.0}
    )
    max_depth: int | None = None
    offer_s: float | None = None  # None: the desk's
    timeout_s: float | None = 300.0
    wrap_up_s: float = 0.0
    wrap_up_codes: tuple[str, ...] = ()
    announce_every_s: float = 0.0
    announce_prompt: str = ""
    join_empty: bool = True
    leave_when_empty: bool = False
    overflow: Overflow | None = None
    notify_depth: int | None = None
    notify_every_s: float = 300.0
    notify_groups: tuple[
        str, ...
    ] = ()  # who is written to when it is said that more than `notify_depth` wait
    notify_subject: str = DEPTH_SUBJECT
    notify_text: str = DEPTH_TEXT
    answer_target_s: float = 20.0

    def head_start_s(self, attributes: Mapping[str, str]) -> float:
        """How much longer than true the wait counts, by the word in the attribute `priority`."""
        return self.priorities.get(attributes.get("priority", ""), 0.0)

    def admits(self, profile: Profile) -> bool:
        return self.skill_match is not SkillMatch.ALL or profile.has(self.skills)

    def key_of(self, profile: Profile, handled: int) -> int:
        """The one ordering key before the idle clock: smaller comes first."""
        if self.strategy is Strategy.FEWEST_HANDLED:
            return handled
        if self.strategy is Strategy.MOST_SKILLED or self.skill_match is SkillMatch.BEST:
            return -profile.proficiency(self.skills)
        return 0

    def longest_wait_s(self) -> tuple[float, ...]:
        """The waits at which something is decided here."""
        waits = (self.overflow.wait_s if self.overflow else None, self.timeout_s)
        return tuple(wait for wait in waits if wait is not None)


def default_queue() -> Queue:
    """The one waiting list of a desk without configured queues: no limit, no wrap-up, served by agents."""
    return Queue(DEFAULT_QUEUE, "Waiting list", video_enabled=True, timeout_s=None)
