"""A real phone whose keys come as tones in its sound, as old exchanges send them."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bridge.codec.dtmf import tone_frame
from bridge.codec.sample import to_pcm16
from bridge.peers.browser.signaling_client import has_ended
from bridge.peers.daemon_process import daemon_process
from tests.interop.baresip import baresip
from tests.interop.desktop import CUSTOMER_HZ, desktop
from tests.interop.programs import eventually

CONFIG = '[[trunks]]\nid = "t"\nnetworks = ["127.0.0.0/8"]\ndtmf = "inband"\n'
KEYS = "1290*#"
TICKS = 5


def write_keys(path: Path) -> None:
    """Six seconds for the call to come up, then the keys, then silence."""
    silence = [np.zeros(160, np.float32)]
    frames = silence * 300
    for key in KEYS:
        frames += [tone_frame(key, tick, TICKS, 8000) for tick in range(TICKS)] + silence * TICKS
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(to_pcm16(np.concatenate(frames + silence * 1500)).tobytes())


@pytest.mark.peer("baresip", "digits as tones")
async def test_keys_in_the_sound_of_a_phone_arrive_once_each_and_in_order(tmp_path: Path) -> None:
    async with (
        daemon_process(tmp_path, config=CONFIG) as bridge,
        desktop(bridge) as agent,
        baresip(tmp_path / "phone", CUSTOMER_HZ) as phone,
    ):
        write_keys(tmp_path / "phone" / "tone.wav")
        await phone.dial(bridge.sip_uri())
        await agent.accept_offer()

        def digits() -> str:
            heard = agent.client.events
            return "".join(each.event["digit"] for each in heard if each.event["event"] == "digitReceived")

        await eventually("the keys are heard", lambda: len(digits()) >= len(KEYS), 15.0)
        assert digits() == KEYS
        assert "telephone-event" not in phone.log().partition("SIP/2.0 200 OK")[2].partition("ACK sip")[0]
        await phone.hang_up()
        await agent.client.wait_for(has_ended, 30.0)
