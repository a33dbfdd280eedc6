"""What is told of a failure has no secrets in it."""

import pytest

from bridge.notification.send import without_secrets


@pytest.mark.parametrize(
    ("url", "said", "left"),
    [
        (
            "mailto://bridge:hunter22@mail.example?to=sme@example.org",
            "mail.example refused bridge/hunter22 for sme@example.org",
            "mail.example refused bridge/*** for sme@example.org",
        ),
        ("mailtos://bridge:h%40nter@mail.example", "h@nter is wrong, h%40nter too", "*** is wrong, *** too"),
        ("mailto://mail.example?user=bridge&pass=abc", "535 for abc", "535 for ***"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnl", "POST /T1JJ3T3L2/A1BRTD4JD failed", "POST /***/*** failed"),
        ("json://user:pass-word@hooks.example/key-4711", "hooks.example said 404", "*** said 404"),
    ],
)
def test_the_parts_of_an_address_that_open_doors_are_masked(url: str, said: str, left: str) -> None:
    assert without_secrets(said, url) == left
