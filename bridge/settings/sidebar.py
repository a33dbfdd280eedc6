"""What the page shows of an interaction's data, and what it lets one set."""

from typing import Annotated

from pydantic import Field, model_validator

from bridge.settings.section import Section, check_ids

Choice = Annotated[str, Field(min_length=1, max_length=256)]


class SidebarField(Section):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    label: Annotated[str, Field(max_length=64)] = ""
    choices: Annotated[tuple[Choice, ...], Field(max_length=64)] = ()
    settable: bool = True


class Sidebar(Section):
    others: bool = True
    fields: Annotated[tuple[SidebarField, ...], Field(max_length=64)] = (
        SidebarField(name="escalation_reason", label="Reason"),
        SidebarField(name="escalation_context", label="Context"),
        SidebarField(name="case_number", label="Case"),
        SidebarField(name="priority", label="Priority"),
        SidebarField(name="customer_video_capable", label="Caller's video", settable=False),
        SidebarField(name="customer_video_reason", label="Why none", settable=False),
    )

    @model_validator(mode="after")
    def _each_is_there_once(self) -> "Sidebar":
        check_ids("sidebar.fields.name", [field.name for field in self.fields])
        return self
