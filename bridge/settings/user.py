"""The settings of those who sign in."""

from typing import Annotated, Literal

from pydantic import Field

from bridge.settings.section import Section


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


def trial_users(password_hash: str) -> tuple[User, ...]:
    """An agent and an expert for a first call on this machine."""
    return (
        User(id="alice", name="Alice", password_hash=password_hash),
        User(id="bob", name="Bob", roles=("sme",), password_hash=password_hash),
    )
