"""`warmbridge trace` asks a real door: with the daemon's own key, and with words for every mistake."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.errors import SettingsError
from bridge.ids import LegId
from bridge.settings.settings import Settings
from bridge.switchboard.door.doors import Signal
from signaling.web.protocol.wire_view import Signal as TracedSignal
from signaling.web.trace_request import fetch_trace
from tests.interop.web.front_desk import SECRET, FrontDesk, front_desk


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[FrontDesk]:
    async with front_desk() as found:
        yield found


def settings_with(key: bytes, folder: Path, **http: object) -> Settings:
    file = folder / "secret"
    file.write_bytes(key)
    return Settings.model_validate({"auth": {"secret_file": str(file)}, "http": http})


async def ask(settings: Settings, interaction_id: str, url: str = "") -> tuple[TracedSignal, ...]:
    """In a thread: the command line blocks, and the door runs here."""
    return await asyncio.to_thread(fetch_trace, settings, interaction_id, url)


async def test_the_messages_of_a_call_are_fetched_where_the_settings_say(
    desk: FrontDesk, tmp_path: Path
) -> None:
    await desk.stage.call()
    said = Signal(1000.0, LegId("leg_phone"), True, "udp", "192.0.2.7:5060", "INVITE sip:desk", "INVITE ...")
    desk.stage.doors.said.append(said)
    (interaction_id,) = desk.stage.board.live_interaction_ids()
    settings = settings_with(SECRET, tmp_path, port=desk.port)
    (signal,) = await ask(settings, interaction_id)
    assert (signal.leg_id, signal.summary, signal.received) == ("leg_phone", "INVITE sip:desk", True)


async def test_what_is_unknown_is_said_in_the_bridges_words(desk: FrontDesk, tmp_path: Path) -> None:
    settings = settings_with(SECRET, tmp_path, port=desk.port)
    with pytest.raises(SettingsError, match="404: no interaction int_0"):
        await ask(settings, "int_0")


async def test_another_key_is_not_believed(desk: FrontDesk, tmp_path: Path) -> None:
    settings = settings_with(b"k" * 32, tmp_path)
    with pytest.raises(SettingsError, match="401"):
        await ask(settings, "int_0", desk.url)


async def test_where_nobody_listens_the_remedy_is_named(tmp_path: Path) -> None:
    settings = settings_with(SECRET, tmp_path, address="0.0.0.0", port=9)
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1:9 does not answer .* is the daemon running"):
        await ask(settings, "int_0")


def test_without_a_key_of_its_own_the_daemon_knows_no_token() -> None:
    with pytest.raises(SettingsError, match=r"make a key with .* and give it to this command and to serve"):
        fetch_trace(Settings(), "int_0")
