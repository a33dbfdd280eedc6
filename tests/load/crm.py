"""A CRM that changes interactions over REST, and asks again with the same key when it is not sure."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from bridge.peers.daemon_process import DaemonProcess
from tests.load.ledger import Ledger


@dataclass(frozen=True)
class Answered:
    """A request with its Idempotency-Key, and the answer that was told."""

    path: str
    key: str
    value: str
    status: int
    body: bytes


class Crm:
    """Writes down every answer it got."""

    def __init__(self, client: httpx.AsyncClient, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger
        self.answered: list[Answered] = []

    async def change(self, interaction_id: str, key: str, value: str) -> None:
        path = f"/api/v2/interactions/{interaction_id}/attributes"
        reply = await self._send(path, key, value)
        self.answered.append(Answered(path, key, value, reply.status_code, reply.content))

    async def change_all(self, prefix: str) -> None:
        """One change in every interaction that is known to live, one after the other."""
        living = [told for told in self._ledger.told.values() if told.state in ("waiting", "in-progress")]
        for number, told in enumerate(living):
            await self.change(told.interaction_id, f"{prefix}-{number}", str(number))

    async def contradictions(self, answered: list[Answered]) -> list[str]:
        """The same requests again: where the answer is another one now."""
        found = []
        for was in answered:
            reply = await self._send(was.path, was.key, was.value)
            replayed = reply.headers.get("idempotency-replayed") == "true"
            if not replayed or (reply.status_code, reply.content) != (was.status, was.body):
                found.append(f"{was.path} with key {was.key}: {was.status} before, {reply.status_code} now")
        return found

    async def _send(self, path: str, key: str, value: str) -> httpx.Response:
        return await self._client.patch(
            path, json={"attributes": {"crm": value}}, headers={"Idempotency-Key": key}
        )


@contextlib.asynccontextmanager
async def crm(daemon: DaemonProcess, ledger: Ledger) -> AsyncIterator[Crm]:
    headers = {"Authorization": f"Bearer {daemon.token('crm')}"}
    async with httpx.AsyncClient(base_url=daemon.http_url, headers=headers, trust_env=False) as client:
        yield Crm(client, ledger)
