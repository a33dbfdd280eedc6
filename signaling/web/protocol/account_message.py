"""Commands and views of accounts, for the websocket and for REST."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from signaling.web.protocol.wire import CommandId, Identifier, WireModel

AccountRoleName = Literal["agent", "sme", "supervisor", "administrator"]
Roles = Annotated[tuple[AccountRoleName, ...], Field(min_length=1, max_length=4, examples=[["agent"]])]
Permissions = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
    Field(max_length=32, examples=[["queue:write"]], description="scopes beyond those of the roles"),
]
Name = Annotated[str, Field(min_length=1, max_length=128, examples=["Eve Example"])]
Email = Annotated[str, Field(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$", examples=["eve@example.org"])]
Skills = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[int, Field(ge=1, le=5)]],
    Field(max_length=64, examples=[{"Video_Escalation": 3}], description="proficiency from 1 to 5"),
]
Capacity = Annotated[int, Field(ge=1, le=16, description="interactions at once")]
ExternalIds = Annotated[
    tuple[Identifier, ...],
    Field(
        max_length=16, examples=[["00u1a2b3"]], description="what other systems, and an issuer, call the user"
    ),
]
UserName = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f\x7f]+$", examples=["eve"])
]
# NIST SP 800-63B-4 section 3.1.1.2 wants at least 8 and would have 15 where nothing else protects; here a
# throttle does. The upper bound is ours: a hash does not get better, and the body has to end somewhere.
PASSWORD_MIN, PASSWORD_MAX = 12, 256
Password = Annotated[
    str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX, examples=["correct horse battery staple"])
]


class Account(WireModel):
    """`scopes` is what a token of this user allows; one that is `configured` is changed in the configuration only."""

    user_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    scopes: tuple[str, ...]
    skills: Mapping[str, int]
    video: bool
    capacity: int
    external_ids: tuple[str, ...]
    disabled: bool
    has_password: bool
    configured: bool
    version: int


class AccountResult(WireModel):
    account: Account


class AccountsResult(WireModel):
    """A page. `next_cursor` is null on the last one."""

    accounts: tuple[Account, ...]
    next_cursor: str | None


class AccountUpdated(WireModel):
    event: Literal["accountUpdated"] = "accountUpdated"
    number: int
    account: Account


# --- commands ---------------------------------------------------------------------------------------------


class AccountWish(WireModel):
    """`video` is the licence for it. A password is set by itself, or never where an issuer signs people in."""

    user_id: UserName
    name: Name
    roles: Roles = ("agent",)
    permissions: Permissions = ()
    email: Email = ""
    skills: Skills = Field(default_factory=dict)
    video: bool = True
    capacity: Capacity = 1
    external_ids: ExternalIds = ()


class AccountChange(WireModel):
    """What is left out stays."""

    name: Name | None = None
    roles: Roles | None = None
    permissions: Permissions | None = None
    email: Email | None = None
    skills: Skills | None = None
    video: bool | None = None
    capacity: Capacity | None = None
    external_ids: ExternalIds | None = None


class PasswordWish(WireModel):
    password: Password


class CreateAccount(AccountWish):
    """Makes an account; see `AccountWish`."""

    command: Literal["createAccount"]
    id: CommandId


class ChangeAccount(AccountChange):
    """What is left out stays."""

    command: Literal["changeAccount"]
    id: CommandId
    user_id: Identifier


class SetAccountPassword(PasswordWish):
    """Tokens from before are void."""

    command: Literal["setAccountPassword"]
    id: CommandId
    user_id: Identifier


class DisableAccount(WireModel):
    """Signs the user out everywhere. A call goes on until it ends or, after the grace period, is handed over."""

    command: Literal["disableAccount"]
    id: CommandId
    user_id: Identifier


class EnableAccount(WireModel):
    command: Literal["enableAccount"]
    id: CommandId
    user_id: Identifier


class GetAccount(WireModel):
    command: Literal["getAccount"]
    id: CommandId
    user_id: Identifier


class ListAccounts(WireModel):
    """By user id."""

    command: Literal["listAccounts"]
    id: CommandId
    cursor: Annotated[str, Field(max_length=512)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200


Enrolling = (
    CreateAccount
    | ChangeAccount
    | SetAccountPassword
    | DisableAccount
    | EnableAccount
    | GetAccount
    | ListAccounts
)
