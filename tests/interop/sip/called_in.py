"""An expert on a phone, called into a conversation: how that begins, and what is told and heard when it hands over."""

from collections.abc import Callable

from bridge.peers.browser.browser import SyntheticBrowser
from bridge.peers.browser.signaling_client import Event
from bridge.peers.daemon_process import DaemonProcess
from bridge.peers.phone.caller import SyntheticCaller
from tests.interop.desktop import TONES_HZ, heard_in, hears
from tests.interop.programs import eventually

OTHER_HZ = 1900.0
TONES = {**TONES_HZ, "other": OTHER_HZ}


async def called_in(
    daemon: DaemonProcess, caller: SyntheticCaller, agent: SyntheticBrowser, address: str
) -> dict[str, str]:
    """The customer, the agent and the phone at `address` hear each other. Names the interaction in commands."""
    await caller.call(daemon.sip_uri())
    about = {"interactionId": await agent.accept_offer()}
    await agent.client.command("addParticipant", **about, address=address)
    await hears(agent, "customer", "expert")
    return about


async def handed_over(
    caller: SyntheticCaller, agent: SyntheticBrowser, about: dict[str, str], address: str
) -> None:
    """The phone at `address` is out, and the other one talks with the customer."""
    left = joined(about["interactionId"], address)
    await agent.client.wait_for(lambda event: left(event).startswith("disconnected"), 20)
    await eventually("the caller hears both", lambda: caller_hears(caller) == {"agent", "other"}, 20)


def joined(interaction_id: str, address: str) -> Callable[[Event], str]:
    """The state, and the reason behind it, of whoever was called at `address`, as told last."""

    def state_of(event: Event) -> str:
        if event["event"] != "interactionUpdated" or event["interaction"]["interactionId"] != interaction_id:
            return ""
        called = [p for p in event["interaction"]["participants"] if p["address"] == address]
        return f"{called[-1]['state']} {called[-1]['disconnectReason']}" if called else ""

    return state_of


def caller_hears(caller: SyntheticCaller) -> set[str]:
    seconds = list(caller.hearing.seconds)
    return heard_in(seconds[-1]) if seconds else set()
