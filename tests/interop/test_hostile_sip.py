"""SIP from a hostile stranger: refused with a status or counted and dropped; a call that is up goes on."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.peers.daemon_process import HOST, DaemonProcess
from bridge.peers.within import within
from tests.interop.hostile import (
    SDP,
    ask,
    counted,
    garbage,
    hardened,
    header,
    metrics,
    mutations,
    sip_request,
    status_of,
    tcp_exchange,
    throw,
    udp_socket,
    unharmed_call,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("hostile_sip")]

# Both processes, over all attacks but the crowd: 3 MB were measured. The garbage alone is several times more.
GROWTH_MAX_BYTES = 12 << 20
# Three hundred callers who come at once: 36 MB were measured (28 the daemon, 8 the worker), and 12 more when the same
# came again. Memories with a bound fill up by them: 16 MB of SIP trace, the texts of 10,000 events, what is kept of
# interactions that ended.
CROWD_GROWTH_MAX_BYTES = 64 << 20
KILOBYTE = 1 << 10
MEGABYTE = 1 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaemonProcess]:
    """One daemon for all attacks: what one leaves behind would show at the end."""
    async with hardened(tmp_path_factory, GROWTH_MAX_BYTES) as running:
        yield running


OPTIONS = sip_request()
REFUSED = {
    "no Max-Forwards digits": (OPTIONS.replace(b"Max-Forwards: 70", b"Max-Forwards: many"), 400),
    "CSeq of another method": (OPTIONS.replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), 400),
    "CSeq beyond 2^31": (OPTIONS.replace(b"CSeq: 1", b"CSeq: 36893488147419103232"), 400),
    "two From": (OPTIONS.replace(b"To: ", b"From: <sip:x@y>;tag=1\r\nTo: "), 400),
    "another version": (OPTIONS.replace(b" SIP/2.0\r\nVia", b" SIP/7.0\r\nVia"), 505),
    "an unknown method": (sip_request("NEWMETHOD"), 501),
    "a method nobody has here": (sip_request("PUBLISH"), 405),
    "a subscription to nothing": (sip_request("SUBSCRIBE"), 489),
    "an extension nobody has": (OPTIONS.replace(b"Max-F", b"Require: nothingSupportsThis\r\nMax-F"), 420),
    "negative Content-Length": (OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -9"), 400),
    "a body that is cut": (OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 999"), 400),
    "a NUL in the Request-URI": (OPTIONS.replace(b"sip:support@", b"sip:sup\0port@", 1), 400),
    "a header without colon": (OPTIONS.replace(b"Max-Forwards: 70", b"Max-Forwards 70"), 400),
    "three hundred headers": (OPTIONS.replace(b"Max-F", b"X: y\r\n" * 300 + b"Max-F"), 0),
    "BYE of no dialog": (sip_request("BYE"), 481),
    "CANCEL of nothing": (sip_request("CANCEL"), 481),
    "INVITE with a text body": (
        sip_request("INVITE", b"hello").replace(b"application/sdp", b"text/plain"),
        415,
    ),
    "INVITE with no SDP in it": (sip_request("INVITE", b"v=1\r\nnonsense"), 488),
    "INVITE with video only": (
        sip_request("INVITE", SDP.format(host=HOST, port=9).replace("audio", "video").encode()),
        488,
    ),
    "INVITE with codecs of Mars": (
        sip_request(
            "INVITE", SDP.format(host=HOST, port=9).replace("0 101", "96").replace("PCMU", "MARS").encode()
        ),
        488,
    ),
    "INVITE with 50 kB of attributes": (
        sip_request("INVITE", (SDP.format(host=HOST, port=9) + "a=x:" + "y" * 50_000 + "\r\n").encode()),
        488,
    ),
    "INVITE with 2000 media lines": (
        sip_request(
            "INVITE", b"v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nt=0 0\r\n" + b"m=audio 9 RTP/AVP 0\r\n" * 2000
        ),
        488,
    ),
}


async def test_what_breaks_the_rules_over_udp_is_refused_with_its_status(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    async with unharmed_call(bridge, tmp_path):
        wrong = {}
        for name, (request, status) in REFUSED.items():
            with udp_socket() as sock:
                response = await ask(sock, bridge.sip_port, request)
                if status_of(response) >= 300 and request.startswith(b"INVITE"):
                    await throw(sock, bridge.sip_port, [acknowledgement(request, response)])
            if status_of(response) != status:
                wrong[name] = status_of(response)
        assert wrong == {}


def acknowledgement(request: bytes, response: bytes) -> bytes:
    """The ACK to a refusal has the branch of its INVITE (RFC 3261 section 17.1.1.3)."""
    head = request.partition(b"Content-Type")[0].replace(b"INVITE sip", b"ACK sip", 1)
    head = head.replace(b"CSeq: 1 INVITE", b"CSeq: 1 ACK")
    to = f"To: {header(response, 'To')}".encode()
    return head.replace(f"To: <sip:support@{HOST}>".encode(), to) + b"Content-Length: 0\r\n\r\n"


async def test_garbage_over_udp_is_counted_and_dropped(bridge: DaemonProcess, tmp_path: Path) -> None:
    good = sip_request("INVITE", SDP.format(host=HOST, port=9).encode())
    responses = sip_request().replace(b"OPTIONS sip:support@127.0.0.1 SIP/2.0", b"SIP/2.0 200 OK")
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path):
        with udp_socket() as sock:
            await throw(sock, bridge.sip_port, garbage(500, 1400))
            await throw(sock, bridge.sip_port, [bytes(65_507), b"\r\n" * 30_000, b"INVITE " + b"a" * 65_000])
            await throw(sock, bridge.sip_port, [good[:cut] for cut in range(13, len(good) - 1, 5)])
            await throw(sock, bridge.sip_port, [good.replace(b"\r\n", b"\0\r\n"), b"\0" * 100 + good])
            await throw(sock, bridge.sip_port, mutations(sip_request("BYE"), 500))
            await throw(sock, bridge.sip_port, mutations(responses, 300))
        await counted(bridge, "sip_malformed_total", before["sip_malformed_total"] + 600)
        await counted(bridge, "sip_unmatched_responses_total", before["sip_unmatched_responses_total"] + 20)


async def test_invites_with_mutated_sdp_are_all_answered(bridge: DaemonProcess, tmp_path: Path) -> None:
    """Some are still good enough to be answered 200: their caller never says a word more and is given up."""
    good = SDP.format(host=HOST, port=9).encode()
    async with unharmed_call(bridge, tmp_path):
        with udp_socket() as sock:
            statuses = []
            for body in mutations(good, 60):
                request = sip_request("INVITE", body, sock.getsockname()[1])
                response = await ask(sock, bridge.sip_port, request)
                statuses.append(status_of(response))
                if status_of(response) == 200:
                    bye = request.partition(b"Content-Type")[0].replace(b"INVITE", b"BYE")
                    bye = bye.replace(b"CSeq: 1", b"CSeq: 2") + b"Content-Length: 0\r\n\r\n"
                    to = f"To: {header(response, 'To')}".encode()
                    bye = bye.replace(f"To: <sip:support@{HOST}>".encode(), to)
                    assert status_of(await ask(sock, bridge.sip_port, bye)) == 200
                elif response:
                    await throw(sock, bridge.sip_port, [acknowledgement(request, response)])
        assert set(statuses) <= {200, 400, 488}, statuses


def tcp(method: str = "OPTIONS", body: bytes = b"", length: int | None = None) -> bytes:
    return sip_request(method, body, transport="TCP", length=length)


TCP_REFUSED = {
    "no Content-Length": (tcp().replace(b"Content-Length: 0\r\n", b""), 400),
    "two Content-Lengths": (tcp().replace(b"Content-Length: 0", b"Content-Length: 0\r\nl: 7"), 400),
    "a negative Content-Length": (tcp(length=-1), 400),
    "a Content-Length beyond all bounds": (tcp(length=99_999_999_999), 513),
    "an SDP of a megabyte": (tcp("INVITE", b"v=0\r\n" + b"a=x\r\n" * (MEGABYTE // 5)), 513),
    "an endless header": (tcp().replace(b"Max-F", b"X: " + b"y" * (200 * KILOBYTE) + b"\r\nMax-F"), 0),
    "a stream of zeros": (bytes(MEGABYTE), 0),
    "a web browser": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(2000) + b"\r\n\r\n", 0),
}


async def test_what_breaks_a_tcp_stream_is_refused_if_it_can_be_and_closed(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    before = await metrics(bridge)
    async with unharmed_call(bridge, tmp_path):
        statuses = {}
        for name, (data, _) in TCP_REFUSED.items():
            statuses[name] = status_of(await tcp_exchange(bridge.sip_port, data))
        assert statuses == {name: status for name, (_, status) in TCP_REFUSED.items()}
        await counted(bridge, "sip_malformed_total", before["sip_malformed_total"] + len(TCP_REFUSED))


async def test_a_body_that_is_longer_than_it_says_breaks_only_its_own_stream(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    async with unharmed_call(bridge, tmp_path):
        # What is left of the body stands before the next method: a request that is none.
        after = sip_request(transport="TCP", tag="after")
        sent = tcp(body=b"x" * 100, length=10) + after
        received = await tcp_exchange(bridge.sip_port, sent, until=b"Call-ID: after@hostile")
        assert re.findall(rb"^SIP/2.0 (\d+)", received, re.M) == [b"200", b"400"]
        swallowed = sip_request(transport="TCP", tag="swallowed")
        last = sip_request(transport="TCP", tag="last")
        sent = tcp() + tcp(length=len(swallowed)) + swallowed + last
        shorter = await tcp_exchange(bridge.sip_port, sent, until=b"Call-ID: last@hostile")
        assert shorter.count(b"SIP/2.0 200") == 3
        assert b"swallowed" not in shorter, "it is the body of the one before"


async def test_a_message_that_drips_is_answered_and_others_do_not_wait(
    bridge: DaemonProcess, tmp_path: Path
) -> None:
    async with unharmed_call(bridge, tmp_path):
        reader, writer = await asyncio.open_connection(HOST, bridge.sip_port)
        for byte in tcp():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.002)
        assert status_of(await within(5.0, reader.readuntil(b"\r\n\r\n"))) == 200
        writer.close()


async def test_idle_tcp_connections_take_no_call_with_them(bridge: DaemonProcess, tmp_path: Path) -> None:
    async with unharmed_call(bridge, tmp_path), contextlib.AsyncExitStack() as stack:
        for _ in range(400):
            _, writer = await asyncio.open_connection(HOST, bridge.sip_port)
            stack.callback(writer.close)
            writer.write(b"OPTIONS sip:")
        await counted(bridge, "sip_connections", 400)
        assert status_of(await tcp_exchange(bridge.sip_port, tcp(), until=b"\r\n\r\n")) == 200


async def test_three_hundred_callers_at_once_are_all_served_with_music_and_leave_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """More than the mixer of a small machine can do in time: late, but it goes on and says so."""
    async with hardened(tmp_path_factory, CROWD_GROWTH_MAX_BYTES) as bridge:
        await crowd(bridge)


async def crowd(bridge: DaemonProcess) -> None:
    """All are answered and hear music; then they hang up."""
    body = SDP.format(host=HOST, port=9).encode()
    with udp_socket() as sock:
        port = sock.getsockname()[1]
        tags = [f"crowd{number}" for number in range(300)]
        await throw(sock, bridge.sip_port, [sip_request("INVITE", body, port, tag=tag) for tag in tags])
        await counted(bridge, "worker_legs", 300, timeout_s=15.0)
        ticks = (await metrics(bridge))["worker_ticks_total"]
        await asyncio.sleep(6.0)
        await counted(bridge, "worker_ticks_total", ticks + 100)
        assert (await bridge.get("/readyz"))[0] == 200
        to_tags = dialogs(sock)
        assert len(to_tags) == 300
        for tag, to in to_tags.items():
            bye = sip_request("BYE", port=port, tag=tag).replace(b"CSeq: 1", b"CSeq: 2")
            bye = bye.replace(f"To: <sip:support@{HOST}>".encode(), f"To: {to}".encode())
            assert status_of(await ask(sock, bridge.sip_port, bye)) == 200


def dialogs(sock: socket.socket) -> dict[str, str]:
    """Tag of the caller -> To of the 200, of all that waits to be read (each 200 came several times)."""
    found = {}
    with contextlib.suppress(BlockingIOError):
        while True:
            response = sock.recv(65_535)
            if status_of(response) == 200:
                found[header(response, "Call-ID").removesuffix("@hostile")] = header(response, "To")
    return found
