"""The SIP door alone, on real sockets: sipp and our synthetic phone against a corridor that takes every call."""

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bridge.clock import SystemClock
from bridge.errors import (
    BridgeError,
    CallFailedError,
    CapacityError,
    ConflictError,
    ForbiddenError,
    GlareError,
    NegotiationError,
    NotFoundError,
)
from bridge.ids import NO_TRUNK, IdSource, LegId, TrunkId
from bridge.peers.phone.caller import CallerSettings, SyntheticCaller, synthetic_caller
from bridge.peers.within import within
from bridge.switchboard.door.doors import ArrivingCall, Referrer, Route
from signaling.sip.agent.settings import AgentSettings
from signaling.sip.door.call import SipDoor
from signaling.sip.shell.settings import EndpointSettings
from signaling.sip.trunk.trunk import Trunk, Trunks
from tests.interop.hostile import udp_socket
from tests.interop.programs import eventually
from tests.interop.sipp import SippResult, sipp

REFUSALS: dict[str, BridgeError] = {
    "nothing-in-common": NegotiationError("no codec"),
    "full": CapacityError("no port"),
    "unwanted": ForbiddenError("blocked"),
    "busy": ConflictError("taken"),
    "nobody": NotFoundError("no such queue"),
}


def describe(direction: str) -> str:
    """A session description of the bridge; nobody listens at its port."""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )


class Hall:
    """A corridor without a switchboard behind it: the called user says what becomes of the call."""

    def __init__(self) -> None:
        self.calls: list[ArrivingCall] = []
        self.offers: list[str] = []
        self.late_answers: list[str] = []
        self.referred: list[str] = []
        self.keys: list[tuple[str, int]] = []
        self.pictures_wanted = 0
        self.refreshed: list[LegId] = []
        self.progress: list[tuple[int, str]] = []
        self.hung: list[tuple[LegId, str]] = []

    async def arrive(self, call: ArrivingCall) -> str:
        self.calls.append(call)
        if call.called in REFUSALS:
            raise REFUSALS[call.called]
        if call.called == "slow":
            await asyncio.sleep(1.0)
        if call.called == "broken":
            raise RuntimeError("a mistake of ours")
        return describe("sendrecv")

    async def reoffer(self, leg_id: LegId, offer: str) -> str:
        self.offers.append(offer)
        if self.calls[-1].called == "thoughtful":
            await asyncio.sleep(1.0)
        return describe("recvonly" if "a=sendonly" in offer else "sendrecv")

    def answer_lost(self, leg_id: LegId, offer: str) -> None:
        """Nobody to tell."""

    async def progressed(self, leg_id: LegId, status: int, answer: str) -> None:
        self.progress.append((status, answer))

    async def late_answer(self, leg_id: LegId, answer: str) -> None:
        self.late_answers.append(answer)

    def refresh(self, leg_id: LegId) -> None:
        self.refreshed.append(leg_id)

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        self.keys.append((digit, duration_ms))

    def picture_wanted(self, leg_id: LegId) -> None:
        self.pictures_wanted += 1

    async def refer(self, leg_id: LegId, target: str, referrer: Referrer) -> int:
        self.referred.append(target)
        if target == "nobody":
            raise ForbiddenError("not you")
        referrer.dials(LegId("leg_referred"))
        referrer.accepted()
        await asyncio.sleep(0.1)
        return 200

    def expects(self, leg_id: LegId) -> bool:
        return False

    async def hung_up(self, leg_id: LegId, reason: str) -> None:
        self.hung.append((leg_id, reason))
        if reason == "internal error":
            raise RuntimeError("another mistake of ours")


class House:
    """An open door and its corridor."""

    def __init__(self, hall: Hall, door: SipDoor) -> None:
        self.hall = hall
        self.door = door
        self.address = f"127.0.0.1:{door.port}"

    def uri(self, user: str, transport: str = "udp") -> str:
        return f"sip:{user}@{self.address}" + (";transport=tcp" if transport == "tcp" else "")

    async def empty(self) -> None:
        await eventually("every call is forgotten", lambda: self.door.calls == 0)
        assert self.door.counters()["sip_calls"] == 0


def make_door(settings: EndpointSettings) -> SipDoor:
    return SipDoor(settings, SystemClock(), IdSource(secrets.token_hex), secrets.token_hex)


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    hall = Hall()
    door = make_door(EndpointSettings(port=0, agent=AgentSettings(max_calls=200)))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, hall)
        yield House(hall, door)
        door.close()


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[SyntheticCaller]:
    async with synthetic_caller((), {}) as caller:
        yield caller


def assert_clean(result: SippResult, calls: int) -> None:
    assert (result.exit_code, result.successful, result.failed) == (0, calls, 0), result.output[-3000:]


