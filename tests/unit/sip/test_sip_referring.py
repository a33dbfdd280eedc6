"""Where a phone's REFER leads."""

import pytest

from signaling.sip.referring import dialed_target


@pytest.mark.parametrize(
    ("target", "dialed"),
    [
        ("tel:+49301;phone-context=x", "+49301"),
        ("sip:+49301@192.0.2.1", "+49301"),
        ("sip:%2B49301;ext=5@192.0.2.1:5060", "+49301"),
        ("sip:+49301@192.0.2.1:5070", "sip:+49301@192.0.2.1:5070"),
        ("sip:carol@192.0.2.9", "sip:carol@192.0.2.9"),
        (
            "sip:carol@192.0.2.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc",
            "sip:carol@192.0.2.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc",
        ),
        ("sip:192.0.2.1", "sip:192.0.2.1"),
        ("sip:", "sip:"),
    ],
)
def test_a_phone_that_names_its_exchange_means_a_number(target: str, dialed: str) -> None:
    assert dialed_target(target, {"192.0.2.1"}, 5060) == dialed
