"""What the media worker is started with, and the sounds it is asked to play."""

import secrets

from bridge.errors import SettingsError
from bridge.plane.messages import WorkerConfig
from bridge.settings.file import prompts_directory
from bridge.settings.settings import Settings
from bridge.switchboard.door.doors import Sounds


def configured_worker(settings: Settings) -> WorkerConfig:
    rtp, webrtc = settings.rtp, settings.webrtc
    return WorkerConfig(
        ice_address=webrtc.address,
        ice_port=webrtc.port,
        ice_advertised_address=webrtc.advertised_address,
        consent_timeout_s=webrtc.consent_timeout_s,
        rtp_address=rtp.address,
        rtp_advertised_address=rtp.advertised_address,
        rtp_port_min=rtp.port_min,
        rtp_port_max=rtp.port_max,
        # A worker after another one must not begin with the ports of calls that were just up.
        rtp_port_first=rtp.port_min + secrets.randbelow(rtp.port_max - rtp.port_min),
        rtp_drain_s=rtp.drain_s,
        rtp_timeout_s=rtp.timeout_s,
        log_level=settings.log.level,
        log_format=settings.log.format,
    )


def configured_sounds(settings: Settings) -> Sounds:
    folder = prompts_directory(settings.media)
    prompts = {path.stem: str(path) for path in sorted(folder.glob("*.wav"))}
    missing = [name for name in ("connecting", "waiting", "music") if name not in prompts]
    missing += sorted({queue.announce_prompt for queue in settings.queues} - {"", *prompts, *missing})
    if missing:
        raise SettingsError(f"media.prompts: {folder} lacks {', '.join(f'{name}.wav' for name in missing)}")
    return Sounds(
        waiting=(prompts["waiting"], prompts["music"]),
        hold=prompts["music"],
        prompts=prompts,
    )