@pytest.mark.parametrize("arguments", [(), ("-t", "t1"), ("-t", "tn")], ids=["udp", "one tcp", "many tcp"])
@pytest.mark.peer("sipp", "a hundred calls at once")
async def test_a_hundred_calls_at_once(house: House, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    load = ("-r", "200", "-l", "100", "-d", "500", "-max_socket", "200")
    assert_clean(await sipp(house.address, tmp_path, *load, *arguments, calls=100), 100)
    await house.empty()
    assert len(house.hall.calls) == len(house.hall.hung) == 100


@pytest.mark.peer("sipp", "calls over a wire that loses messages")
async def test_calls_over_a_wire_that_loses_every_tenth_message(house: House, tmp_path: Path) -> None:
    arguments = ("-r", "50", "-d", "100", "-lost", "10")
    assert_clean(await sipp(house.address, tmp_path, *arguments, calls=50, timeout_s=80), 50)
    # sipp takes a repeated 200 of the INVITE for the answer to its lost BYE and walks away from that call:
    # ours rightly lasts until its ACK is overdue (tests/sim/sip shows that it ends then).
    assert house.door.calls < 10


@pytest.mark.peer("sipp", "CANCEL")
async def test_a_call_taken_back_before_its_answer(house: House, tmp_path: Path) -> None:
    assert_clean(await sipp(house.address, tmp_path, "-s", "slow", scenario="taken_back.xml", calls=3), 3)
    await house.empty()
    assert [reason for _, reason in house.hall.hung] == ["canceled"] * 3


@pytest.mark.peer("sipp", "late offer")
async def test_a_call_without_offer_gets_one(house: House, tmp_path: Path) -> None:
    assert_clean(await sipp(house.address, tmp_path, scenario="late_offer.xml", calls=3), 3)
    await house.empty()
    assert [call.offer for call in house.hall.calls] == [""] * 3
    assert ["m=audio" in answer for answer in house.hall.late_answers] == [True] * 3


@pytest.mark.parametrize("arguments", [(), ("-t", "t1")], ids=["udp", "tcp"])
@pytest.mark.peer("sipp", "requests out of turn")
async def test_requests_out_of_turn_leave_the_call_up(
    house: House, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert_clean(await sipp(house.address, tmp_path, *arguments, scenario="out_of_turn.xml", calls=3), 3)
    await house.empty()
    assert len(house.hall.offers) == 6


@pytest.mark.parametrize(
    ("user", "status"),
    [
        ("nothing-in-common", 488),
        ("full", 503),
        ("unwanted", 603),
        ("busy", 486),
        ("nobody", 404),
        ("broken", 480),
    ],
)
async def test_the_corridors_refusals_reach_the_phone(
    house: House, phone: SyntheticCaller, user: str, status: int
) -> None:
    with pytest.raises(CallFailedError) as caught:
        await phone.call(house.uri(user))
    assert caught.value.status == status
    await house.empty()
    await phone.call(house.uri("next"))  # and the door goes on
    await phone.hang_up()
    await house.empty()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_bridge_hangs_up_and_holds(house: House, phone: SyntheticCaller, transport: str) -> None:
    await phone.call(house.uri("support", transport))
    leg_id = house.hall.calls[0].leg_id
    assert house.hall.calls[0].caller == "caller"
    answer = await house.door.reoffer(leg_id, describe("sendonly"))
    assert "a=recvonly" in answer
    await house.door.hang_up(leg_id, "done")
    await within(5, phone.ended.wait())
    assert phone.ended_by == "remote"
    await house.empty()
    assert house.hall.hung == []  # it knows already


async def test_offers_that_cross_are_made_anew(house: House, phone: SyntheticCaller) -> None:
    await phone.call(house.uri("support"))
    leg_id = house.hall.calls[0].leg_id
    async with asyncio.TaskGroup() as tasks:
        ours = tasks.create_task(reoffer_until_taken(house.door, leg_id))
        theirs = tasks.create_task(hold_until_taken(phone))
    assert ours.result() + theirs.result() > 2
    await phone.hang_up()
    await house.empty()


@pytest.mark.parametrize("status", ["500 Server Internal Error", "503 Service Unavailable"])
async def test_a_phone_that_can_take_no_offer_at_this_moment_is_asked_again(
    house: House, status: str
) -> None:
    """RFC 3261 section 14.2: another offer waits for its answer there, one of the process before this one perhaps."""
    with udp_socket() as sock:
        loop, here = asyncio.get_running_loop(), f"127.0.0.1:{sock.getsockname()[1]}"

        async def say(first: str, *headers: str, body: str = "") -> None:
            lines = (first, *headers, f"Content-Length: {len(body)}", "", body)
            await loop.sock_sendto(sock, "\r\n".join(lines).encode(), ("127.0.0.1", house.door.port))

        async def hear(first: str) -> list[str]:
            while True:
                lines = (await loop.sock_recv(sock, 65535)).decode().split("\r\n")
                if lines[0].startswith(first):
                    return lines

        target = f"sip:support@127.0.0.1:{house.door.port}"
        ours = (
            f"From: <sip:raw@{here}>;tag=raw",
            "Call-ID: raw",
            f"Contact: <sip:raw@{here}>",
            "Max-Forwards: 70",
        )
        via = f"Via: SIP/2.0/UDP {here};branch=z9hG4bK"
        sdp = ("CSeq: 1 INVITE", "Content-Type: application/sdp")
        await say(
            f"INVITE {target} SIP/2.0", f"{via}1", f"To: <{target}>", *ours, *sdp, body=describe("sendrecv")
        )
        to = next(line for line in await hear("SIP/2.0 200") if line.startswith("To:"))
        await say(f"ACK {target} SIP/2.0", f"{via}2", to, *ours, "CSeq: 1 ACK")
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(reoffer_until_taken(house.door, house.hall.calls[0].leg_id))
            for answer in (status, "200 OK"):
                copied = ("Via:", "From:", "To:", "Call-ID:", "CSeq:")
                kept = [line for line in await hear("INVITE") if line.startswith(copied)]
                body = describe("sendrecv") if answer == "200 OK" else ""
                more = (ours[2], sdp[1]) if body else ("Retry-After: 1",)
                await say(f"SIP/2.0 {answer}", *kept, *more, body=body)
                await hear("ACK")
        assert asked.result() == 2
        await house.door.hang_up(house.hall.calls[0].leg_id, "")
        gone = [
            line
            for line in await hear("BYE")
            if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
        ]
        await say("SIP/2.0 200 OK", *gone)
        await house.empty()


async def reoffer_until_taken(door: SipDoor, leg_id: LegId) -> int:
    for attempt in range(1, 6):
        try:
            await door.reoffer(leg_id, describe("sendrecv"))
        except GlareError:
            continue
        return attempt
    raise AssertionError("no offer got through")


async def hold_until_taken(phone: SyntheticCaller) -> int:
    for attempt in range(1, 6):
        try:
            await phone.hold()
        except CallFailedError:
            await asyncio.sleep(2.5)  # RFC 3261 section 14.1: who made the Call-ID waits 2.1 to 4 s
            continue
        return attempt
    raise AssertionError("no offer got through")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_bridge_calls_a_phone(house: House, phone: SyntheticCaller, transport: str) -> None:
    leg_id = LegId("leg_out")
    target = phone.sip_uri + (";transport=tcp" if transport == "tcp" else "")
    answer = await house.door.dial(leg_id, Route(NO_TRUNK, target), describe("sendrecv"))
    assert "m=audio" in answer
    await phone.hang_up()
    await eventually("the corridor hears of it", lambda: house.hall.hung == [(leg_id, "hung up")])
    await house.empty()


async def test_the_bridge_calls_a_phone_that_is_taken(house: House, phone: SyntheticCaller) -> None:
    await house.door.dial(LegId("leg_1"), Route(NO_TRUNK, phone.sip_uri), describe("sendrecv"))
    with pytest.raises(CallFailedError) as caught:
        await house.door.dial(LegId("leg_2"), Route(NO_TRUNK, phone.sip_uri), describe("sendrecv"))
    assert caught.value.status == 486
    with pytest.raises(ConflictError):
        await house.door.dial(LegId("leg_1"), Route(NO_TRUNK, phone.sip_uri), describe("sendrecv"))
    await house.door.hang_up(LegId("leg_1"), "")
    await house.empty()


async def test_dialing_can_be_given_up(house: House) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        target = f"sip:nobody@127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await house.door.dial(LegId("leg_out"), Route(NO_TRUNK, target), describe("sendrecv"))


async def test_dialing_where_nobody_listens_fails(house: House) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(CallFailedError) as caught:
        await house.door.dial(
            LegId("leg_out"), Route(NO_TRUNK, f"sip:x@127.0.0.1:{port};transport=tcp"), describe("sendrecv")
        )
    assert caught.value.status == 503
    with pytest.raises(CallFailedError):
        await house.door.dial(
            LegId("leg_out"), Route(NO_TRUNK, "sip:x@no-such-host.invalid"), describe("sendrecv")
        )


async def test_dialing_a_name(house: House, phone: SyntheticCaller) -> None:
    target = phone.sip_uri.replace("127.0.0.1", "localhost")
    assert "m=audio" in await house.door.dial(LegId("leg_out"), Route(NO_TRUNK, target), describe("sendrecv"))
    await house.door.hang_up(LegId("leg_out"), "")
    await house.empty()


async def test_a_draining_door_lets_calls_end(house: House, phone: SyntheticCaller) -> None:
    await phone.call(house.uri("support"))
    house.door.drain()
    async with synthetic_caller((), {}, CallerSettings(user="late")) as late:
        with pytest.raises(CallFailedError) as caught:
            await late.call(house.uri("support"))
    assert caught.value.status == 503
    await phone.hang_up()
    await house.empty()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("treatment", "status"), [("forbid", 403), ("silence", 0)])
async def test_strangers_stay_outside(treatment: str, status: int, transport: str) -> None:
    hall = Hall()
    far = Trunks([Trunk(TrunkId("far"), ("192.0.2.0/24",))])
    door = make_door(EndpointSettings(port=0, stranger_treatment=treatment, agent=AgentSettings(trunks=far)))
    async with asyncio.TaskGroup() as tasks:
        await door.open(tasks, hall)
        with capture_logs() as lines:
            heard = await ask_options(transport, door.port)
        told = [line["host"] for line in lines if line["event"] == "x stranger refused"]
        assert told == ["127.0.0.1"] * (treatment == "forbid" or transport == "udp")
        assert heard[:12] == (f"SIP/2.0 {status} ".encode() if status else b"")
        assert hall.calls == []
        counters = door.counters()
        assert counters["sip_strangers_total"] + counters["sip_refused_connections_total"] == 1
        door.close()


async def ask_options(transport: str, port: int) -> bytes:
    """What comes back to an OPTIONS: over TCP until the other side closes, over UDP within half a second."""
    text = (
        f"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport.upper()} 127.0.0.1;branch=z9hG4bKs;rport\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: s\r\nCSeq: 1 OPTIONS\r\n"
        f"User-Agent: {'x' * 100}\r\nContent-Length: 0\r\n\r\n"  # an answer to a stranger is never longer
    )
    if transport == "tcp":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.encode())
        try:
            return await within(5, reader.read())
        except ConnectionError:
            return b""
        finally:
            writer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(asker, text.encode(), ("127.0.0.1", port))
        try:
            return await within(0.5, loop.sock_recv(asker, 2000))
        except TimeoutError:
            return b""


