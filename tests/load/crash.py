"""`make crash`: kill -9, again and again, and whether the bridge kept what it had told anybody.

A real daemon, phones over real SIP and RTP, agents over real websockets and WebRTC. The last line of the
output is a JSON object. Exit code 1 if a promise was broken, or if a run without a journal broke none.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.peers.browser.loopback import gather_only
from bridge.peers.daemon_process import HOST, DaemonProcess, daemon_process
from tests.load.crm import crm
from tests.load.crowd import AWAY, Agent, Phone, Supervisor, quietly, supervisor, until
from tests.load.ledger import Findings, Interaction, Ledger

IN_MEMORY = "sqlite+aiosqlite:///:memory:"
BURST = 40  # commands on their way when every second kill comes
BACK_S = 15.0  # a leg that has no media again by then did not come back
SETTLE_S = 25.0
AGENTS = {"alice": 600.0, "bob": 750.0}


@dataclass
class Report:
    """Sums over all kills."""

    kills: int = 0
    findings: Findings = field(default_factory=Findings)
    ready_s: list[float] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)  # from ready to media again, of each leg that came back
    phone_legs: int = 0
    phone_legs_back: int = 0
    browser_legs: int = 0
    browser_legs_back: int = 0
    interactions: int = 0
    commands: int = 0
    answers: int = 0
    troubles: list[str] = field(default_factory=list)  # the test itself could not do what it meant to

    def figures(self) -> dict[str, object]:
        found = self.findings
        return {
            "kills": self.kills,
            "lost_interactions": len(found.lost),
            "order_errors": len(found.order),
            "clock_error_ms_max": found.clock_error_ms,
            "ready_s_max": round(max(self.ready_s, default=0.0), 2),
            "legs_back": self.phone_legs_back + self.browser_legs_back,
            "legs_total": self.phone_legs + self.browser_legs,
            "phone_legs_back": self.phone_legs_back,
            "browser_legs_back": self.browser_legs_back,
            "back_s_max": round(max(self.back_s, default=0.0), 2),
            "lost_writes": len(found.notes),
            "lost_answers": len(found.answers),
            "unanswered_invites": len(found.unanswered),
            "interactions": self.interactions,
            "commands": self.commands,
            "answers": self.answers,
            "troubles": len(self.troubles),
        }

    def complaints(self) -> list[str]:
        found = self.findings
        return [
            *found.lost,
            *found.order,
            *found.notes,
            *found.answers,
            *found.unanswered,
            *self.troubles,
        ]


class Stage:
    """One daemon, its crowd, and what happens between two kills."""

    def __init__(self, daemon: DaemonProcess, chance: random.Random, phones: int) -> None:
        self._daemon = daemon
        self._chance = chance
        self._wanted = phones
        self._phones: list[Phone] = []
        self._serial = 0
        self.ledger = Ledger()
        self.report = Report()
        self.agents = [Agent(name, hz, daemon, self.ledger) for name, hz in AGENTS.items()]

    async def round(self, *, in_burst: bool) -> None:
        """Everybody settles, the bridge is killed and comes back, and is asked."""
        await self._settle()
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(supervisor(self._daemon, self.ledger))
            office = await stack.enter_async_context(crm(self._daemon, self.ledger))
            await client.list_interactions()
            await client.burst(self._chance, 5)
            await office.change_all(f"calm-{self.report.kills}")
            await asyncio.sleep(self._chance.uniform(0.1, 1.0))
            burst: list[asyncio.Task[None]] = []
            if in_burst:
                works = [*await self._burst(client), office.change_all(f"burst-{self.report.kills}")]
                burst = [asyncio.get_running_loop().create_task(quietly(work)) for work in works]
                await asyncio.sleep(self._chance.uniform(0.0, 0.15))
            await self._kill(burst)
        async with crm(self._daemon, self.ledger) as again:
            self.report.answers += len(office.answered)
            self.report.findings.answers += await again.contradictions(office.answered)
        self.report.kills += 1

    async def aclose(self) -> None:
        for phone in self._phones:
            await phone.aclose()
        self.report.interactions = len(self.ledger.told)
        self.report.commands = sum(told.sent for told in self.ledger.told.values())

    # --- before -------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """As many calls as wanted are up, and each agent is in one."""
        for phone in [phone for phone in self._phones if not phone.is_up]:
            self._phones.remove(phone)
            await phone.aclose()
        while len(self._phones) < self._wanted:
            await (await self._new_phone()).dial(self._daemon.sip_uri())
        if not await until(lambda: all(agent.is_connected for agent in self.agents), SETTLE_S):
            self.report.troubles.append("not every agent was in a call before the kill")

    async def _new_phone(self) -> Phone:
        self._serial += 1
        phone = Phone(f"caller{self._serial}", self.ledger)
        await phone.open()
        self._phones.append(phone)
        return phone

    async def _burst(self, client: Supervisor) -> list[Coroutine[object, object, None]]:
        """Commands, new calls and a caller who gives up, all at once."""
        new = [await self._new_phone() for _ in range(2)]
        leaving = self._chance.choice(self._phones[:-2])
        dials = [phone.dial(self._daemon.sip_uri()) for phone in new]
        return [client.burst(self._chance, BURST), *dials, leaving.hang_up()]

    # --- the kill, and after ------------------------------------------------------------------------------

    async def _kill(self, burst: Sequence["asyncio.Task[None]"]) -> None:
        connected = [phone for phone in self._phones if phone.is_up]
        inside = [agent for agent in self.agents if agent.is_connected]
        await self._daemon.kill()
        self.report.ready_s.append(await self._daemon.start_again())
        ready_at = asyncio.get_running_loop().time()
        # By now what the dead process sent has been read: what comes from here on is of the new one.
        up = {phone: phone.packets for phone in connected}
        back = asyncio.get_running_loop().create_task(self._watch_back(up, inside, ready_at))
        await asyncio.gather(*burst)
        async with supervisor(self._daemon, self.ledger) as client:
            self.report.findings.add(await self._ask(client))
            await back
            await self._check_service(client)

    async def _ask(self, client: Supervisor) -> Findings:
        """Compares what was told with what the API says, before what it says is taken as told."""
        result = await client.client.command("listInteractions")
        found: dict[str, Interaction | None] = {i["interactionId"]: i for i in result["interactions"]}
        for id_, told in self.ledger.told.items():
            if id_ not in found and told.state != "ended":
                found[id_] = await client.find(id_)
        findings = self.ledger.compare(found)
        for id_, interaction in found.items():
            if interaction is None:
                del self.ledger.told[id_]  # told once; the next kill need not tell it again
                continue
            self.ledger.receive_interaction(interaction)
        return findings

    async def _watch_back(self, up: dict[Phone, int], agents: Sequence[Agent], ready_at: float) -> None:
        report = self.report
        report.phone_legs += len(up)
        report.browser_legs += len(agents)

        def time_of(leg_is_back: bool) -> bool:
            if leg_is_back:
                report.back_s.append(asyncio.get_running_loop().time() - ready_at)
            return leg_is_back

        async def phone_back(phone: Phone, packets: int) -> bool:
            heard = await until(lambda: phone.packets > packets + 10, BACK_S)
            return time_of(heard and phone.is_up) or phone.call.hung_up

        async def agent_back(agent: Agent) -> bool:
            return time_of(await until(lambda: agent.is_connected, BACK_S))

        phones = await asyncio.gather(*(phone_back(phone, packets) for phone, packets in up.items()))
        report.phone_legs_back += sum(phones)
        report.browser_legs_back += sum(await asyncio.gather(*(agent_back(agent) for agent in agents)))

    async def _check_service(self, client: Supervisor) -> None:
        """The queue in deeds: when an agent is free, whoever was told to wait longest is offered next."""
        await client.list_interactions()
        waiting = [told.interaction_id for told in self.ledger.waiting()]
        agent = next((agent for agent in self.agents if agent.interaction_id), None)
        if agent is None or not waiting:
            return
        told = self.ledger.told[agent.interaction_id]
        for phone in self._phones:
            if phone.call.caller == told.caller:
                phone.call.hung_up = True  # nothing is owed to it from here on
        offered = len(agent.offered)
        with contextlib.suppress(*AWAY):
            await client.client.command("endInteraction", interactionId=agent.interaction_id)
        if not await until(lambda: len(agent.offered) > offered, SETTLE_S):
            self.report.troubles.append(f"{agent.name} was offered nobody after the restart")
        elif agent.offered[offered] != waiting[0]:
            self.report.findings.order.append(f"{agent.offered[offered]} was served before {waiting[0]}")


@contextlib.asynccontextmanager
async def stage(directory: Path, seed: int, phones: int, journal_url: str) -> AsyncIterator[Stage]:
    settings: dict[str, object] = {"http.messages_per_second": 500}
    if journal_url:
        settings["journal.url"] = journal_url
    async with daemon_process(directory, settings) as daemon:
        set_up = Stage(daemon, random.Random(seed), phones)
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(agent.run()) for agent in set_up.agents]
            try:
                yield set_up
            finally:
                for task in working:
                    task.cancel()
                await set_up.aclose()


async def crash(directory: Path, kills: int, seed: int, phones: int = 6, journal_url: str = "") -> Report:
    """Kills `kills` times, every second time inside a burst of commands."""
    gather_only(HOST)
    async with stage(directory, seed, phones, journal_url) as set_up:
        for number in range(kills):
            await set_up.round(in_burst=number % 2 == 1)
    log = (directory / "daemon.log").read_text(errors="replace")
    if "Traceback" in log:
        set_up.report.troubles.append(log[log.index("Traceback") :][:4000])
    return set_up.report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--phones", type=int, default=6)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--journal", default="", help="its URL; default: a new SQLite file")
    parser.add_argument("--directory", type=Path, help="where journal and logs stay; default: they do not")
    parser.add_argument("--off", action="store_true", help="only the run without a journal")
    options = parser.parse_args()
    figures: dict[str, object] = {"seed": options.seed}
    complaints: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = options.directory or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="warmbridge-crash-")
        )
        if not options.off:
            report = asyncio.run(
                crash(Path(folder), options.kills, options.seed, options.phones, options.journal)
            )
            figures |= report.figures()
            complaints += report.complaints()
        off = Path(folder) / "off"
        off.mkdir()
        forgetful = asyncio.run(crash(off, 1, options.seed, options.phones, IN_MEMORY))
    lost = len(forgetful.findings.lost)
    figures = {**(forgetful.figures() if options.off else figures), "lost_without_journal": lost}
    if not lost:
        complaints.append("without a journal nothing was lost: the test measures nothing")
    for line in complaints:
        print(line, file=sys.stderr)  # noqa: T201
    print(json.dumps(figures))  # noqa: T201
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
