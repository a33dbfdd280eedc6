"""What sipp sends to the letter: reliable ringing, UPDATE, and what phones do between offer and answer."""

from pathlib import Path

from bridge.peers.daemon_process import DaemonProcess
from tests.interop.sipp import sipp


async def assert_goes_well(daemon: DaemonProcess, directory: Path, scenario: str, calls: int = 1) -> None:
    result = await sipp(
        f"127.0.0.1:{daemon.sip_port}", directory, "-s", "support", scenario=scenario, calls=calls
    )
    assert (result.exit_code, result.successful, result.failed) == (0, calls, 0), result.output[-3000:]


async def test_a_caller_that_insists_on_reliable_ringing_and_holds_by_update(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    await assert_goes_well(daemon, tmp_path, "reliable.xml", calls=5)
