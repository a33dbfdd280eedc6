"""What a webhook gets, and how it is signed and tried again."""

import pytest

from bridge.errors import NotAllowedError
from bridge.ids import UserId
from bridge.switchboard.door.doors import Audience
from signaling.web.hook.webhook import (
    Subscription,
    check_url,
    letter_of,
    parse_letter,
    retry_delay_s,
    signature,
)
from signaling.web.protocol.history import Place

HOOK = Subscription("whk_1", "crm", ("interaction:all",), "https://crm.example/", "secret", 0.0)


def test_the_signature_is_hmac_sha256_over_time_and_body() -> None:
    # printf '%s' '1700000000.{}' | openssl dgst -sha256 -hmac secret
    expected = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
    made = signature("secret", 1_700_000_000, b"{}")
    assert made == f"t=1700000000,v1={expected}"
    assert made != signature("secret", 1_700_000_001, b"{}")
    assert made != signature("other", 1_700_000_000, b"{}")
    assert made != signature("secret", 1_700_000_000, b"{ }")


def test_pauses_double_up_to_the_longest() -> None:
    assert [retry_delay_s(n, 1.0, 5.0) for n in range(1, 6)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert retry_delay_s(10_000, 1.0, 300.0) == 300.0


def test_a_subscription_gets_what_it_asked_for_and_its_owner_may_see() -> None:
    everything = Audience(scope="interaction:all")
    rights = frozenset(HOOK.scopes)
    assert HOOK.wants("interactionUpdated", everything, rights)
    assert not HOOK.wants("interactionUpdated", everything, frozenset())
    assert not HOOK.wants("offerMade", Audience(frozenset({UserId("alice")})), rights)
    assert HOOK.wants("offerMade", Audience(frozenset({UserId("crm")})), frozenset())
    assert HOOK.needs(everything) == "interaction:all"
    assert HOOK.needs(Audience(frozenset({UserId("crm")}), scope="interaction:all")) == ""
    some = Subscription("whk_2", "crm", ("interaction:all",), HOOK.url, "s", 0.0, events=("userUpdated",))
    assert not some.wants("interactionUpdated", everything, rights)
    paused = Subscription("whk_3", "crm", ("interaction:all",), HOOK.url, "s", 0.0, active=False)
    assert not paused.wants("interactionUpdated", everything, rights)


def test_a_letter_comes_back_as_it_was_written() -> None:
    letter = parse_letter(letter_of("userUpdated", Place(7, 1), '{"ü":1}', "interaction:all"))
    assert (letter.event, letter.number, letter.part, letter.body) == ("userUpdated", 7, 1, '{"ü":1}')
    assert letter.scope == "interaction:all"


@pytest.mark.parametrize(
    "url",
    ["ftp://x/", "https:///x", "https://u:p@x/", "https://x/#f", "x", "https://[::1", "http://x:99999/"],
)
def test_what_cannot_be_delivered_to_is_refused(url: str) -> None:
    with pytest.raises(NotAllowedError):
        check_url(url, ())


def test_hosts_may_be_listed() -> None:
    check_url("https://crm.example/hook?a=b", ("crm.example",))
    with pytest.raises(NotAllowedError, match="allowed_hosts"):
        check_url("https://evil.example/", ("crm.example",))
