"""Tokens: who they speak for, and every way not to be one."""

import base64
import json
import re
from pathlib import Path

import jwt
import pytest

import signaling
from bridge.clock import ManualClock
from bridge.errors import SettingsError, UnauthorizedError
from bridge.ids import UserId
from bridge.switchboard.door.principal import INCLUDED_IN, TokenKind
from signaling.web.access.auth import SCOPES, Signer, Verifier, read_secret
from signaling.web.access.claims import LEEWAY_S

SECRET = b"0123456789abcdef0123456789abcdef"
WALL = 1_700_000_000.0


def issue(lifetime_s: float = 60.0) -> str:
    return Signer(SECRET, ManualClock(wall=WALL)).issue("alice", ["routing:write"], lifetime_s, "Alice")


def sign(secret: bytes = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    usual = {"iss": "warmbridge", "aud": "warmbridge", "sub": "alice", "exp": WALL + 60, "scope": ""}
    kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(kept, secret, algorithm)


def test_an_issued_token_tells_user_name_scopes_and_end() -> None:
    identity = Verifier(SECRET).verify(issue(), WALL)
    assert (identity.user_id, identity.name) == ("alice", "Alice")
    assert identity.scopes == {"routing:write"}
    assert identity.expires_at == WALL + 60
    assert identity.principal("con_1").connection_id == "con_1"


def test_a_token_ends_with_a_leeway_for_clocks_that_differ() -> None:
    Verifier(SECRET).verify(issue(), WALL + 60 + LEEWAY_S - 1)
    with pytest.raises(UnauthorizedError, match="expired"):
        Verifier(SECRET).verify(issue(), WALL + 60 + LEEWAY_S)


def unsigned() -> str:
    parts = [{"alg": "none"}, {"sub": "alice", "aud": "warmbridge", "iss": "warmbridge", "exp": WALL + 60}]
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
    )


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no.token.atall",
        "é.ü.ß",
        unsigned(),
        sign(secret=b"another secret, as long as the first"),
        sign(algorithm="HS512", secret=b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        sign(iss="somebody else"),
        sign(aud="something else"),
        sign(aud=None),
        sign(exp=None),
        sign(exp="tomorrow"),
        sign(exp=True),
        sign(exp=1e300),
        sign(exp=-1),
        sign(exp=float("inf")),
        sign(nbf=WALL + 3600),
        sign(nbf="x"),
        sign(sub=None),
        sign(sub=""),
        sign(sub="a" * 129),
        sign(sub="a\nb"),
        sign(scope=["routing:write"]),
        sign(name=7),
    ],
)
def test_what_is_not_our_token_is_refused(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        Verifier(SECRET).verify(token, WALL)


def test_a_secret_is_read_without_the_blanks_around_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    assert read_secret(tmp_path / "secret") == SECRET


def test_a_missing_or_short_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="secret_file"):
        read_secret(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"short")
    with pytest.raises(SettingsError, match="5 bytes"):
        read_secret(tmp_path / "short")


def test_every_scope_is_explained() -> None:
    assert all(SCOPES.values())


def test_the_page_knows_which_scope_includes_which() -> None:
    script = (Path(signaling.__path__[0]) / "static" / "bridge.js").read_text(encoding="utf-8")
    (table,) = re.findall(r"INCLUDED_IN = ({.*})", script)
    assert json.loads(table) == INCLUDED_IN


class Book:
    """An account whose rights are as the test wants them."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = frozenset(scopes)
        self.void = ""

    def why_void(self, user_id: UserId, issued_at: float, kind: TokenKind) -> str:
        return self.void

    def entitlement(self, user_id: UserId) -> frozenset[str]:
        return self.scopes

    def ready_roles(self, user_id: UserId) -> tuple[str, ...]:
        return ("agent",)


def test_a_persons_token_is_worth_what_the_account_still_has() -> None:
    book = Book("routing:write", "user:read")
    verifier = Verifier(SECRET, register=book)
    signer = Signer(SECRET, ManualClock(wall=WALL))
    personal = signer.issue_personal("alice", ["routing:write", "user:write"], 60.0, "Alice")
    identity = verifier.verify(personal, WALL)
    assert identity.scopes == {
        "routing:write"
    }  # neither more than the token says nor more than the account has
    book.scopes = frozenset()
    taken = verifier.judged(identity)
    assert taken.scopes == frozenset()
    book.scopes = frozenset({"routing:write", "user:write"})
    assert verifier.judged(taken).scopes == {"routing:write", "user:write"}
    book.void = "the account is disabled"
    with pytest.raises(UnauthorizedError, match="the account is disabled"):
        verifier.judged(taken)


def test_a_token_of_the_command_line_is_worth_what_it_says() -> None:
    assert Verifier(SECRET, register=Book()).verify(issue(), WALL).scopes == {"routing:write"}
