"""Everybody at once: two hundred desktops come back to a bridge that was killed and started again."""

import asyncio
import contextlib
import random
from pathlib import Path

from websockets.exceptions import WebSocketException

from bridge.errors import BridgeError
from bridge.peers.beside import beside
from bridge.peers.browser.signaling_client import SignalingClient, signaling_client
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from tests.interop.hostile import metrics

DESKTOPS = 200
RETRY_S = (0.5, 1.0, 2.0, 3.0)  # signaling/static/socket.js
PATIENCE_S = 120.0


class Desktop:
    """As the page does: comes back by itself, and lists what there is."""

    def __init__(self, daemon: DaemonProcess, number: int) -> None:
        self._daemon = daemon
        self._chance = random.Random(number)
        self.user = f"agent{number}"
        self.boots: list[str] = []
        self.presence: list[str] = []
        self.refused = 0

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                async with signaling_client(
                    self._daemon.websocket_url, self._daemon.token(self.user)
                ) as client:
                    failures = 0
                    await self._take_place(client)
                    await client.closed()
            except (OSError, WebSocketException, EOFError, BridgeError):
                self.refused += 1
            await asyncio.sleep(RETRY_S[min(failures, 3)] * (0.5 + self._chance.random()))
            failures += 1

    async def _take_place(self, client: SignalingClient) -> None:
        for command in ("listInteractions", "listUsers", "listQueues", "listFlows"):
            await client.command(command)
        if not self.boots:
            await client.command("setPresence", presence="ready", role="agent")
        user = (await client.command("getUser", userId=self.user))["user"]
        self.presence.append(user["presence"])
        self.boots.append(client.identity["bootId"])


async def until_all_are_there(desktops: list[Desktop], boots: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(len(desktop.boots) >= boots for desktop in desktops):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.05)


async def test_two_hundred_desktops_come_back_at_once(tmp_path: Path) -> None:
    settings = {"desk.reconnect_grace_s": PATIENCE_S, "desk.proof_lifetime_s": 0}
    async with daemon_process(tmp_path, settings) as daemon:
        desktops = [Desktop(daemon, number) for number in range(DESKTOPS)]
        async with contextlib.AsyncExitStack() as stack:
            for desktop in desktops:
                await stack.enter_async_context(beside(desktop.run()))
            await until_all_are_there(desktops, 1)
            await daemon.kill()
            await daemon.start_again()
            await until_all_are_there(desktops, 2)
            assert {desktop.presence[1] for desktop in desktops} == {"ready"}, "each is what it was"
            assert len({desktop.boots[1] for desktop in desktops}) == 1
            counted = await metrics(daemon)
            assert counted["web_connections"] == DESKTOPS
            for kind in ("slow_consumer", "stuck", "flood"):
                assert counted.get(f'web_trouble_total{{kind="{kind}"}}', 0) == 0
        assert "Traceback" not in daemon.log.read_text()
