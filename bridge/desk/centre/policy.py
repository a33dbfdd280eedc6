"""The durations and bounds of the desk, handed down from the settings."""

import msgspec

from bridge.desk.centre.account import Account
from bridge.desk.centre.flow import Flow
from bridge.desk.centre.queue import Profile, Queue, default_queue
from bridge.ids import FlowId


class DeskPolicy(msgspec.Struct, frozen=True, gc=False):
    """Seconds, unless the name says otherwise."""

    offer_s: float = 20.0
    connect_s: float = 15.0
    reconnect_grace_s: float = 10.0
    # Without a rest the only agent would be rung again in the same second as the rejection.
    decline_rest_s: float = 30.0
    attributes_max_bytes: int = 16_384
    attributes_max: int = 64
    attribute_name_max: int = 64  # characters, as the next
    attribute_value_max: int = 4096
    consult_s: float = 300.0  # to find somebody, and then again to talk with them
    transfer_s: float = 60.0  # for a blind transfer to be answered
    max_interactions: int = 1000
    max_participants: int = 16
    missed_max: int = 1  # offers let ring out in a row that make somebody not-responding
    proof_s: float = 0.0  # how long a desktop's proof of readiness holds; 0 asks for none
    dial_s: float = 40.0  # how long a callback rings
    callback_attempts: int = 3
    callback_retry_s: float = 300.0
    queues: tuple[Queue, ...] = msgspec.field(default_factory=lambda: (default_queue(),))
    accounts: tuple[tuple[Account, Profile], ...] = ()  # the configured ones
    accounts_max: int = 10_000  # made by the API
    flows: tuple[Flow, ...] = ()
    notify_groups: frozenset[str] = frozenset()  # those with addresses: nobody else can be written to
    notices_per_hour: int = 60  # that flows may write to one group
    dials_numbers: bool = True  # False: only who has a SIP URI can be called back
    inbound_flow: FlowId | None = None  # what every call goes through; None: straight into the default queue
    ended_kept: int = 1000  # ended interactions that can still be read; the journal has them all
