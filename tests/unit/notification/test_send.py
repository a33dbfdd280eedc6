"""What is told of a failure has no secrets in it."""

import io
import signal
import sys

import msgspec
import pytest

from bridge.notification import send
from bridge.notification.send import Order, Outcome, deliver, without_secrets

# TCP port 1 of this machine: nobody listens there.
REFUSED = Order("json://user:pass-word@127.0.0.1:1/key-4711", "Subject", "Text", 5.0)
MAIL = Order(
    "mailto://bridge:pass-word@127.0.0.1:1?to=a@desk.test&from=b@desk.test&mode=insecure", "S", "T", 5.0
)


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of modules that apprise imports
@pytest.mark.parametrize("order", [REFUSED, MAIL])
def test_who_cannot_be_reached_is_a_reason_without_secrets(order: Order) -> None:
    reason = deliver(order).reason
    assert reason
    assert not any(secret in reason for secret in ("pass-word", "key-4711"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_process_reads_its_order_and_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given, said, alarms = io.BytesIO(msgspec.json.encode(REFUSED)), io.BytesIO(), list[int]()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said))
    monkeypatch.setattr(signal, "alarm", alarms.append)
    assert send.main() == 0
    assert msgspec.json.decode(said.getvalue(), type=Outcome).reason
    assert alarms == [7]
