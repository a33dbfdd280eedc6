"""The desk: how long things may take, its queues and its flows."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.settings.section import Seconds, Section


class Queue(Section):
    """One `[[queues]]`. 0 is no limit, or never."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[str, Field(min_length=1, max_length=128)]
    role: Literal["agent", "sme"] = "agent"
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    skill_match: Literal["all", "best", "none"] = "all"
    video_enabled: bool = True
    strategy: Literal["longest-idle", "most-skilled", "fewest-handled"] = "longest-idle"
    priorities: dict[str, float] = Field(
        default_factory=lambda: {"High": 300.0, "Normal": 0.0, "Low": -300.0}
    )
    max_depth: Annotated[int, Field(ge=0)] = 0
    offer_timeout_s: Annotated[float, Field(ge=0)] = 0.0
    timeout_s: Annotated[float, Field(ge=0)] = 300.0
    wrap_up_s: Annotated[float, Field(ge=0)] = 0.0
    wrap_up_codes: tuple[str, ...] = ()
    announce_every_s: Annotated[float, Field(ge=0)] = 0.0
    announce_prompt: str = ""
    join_empty: bool = True
    leave_when_empty: bool = False
    overflow_to: Literal["", "queue", "callback"] = ""
    overflow_queue: str = ""
    overflow_depth: Annotated[int, Field(ge=0)] = 0
    overflow_wait_s: Annotated[float, Field(ge=0)] = 0.0
    notify_depth: Annotated[int, Field(ge=0)] = 0
    notify_every_s: Seconds = 300.0
    notify_groups: tuple[str, ...] = ()
    notify_subject: Annotated[str, Field(max_length=200)] = "{queue}: {depth} waiting"
    notify_text: Annotated[str, Field(max_length=4000)] = (
        "{depth} are waiting in {queue}, the longest for {longest_wait}. More than {threshold} is too many."
    )
    answer_target_s: Seconds = 20.0

    @model_validator(mode="after")
    def _overflow_is_whole(self) -> "Queue":
        if (self.overflow_to == "queue") != bool(self.overflow_queue):
            raise ValueError('overflow_to = "queue" and overflow_queue go together')
        if (self.overflow_depth or self.overflow_wait_s) and not self.overflow_to:
            raise ValueError("overflow_depth and overflow_wait_s need overflow_to")
        return self


def default_queues() -> tuple[Queue, ...]:
    """The queues of a desk that nobody configured: `config/bridge.toml` explains them."""
    return (
        Queue(id="default", name="Waiting list", timeout_s=0.0),
        Queue(
            id="escalation-video-sme",
            name="Escalation - Video SME",
            role="sme",
            skills={"Video_Escalation": 1},
            wrap_up_s=30.0,
            wrap_up_codes=("Video Session Closed", "Follow-up needed", "Callback arranged"),
            overflow_to="queue",
            overflow_queue="escalation-voice-sme",
            overflow_depth=5,
            overflow_wait_s=180.0,
            notify_depth=2,
            notify_groups=("experts",),
        ),
        Queue(
            id="escalation-voice-sme",
            name="Escalation - Voice SME",
            role="sme",
            video_enabled=False,
            wrap_up_s=30.0,
            wrap_up_codes=("Voice Session Closed", "Follow-up needed", "Callback arranged"),
        ),
    )


class Desk(Section):
    offer_timeout_s: Seconds = 20.0
    connect_timeout_s: Seconds = 15.0
    reconnect_grace_s: Seconds = 10.0
    consult_timeout_s: Seconds = 300.0
    transfer_timeout_s: Seconds = 60.0
    companion_link_s: Seconds = 900.0
    attributes_max_bytes: Annotated[int, Field(ge=256)] = 16_384
    max_interactions: Annotated[int, Field(ge=1)] = 1000
    decline_rest_s: Annotated[float, Field(ge=0)] = 30.0
    missed_offers_max: Annotated[int, Field(ge=1)] = 1
    proof_lifetime_s: Annotated[float, Field(ge=0)] = 30.0
    callback_ring_s: Seconds = 40.0
    callback_attempts: Annotated[int, Field(ge=1)] = 3
    callback_retry_s: Seconds = 300.0


class Flows(Section):
    folder: str = ""
    inbound: str = "inbound"
