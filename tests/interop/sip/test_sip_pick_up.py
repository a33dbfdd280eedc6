"""A phone rings by a call of ours, and another phone takes the call from it (RFC 3891, RFC 5359 section 2.16)."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import synthetic_caller
from tests.interop.desktop import CUSTOMER_HZ, TONES_HZ, desktop, hears
from tests.interop.linphone import Linphone, linphone
from tests.interop.programs import eventually
from tests.interop.sip.called_in import OTHER_HZ, TONES, caller_hears, joined


def dialog_of(phone: Linphone) -> str:
    """What a colleague's phone would be told of the call that rings there (RFC 4235)."""
    text = (phone.directory / "log").read_text(errors="replace")
    ringing = text[text.index("SIP/2.0 180") :]
    tags = [
        found[1] for name in ("From", "To") if (found := re.search(rf"^{name}:.*tag=(\S+)", ringing, re.M))
    ]
    call_id = re.search(r"^Call-ID: ?(\S+)", ringing, re.M | re.I)
    assert call_id is not None
    return f"{call_id[1]};to-tag={tags[0]};from-tag={tags[1]};early-only"


@pytest.mark.peer("linphone", "Replaces of a call that rings: it stops, and who picked up is heard")
async def test_a_colleague_picks_up_what_rings_at_an_experts_phone(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async with (
        linphone(tmp_path / "expert", OTHER_HZ) as expert,
        synthetic_caller((CUSTOMER_HZ,), TONES) as caller,
        synthetic_caller((OTHER_HZ,), TONES_HZ) as colleague,
        desktop(daemon) as agent,
    ):
        await caller.call(daemon.sip_uri())
        about = {"interactionId": await agent.accept_offer()}
        address = f"sip:lin@127.0.0.1:{expert.sip_port}"
        await agent.client.command("addParticipant", **about, address=address)
        await eventually(
            "it rings", lambda: "SIP/2.0 180" in (expert.directory / "log").read_text(errors="replace")
        )
        replaces = quote(dialog_of(expert), safe="")
        await colleague.call(f"{daemon.sip_uri()}?Replaces={replaces}")
        state = joined(about["interactionId"], address)
        await agent.client.wait_for(lambda event: state(event).startswith("in-session"), 10)
        await eventually("it rings no more", lambda: "ended" in expert.output())
        await eventually("the caller hears both", lambda: caller_hears(caller) == {"agent", "other"}, 10)
        await eventually(
            "so does who picked up", lambda: caller_hears(colleague) == {"agent", "customer"}, 10
        )
        await hears(agent, "customer")
        await colleague.hang_up()
        await agent.client.wait_for(lambda event: state(event).startswith("disconnected"), 10)
        await hears(agent, "customer")
