"""An operator asks what a real phone and the bridge said; a packet analyser reads the capture."""

import asyncio
import sys
from pathlib import Path

import pytest

from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import DaemonProcess
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop, hears
from tests.interop.programs import program

CALL = ("INVITE sip:", "200 OK INVITE (sdp)", "ACK sip:", "BYE sip:", "200 OK BYE")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    return {"sip.capture_file": str(tmp_path / "sip.pcap")}


async def output_of(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def warmbridge_trace(daemon: DaemonProcess, tmp_path: Path, *arguments: str) -> tuple[int, str]:
    where = ("--url", daemon.http_url, "--set", f"auth.secret_file={tmp_path / 'secret'}")
    return await output_of(sys.executable, "-m", "bridge", "trace", *where, *arguments)


@pytest.mark.peer("baresip", "trace and capture of a call")
async def test_a_call_is_drawn_as_a_ladder_and_captured(daemon: DaemonProcess, tmp_path: Path) -> None:
    async with desktop(daemon) as agent, baresip(tmp_path / "phone", CUSTOMER_HZ) as phone:
        await phone.dial(daemon.sip_uri())
        interaction_id = await agent.accept_offer()
        await hears(agent, "customer")
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)

        status, ladder = await warmbridge_trace(daemon, tmp_path, interaction_id)
        assert status == 0, ladder
        rungs = [line for line in ladder.splitlines() if line.endswith("|") and "100 Trying" not in line]
        assert [expected for expected, rung in zip(CALL, rungs, strict=True) if expected not in rung] == []
        _, whole = await warmbridge_trace(daemon, tmp_path, "--whole", interaction_id)
        assert "m=audio" in whole

        status, complaint = await warmbridge_trace(daemon, tmp_path, "int_0000000000000000")
        assert (status, "no interaction int_0000000000000000" in complaint) == (2, True), complaint

    _, read = await output_of(program("tcpdump"), "-nn", "-A", "-r", str(tmp_path / "sip.pcap"))
    assert read.count("INVITE sip:") == 1
    assert f"127.0.0.1.{phone.sip_port} > 127.0.0.1.{daemon.sip_port}" in read
