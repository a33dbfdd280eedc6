"""A synthetic agent beside real phones: ready, answering, heard and measured."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.demo.verdict import HEARD_DB
from bridge.peers.hearing import SecondHeard
from tests.interop.programs import eventually

CUSTOMER_HZ = 500.0
AGENT_HZ = 800.0
EXPERT_HZ = 1300.0
TONES_HZ: Mapping[str, float] = {"customer": CUSTOMER_HZ, "agent": AGENT_HZ, "expert": EXPERT_HZ}


@contextlib.asynccontextmanager
async def desktop(
    daemon: DaemonProcess, user: str = "agent", role: str = "agent", picture_id: int | None = None
) -> AsyncIterator[SyntheticBrowser]:
    """A browser of `user` that is ready in `role` and plays the tone of that name."""
    look = Appearance((TONES_HZ[user],), TONES_HZ, picture_id)
    async with synthetic_browser(daemon.websocket_url, daemon.token(user), look) as browser:
        await browser.go_ready(role)
        yield browser


def heard_in(second: SecondHeard) -> set[str]:
    """Whose tones were heard in one second."""
    return {name for name, level in second.levels_db.items() if level > HEARD_DB}


async def hears(browser: SyntheticBrowser, *talkers: str, timeout_s: float = 30.0) -> None:
    """Waits until the last two seconds have exactly these talkers."""

    def look() -> bool:
        last = list(browser.hearing.seconds)[-2:]
        return len(last) == 2 and all(heard_in(second) == set(talkers) for second in last)

    await eventually(f"{browser.client} hears {talkers or 'nobody'}", look, timeout_s)
