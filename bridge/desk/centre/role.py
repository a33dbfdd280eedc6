"""In which role somebody takes part, and in which medium: queues, flows and people say so before any call."""

from enum import StrEnum


class ParticipantRole(StrEnum):
    CUSTOMER = "customer"
    AGENT = "agent"
    SME = "sme"
    SUPERVISOR = "supervisor"


class MediaType(StrEnum):
    VOICE = "voice"
    VIDEO = "video"
