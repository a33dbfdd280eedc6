"""Keys that go to a phone by INFO: each once, in their order, the next when the last was answered."""

import pytest

from bridge.errors import CapacityError, NotAllowedError, NotFoundError
from signaling.sip.agent.request.key_sender import MAX_KEYS
from signaling.sip.wire.message import Request, Response
from tests.unit.sip.line import names
from tests.unit.sip.test_sip_reference import InCall


def press(phone: InCall, keys: str) -> list[Request | Response]:
    phone.raw.agent.press(phone.call, keys, phone.raw.now)
    return phone.raw.heard()


def signal(message: Request | Response) -> str:
    assert (names([message]), message.first("Content-Type")) == (["INFO"], "application/dtmf-relay")
    return message.body.decode().split("\r\n")[0].removeprefix("Signal=")


def refused(phone: InCall) -> int:
    return phone.raw.agent.counters()["sip_refused_keys"]


def test_keys_go_one_after_the_other() -> None:
    phone = InCall()
    heard = press(phone, "1*")
    assert press(phone, "D") == []  # behind those on their way
    keys = ""
    while heard:
        (info,) = heard
        keys += signal(info)
        assert b"Duration=160" in info.body
        phone.answer(info)
        heard = phone.raw.heard()
    assert (keys, refused(phone)) == ("1*D", 0)
    (again,) = press(phone, "7")
    assert signal(again) == "7"


def test_a_key_that_is_lost_is_said_again_and_the_next_one_waits() -> None:
    phone = InCall()
    (info,) = press(phone, "12")
    assert {signal(copy) for copy in phone.raw.wait(3)} == {"1"}
    phone.answer(info)
    assert signal(phone.raw.heard()[0]) == "2"


@pytest.mark.parametrize("status", ["415 Unsupported Media Type", "405 Method Not Allowed"])
def test_a_phone_that_takes_no_keys_gets_no_more_of_them(status: str) -> None:
    phone = InCall()
    (info,) = press(phone, "1234")
    phone.answer(info, status)
    assert (phone.raw.heard(), refused(phone)) == ([], 4)
    assert phone.raw.agent.calls() == (phone.call,)


def test_a_phone_that_does_not_answer_costs_its_keys_and_not_its_call() -> None:
    phone = InCall()
    press(phone, "12")
    phone.raw.wait(40)
    assert refused(phone) == 2
    assert phone.raw.agent.calls() == (phone.call,)


def test_the_call_may_end_between_two_keys() -> None:
    phone = InCall()
    (info,) = press(phone, "12")
    assert names(phone.send("BYE", 2)) == ["200 BYE"]
    phone.answer(info)
    assert phone.raw.heard() == []
    with pytest.raises(NotFoundError):
        press(phone, "3")


@pytest.mark.parametrize(
    ("keys", "error"),
    [("1x", NotAllowedError), ("5" * (MAX_KEYS + 1), CapacityError), ("\r\n", NotAllowedError)],
)
def test_what_is_no_key_or_too_many_sends_nothing(keys: str, error: type[Exception]) -> None:
    phone = InCall()
    with pytest.raises(error) as raised:
        press(phone, keys)
    assert keys not in str(raised.value)
    assert phone.raw.heard() == []


def test_a_call_that_is_about_to_end_takes_no_keys() -> None:
    phone = InCall()
    phone.raw.agent.hang_up(phone.call, "", 0.0)
    phone.raw.heard()
    with pytest.raises(NotAllowedError):
        press(phone, "1")
