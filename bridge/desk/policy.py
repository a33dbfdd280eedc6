"""The durations and bounds of the desk, handed down from the settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DeskPolicy:
    """Seconds, unless the name says otherwise."""

    offer_s: float = 20.0
    connect_s: float = 15.0
    reconnect_grace_s: float = 10.0
    # Without a rest the only agent would be rung again in the same second as the rejection.
    decline_rest_s: float = 30.0
    attributes_max_bytes: int = 16_384
    max_interactions: int = 1000
    max_participants: int = 16
    ended_kept: int = 1000  # ended interactions that can still be read; the journal has them all
