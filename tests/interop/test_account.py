"""The real daemon lets people in by password, and signs one out in mid-call: the customer is not dropped."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from bridge.peers.browser.browser import Appearance, SyntheticBrowser, synthetic_browser
from bridge.peers.browser.signaling_client import REPLY_S
from bridge.peers.daemon_process import DaemonProcess, daemon_process
from bridge.peers.phone.caller import synthetic_caller
from signaling.web.access.secret import hash_secret
from tests.interop.test_handing_over import MUSIC_HZ, TONES_HZ, hears

PASSWORD = "correct horse battery"
USERS = "".join(
    f'[[users]]\nid = "{user}"\nroles = ["{role}"]\npassword_hash = "{hash_secret(PASSWORD)}"\n'
    for user, role in (("agent", "agent"), ("expert", "agent"), ("chief", "administrator"))
)
SIGN_IN = "/api/v2/sign-in"


async def sign_in(person: httpx.AsyncClient, user: str) -> dict[str, Any]:
    answer = await person.post(SIGN_IN, json={"user": user, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    granted: dict[str, Any] = answer.json()
    return granted


@contextlib.asynccontextmanager
async def ready(daemon: DaemonProcess, user: str, token: str) -> AsyncIterator[SyntheticBrowser]:
    async with synthetic_browser(
        daemon.websocket_url, token, Appearance((TONES_HZ[user],), TONES_HZ)
    ) as desktop:
        await desktop.go_ready("agent")
        yield desktop


async def test_the_customer_of_a_disabled_agent_talks_with_the_next_one(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path, {"desk.reconnect_grace_s": 3}, USERS) as daemon,
        httpx.AsyncClient(base_url=daemon.http_url, trust_env=False, timeout=REPLY_S) as person,
        synthetic_caller((TONES_HZ["customer"],), TONES_HZ | MUSIC_HZ) as caller,
    ):
        chief = {"Authorization": f"Bearer {(await sign_in(person, 'chief'))['accessToken']}"}
        granted = await sign_in(person, "agent")
        async with ready(daemon, "agent", granted["accessToken"]) as agent:
            await caller.call(daemon.sip_uri())
            interaction_id = await agent.accept_offer()
            await hears("the customer", caller.hearing, "agent")
            next_token = (await sign_in(person, "expert"))["accessToken"]
            async with ready(daemon, "expert", next_token) as expert:
                disabled = await person.post("/api/v2/accounts/agent/disable", headers=chief)
                assert disabled.status_code == 200, disabled.text
                assert await expert.accept_offer() == interaction_id
                await hears("the customer", caller.hearing, "expert")
                await hears("the next agent", expert.hearing, "customer")
                assert not caller.ended.is_set()
        old = {"Authorization": f"Bearer {granted['accessToken']}"}
        assert (await person.get("/api/v2/users", headers=old)).status_code == 401


async def test_who_is_disabled_stays_so_after_kill_9(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path, config=USERS) as daemon,
        httpx.AsyncClient(base_url=daemon.http_url, trust_env=False, timeout=REPLY_S) as person,
    ):
        chief = {"Authorization": f"Bearer {(await sign_in(person, 'chief'))['accessToken']}"}
        granted = await sign_in(person, "agent")
        made = {"userId": "eve", "name": "Eve", "roles": ["sme"]}
        assert (await person.post("/api/v2/accounts", json=made, headers=chief)).status_code == 201
        path = "/api/v2/accounts/eve/password"
        assert (await person.put(path, json={"password": PASSWORD}, headers=chief)).status_code == 204
        assert (await person.post("/api/v2/accounts/agent/disable", headers=chief)).status_code == 200
        await daemon.kill()
        await daemon.start_again()
        renewed = await person.post(f"{SIGN_IN}/renew", json={"refreshToken": granted["refreshToken"]})
        assert (renewed.status_code, renewed.json()["reason"]) == (401, "the account is disabled")
        assert (await sign_in(person, "eve"))["userId"] == "eve"
        refused = await person.post(SIGN_IN, json={"user": "agent", "password": PASSWORD})
        assert refused.status_code == 403
        assert (await person.get("/api/v2/accounts", headers=chief)).status_code == 200, (
            "a session outlives it"
        )
        text = daemon.log.read_text(encoding="utf-8")
        assert PASSWORD not in text
        assert "$argon2" not in text
