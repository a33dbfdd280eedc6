"""What a webhook's owner may be told now, whatever they might see when it was made."""

from msgspec.structs import replace

from bridge.ids import UserId
from bridge.switchboard.door.principal import TokenKind
from signaling.web.hook.owner import Owners
from signaling.web.hook.webhook import Subscription

SCOPES = ("interaction:all", "interaction:read", "webhook:write")
HOOK = Subscription("whk_1", "dora", SCOPES, "https://crm.example/", "secret", 0.0)
PERSONAL, MACHINE = replace(HOOK, kind=TokenKind.PERSONAL), replace(HOOK, kind=TokenKind.MACHINE)


class Book:
    """One account."""

    def __init__(self, *scopes: str, void: str = "") -> None:
        self.scopes = frozenset(scopes)
        self.void = void

    def why_void(self, user_id: UserId, issued_at: float, kind: TokenKind) -> str:
        assert issued_at > 1e12, "the age of a token does not count"
        return self.void if user_id == "dora" and kind is not TokenKind.MACHINE else ""

    def entitlement(self, user_id: UserId) -> frozenset[str]:
        return self.scopes if user_id == "dora" else frozenset()


def test_rights_an_account_has_lost_are_lost_and_new_ones_are_not_added() -> None:
    owners = Owners(Book("webhook:write", "interaction:read", "user:write"), {})
    assert owners.rights(PERSONAL) == {"webhook:write", "interaction:read"}
    assert owners.why_resting(PERSONAL) == ""


def test_an_account_that_may_have_no_webhooks_any_more_tells_nothing() -> None:
    assert "webhook:write" in Owners(Book("interaction:all"), {}).why_resting(PERSONAL)


def test_an_account_that_is_disabled_or_gone_tells_nothing() -> None:
    for kind in (TokenKind.OURS, TokenKind.PERSONAL, TokenKind.FOREIGN):
        owners = Owners(Book(*SCOPES, void="the account is disabled"), {})
        assert owners.why_resting(replace(HOOK, kind=kind)) == (
            "dora, whose webhook it is: the account is disabled"
        )


def test_a_machine_keeps_what_the_configuration_gives_it_and_goes_with_it() -> None:
    narrowed = Owners(Book(), {"dora": frozenset({"webhook:write", "interaction:read"})})
    assert narrowed.rights(MACHINE) == {"webhook:write", "interaction:read"}
    assert narrowed.why_resting(MACHINE) == ""
    assert "no such client" in Owners(Book(), {}).why_resting(MACHINE)


def test_a_token_of_the_command_line_keeps_what_it_says() -> None:
    owners = Owners(Book(), {})
    assert (owners.rights(HOOK), owners.why_resting(HOOK)) == (frozenset(SCOPES), "")
