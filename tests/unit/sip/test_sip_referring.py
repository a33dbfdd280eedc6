"""Where a phone's REFER leads, and what the phone is told of it."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from bridge.errors import CallFailedError, ForbiddenError
from bridge.ids import LegId
from bridge.switchboard.door.doors import Referrer
from signaling.sip.door.call_leg import CallLeg
from signaling.sip.door.referring import Referrers, Referring, dialed_target
from signaling.sip.wire.message import Request, Response
from tests.unit.sip.line import names
from tests.unit.sip.test_sip_reference import InCall

if TYPE_CHECKING:
    from bridge.switchboard.door.doors import Corridor
    from signaling.sip.shell.endpoint import SipEndpoint

BOB, CALLED = "sip:bob@192.0.2.2", LegId("leg_called")


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


class Asked:
    """A corridor that is asked for one referral: `accepts` says whether it tries, `end` what comes of it."""

    def __init__(self, end: int | Exception, *, accepts: bool = True) -> None:
        self.end = end
        self.accepts = accepts
        self.asked: list[tuple[LegId, str]] = []

    async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
        self.asked.append((leg_id, target))
        if self.accepts:
            referrer.dials(CALLED)
            referrer.accepted()
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


class Shell:
    """The endpoint without sockets: what it flushes is what the phone reads."""

    def __init__(self, phone: InCall) -> None:
        self.agent = phone.raw.agent
        self.read: list[Request | Response] = []
        self._phone = phone

    def now(self) -> float:
        return self._phone.raw.now

    def flush(self) -> None:
        for message in self._phone.raw.heard():
            self.read.append(message)
            if isinstance(message, Request):
                self._phone.answer(message)


async def refer(phone: InCall, corridor: Asked) -> list[Request | Response]:
    """What the phone read after its REFER."""
    phone.refer()
    shell = Shell(phone)
    leg = CallLeg(LegId("leg_1"), phone.call, "call-1")
    referring = Referring(cast("SipEndpoint", shell), leg, Referrers(), BOB)
    await referring.run(cast("Corridor", corridor), "carol")
    assert corridor.asked == [("leg_1", "carol")]
    return shell.read


@pytest.mark.parametrize(
    ("end", "told"), [(200, b"200 OK"), (486, b"486 "), (CallFailedError("x", 603), b"500 ")]
)
async def test_a_referral_that_is_tried_is_accepted_at_once_and_its_end_told(
    end: int | Exception, told: bytes
) -> None:
    read = await refer(InCall(), Asked(end))
    assert names(read) == ["202 REFER", "NOTIFY", "NOTIFY"]
    assert told in read[-1].body


@pytest.mark.parametrize(
    ("error", "status"), [(ForbiddenError("a customer"), "603"), (RuntimeError("a mistake"), "500")]
)
async def test_a_referral_that_is_not_tried_is_refused(error: Exception, status: str) -> None:
    with capture_logs() as logged:
        read = await refer(InCall(), Asked(error, accepts=False))
    assert names(read) == [f"{status} REFER"]
    assert [line["log_level"] for line in logged] == ["error" if status == "500" else "info"]


@pytest.mark.parametrize("accepts", [True, False])
async def test_the_end_of_a_referral_of_a_call_that_is_over_is_nobodys(accepts: bool) -> None:
    phone = InCall()
    phone.refer()
    phone.send("BYE", 3)
    shell = Shell(phone)
    leg = CallLeg(LegId("leg_1"), phone.call, "call-1")
    referring = Referring(cast("SipEndpoint", shell), leg, Referrers(), BOB)
    await referring.run(cast("Corridor", Asked(200, accepts=accepts)), "carol")
    assert [message for message in shell.read if isinstance(message, Request)] == []


def test_whoever_is_called_is_told_who_sent_the_call_as_long_as_that_is_tried() -> None:
    referrers = Referrers()
    referrers.name(CALLED, BOB)
    assert referrers.headers(CALLED) == (("Referred-By", f"<{BOB}>"),)
    assert referrers.headers(LegId("leg_other")) == ()
    referrers.name(CALLED, "")
    assert referrers.headers(CALLED) == ()
    for _ in range(2):
        referrers.forget(CALLED)


async def test_two_who_send_calls_to_the_same_place_at_once_are_told_apart() -> None:
    """Each call is one leg, whose INVITE names who sent it; nothing of it stays."""
    referrers, said = Referrers(), []

    class Exchange(Asked):
        """Calls carol for each of them, and does so while both wait."""

        async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
            called = LegId(f"{leg_id}_to_{target}")
            referrer.dials(called)
            await asyncio.sleep(0)
            said.append(referrers.headers(called))
            return 200

    async with asyncio.TaskGroup() as tasks:
        for number, name in enumerate((BOB, "sip:dan@192.0.2.4", "")):
            phone = InCall()
            leg = CallLeg(LegId(f"leg_{number}"), phone.call, "call-1")
            referring = Referring(cast("SipEndpoint", Shell(phone)), leg, referrers, name)
            tasks.create_task(referring.run(cast("Corridor", Exchange(200)), "carol"))
    assert said == [(("Referred-By", f"<{BOB}>"),), (("Referred-By", "<sip:dan@192.0.2.4>"),), ()]
    assert [referrers.headers(LegId(f"leg_{number}_to_carol")) for number in range(3)] == [()] * 3