async def test_garbage_on_tcp_costs_its_connection_only(house: House, phone: SyntheticCaller) -> None:
    await phone.call(house.uri("support", "tcp"))
    host, port = house.address.split(":")
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" * 30_000, b"\r\n\r\n" * 5):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        with contextlib.suppress(ConnectionError):  # a reset, if it had not read everything
            writer.write_eof()
            assert (await reader.read(100)) in (b"", b"\r\n" * 5)
        writer.close()
    await phone.hold()
    await phone.hang_up()
    await house.empty()
    await eventually("the connections are gone", lambda: house.door.counters()["sip_connections"] <= 1)


async def test_keys_without_end_while_the_bridge_is_busy_cost_nothing_but_keys(house: House) -> None:
    """The end of the call must not be lost among them: a leg without a call would stay for ever."""
    loop = asyncio.get_running_loop()
    with udp_socket() as sock:
        here, there = sock.getsockname()[1], ("127.0.0.1", house.door.port)
        to = "<sip:thoughtful@127.0.0.1>"

        def say(method: str, number: int, body: str = "", kind: str = "application/sdp") -> None:
            text = (
                f"{method} sip:thoughtful@127.0.0.1 SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:fast@127.0.0.1>;tag=fast\r\nTo: {to}\r\nCall-ID: fast\r\n"
                f"CSeq: {number} {method}\r\nContact: <sip:fast@127.0.0.1:{here}>\r\n"
                f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            )
            sock.sendto(text.encode(), there)

        say("INVITE", 1, describe("sendrecv"))
        async with asyncio.timeout(5):
            while (answer := await loop.sock_recv(sock, 65_535)).startswith(b"SIP/2.0 1"):
                pass
        to = re.findall(r"(?m)^To: (.*?)\r$", answer.decode())[0]
        say("ACK", 1)
        say("INVITE", 2, describe("sendonly"))
        await eventually("the bridge thinks about it", lambda: house.hall.offers)
        for number in range(3, 103):
            say("INFO", number, "Signal=5\r\n", "application/dtmf-relay")
        say("BYE", 103)
        await eventually("the corridor hears of the end", lambda: house.hall.hung)
        await house.empty()
        assert 0 < len(house.hall.keys) < 100
        assert len(house.hall.keys) + house.door.counters()["sip_dropped_keys_total"] == 100
