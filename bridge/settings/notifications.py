"""Who is written to, and how hard it is tried."""

from typing import Annotated

from pydantic import Field, model_validator

from bridge.settings.section import Seconds, Section, check_ids


class NotificationGroup(Section):
    """People, or chat rooms, who are written to together. The addresses are secrets: they stay in their file."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    urls_file: str = ""


class Notifications(Section):
    groups: tuple[NotificationGroup, ...] = (NotificationGroup(id="experts"),)
    per_hour: Annotated[int, Field(ge=1)] = 60
    max_pending: Annotated[int, Field(ge=1)] = 1000
    max_attempts: Annotated[int, Field(ge=1)] = 8
    first_retry_s: Seconds = 5.0
    longest_retry_s: Seconds = 300.0
    timeout_s: Seconds = 20.0
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    dead_letters_kept: Annotated[int, Field(ge=0)] = 1000

    @model_validator(mode="after")
    def _groups_have_names_of_their_own(self) -> "Notifications":
        check_ids("notifications.groups.id", [group.id for group in self.groups])
        return self
