"""The settings of those who sign in."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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
    """How people sign in, besides by password, and for how long."""

    token_s: Annotated[Seconds, Field(le=3600.0)] = 900.0
    session_s: Seconds = 43_200.0
    issuer: str = ""
    issuer_name: str = ""
    issuer_scopes: tuple[str, ...] = ("email", "profile")
    client_id: str = ""
    client_secret_file: str = ""
    user_claim: Literal["sub", "email", "preferred_username"] = "sub"

    @model_validator(mode="after")
    def _issuer_and_client_together(self) -> "SignIn":
        if bool(self.issuer) != bool(self.client_id):
            raise ValueError("sign_in.issuer and sign_in.client_id go together: set both or none")
        if self.issuer and not self.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("sign_in.issuer must be https: whoever answers it decides who is let in")
        return self


def trial_users(password_hash: str) -> tuple[User, ...]:
    """An agent and an expert for a first call on this machine."""
    return (
        User(id="alice", name="Alice", password_hash=password_hash),
        User(id="bob", name="Bob", roles=("sme",), password_hash=password_hash),
    )
