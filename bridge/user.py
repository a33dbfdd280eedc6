"""The settings of those who sign in."""

from typing import Annotated, Literal

from pydantic import Field

from bridge.section import Seconds, Section


class User(Section):
    """One `[[users]]`: somebody who may sign in. `warmbridge password` makes the hash."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
    name: Annotated[str, Field(max_length=128)] = ""
    roles: Annotated[
        tuple[Literal["agent", "sme", "supervisor", "administrator"], ...], Field(min_length=1)
    ] = ("agent",)
    permissions: tuple[str, ...] = ()
    password_hash: Annotated[str, Field(pattern=r"^(\$argon2id\$.+)?$", repr=False)] = ""
    email: Annotated[str, Field(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    external_ids: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    video: bool = True
    capacity: Annotated[int, Field(ge=1, le=16)] = 1


class SignIn(Section):
    """How long who signed in by password or issuer stays signed in."""

    token_s: Annotated[Seconds, Field(le=3600.0)] = 900.0
    session_s: Seconds = 43_200.0
