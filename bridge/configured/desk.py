"""The desk's policy: how long things may take, queues, accounts and flows."""

from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.centre.queue import Overflow, OverflowTo, Queue, SkillMatch, Strategy
from bridge.desk.centre.role import ParticipantRole
from bridge.flows.library import configured_flows
from bridge.ids import FlowId, QueueId
from bridge.notification.address import AddressBook
from bridge.settings.desk import Queue as QueueSection
from bridge.settings.settings import Settings
from bridge.switchboard.door.entitlement import configured_accounts


def configured_desk(settings: Settings, book: AddressBook) -> DeskPolicy:
    desk = settings.desk
    return DeskPolicy(
        offer_s=desk.offer_timeout_s,
        connect_s=desk.connect_timeout_s,
        reconnect_grace_s=desk.reconnect_grace_s,
        attributes_max_bytes=desk.attributes_max_bytes,
        consult_s=desk.consult_timeout_s,
        transfer_s=desk.transfer_timeout_s,
        max_interactions=desk.max_interactions,
        decline_rest_s=desk.decline_rest_s,
        missed_max=desk.missed_offers_max,
        proof_s=desk.proof_lifetime_s,
        dial_s=desk.callback_ring_s,
        callback_attempts=desk.callback_attempts,
        callback_retry_s=desk.callback_retry_s,
        queues=tuple(configured_queue(queue) for queue in settings.queues),
        accounts=configured_accounts(settings.users),
        flows=configured_flows(settings),
        inbound_flow=FlowId(settings.flows.inbound) if settings.flows.inbound else None,
        dials_numbers=any(trunk.target for trunk in settings.all_trunks),
        notify_groups=book.groups,
        notices_per_hour=settings.notifications.per_hour,
    )


def configured_queue(section: QueueSection) -> Queue:
    """The desk's value of a `[[queues]]` table."""
    return Queue(
        QueueId(section.id),
        section.name,
        role=ParticipantRole(section.role),
        skills=section.skills,
        skill_match=SkillMatch(section.skill_match),
        video_enabled=section.video_enabled,
        strategy=Strategy(section.strategy),
        priorities=section.priorities,
        max_depth=section.max_depth or None,
        offer_s=section.offer_timeout_s or None,
        timeout_s=section.timeout_s or None,
        wrap_up_s=section.wrap_up_s,
        wrap_up_codes=section.wrap_up_codes,
        announce_every_s=section.announce_every_s,
        announce_prompt=section.announce_prompt,
        join_empty=section.join_empty,
        leave_when_empty=section.leave_when_empty,
        overflow=_overflow(section),
        notify_depth=section.notify_depth or None,
        notify_every_s=section.notify_every_s,
        notify_groups=section.notify_groups,
        notify_subject=section.notify_subject,
        notify_text=section.notify_text,
        answer_target_s=section.answer_target_s,
    )


def _overflow(section: QueueSection) -> Overflow | None:
    if not section.overflow_to:
        return None
    return Overflow(
        OverflowTo(section.overflow_to),
        section.overflow_depth or None,
        section.overflow_wait_s or None,
        QueueId(section.overflow_queue) if section.overflow_queue else None,
    )
