"""Calls that end at an edge leave nothing; `make sip-edges` is the same with thousands."""

from pathlib import Path

import pytest

from bridge.peers.daemon_process import daemon_process
from tests.interop.conftest import complaints
from tests.load.edge_calls import CONFIG, PATHS, SETTINGS
from tests.load.leftovers import footprint, left_after
from tests.load.sip_edges import SHARE_MIN

CALLS = 60  # on each path; fewer than may wait for the bridge's answer at once


@pytest.mark.peer("sipp", "refused, canceled, no ACK, no BYE, reset and merged calls leave nothing")
async def test_calls_that_end_at_an_edge_leave_nothing(tmp_path: Path) -> None:
    async with daemon_process(tmp_path, SETTINGS, CONFIG) as daemon:
        before = await footprint(daemon)
        went_well = {name: await make(daemon, tmp_path, CALLS) for name, make in PATHS.items()}
        assert [name for name, count in went_well.items() if count < SHARE_MIN * CALLS] == []
        assert await left_after(daemon, before) == {}
        assert daemon.process.returncode is None
    assert complaints(daemon) == []
