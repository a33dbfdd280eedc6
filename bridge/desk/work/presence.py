"""Steps of users: going ready or away, losing and regaining the desktop."""

from bridge.desk import commands, events
from bridge.desk.centre.expert import Expert, Presence, PresenceTrigger
from bridge.desk.commands import SYSTEM
from bridge.desk.interaction.offer import OfferTrigger
from bridge.desk.settlement.settlement import settle
from bridge.desk.step import Step
from bridge.desk.work.readiness import void_proof
from bridge.desk.work.seating import return_offer
from bridge.errors import NotAllowedError
from bridge.ids import UserId

CONNECTION_LOST = "the desktop's connection was lost"
ACCOUNT_DISABLED = "the account was disabled"
NO_SUCH_ROLE = "the account does not have this role any more"
_TRIGGERS = {
    Presence.READY: PresenceTrigger.GO_READY,
    Presence.AWAY: PresenceTrigger.GO_AWAY,
    Presence.OFFLINE: PresenceTrigger.GO_OFFLINE,
}


def set_presence(step: Step, command: commands.SetPresence) -> None:
    """A user goes ready, away or offline; leaving ready takes back the offer that rings."""
    user_id, trigger = command.user_id, _TRIGGERS[command.presence]
    _check_account(step, command)
    was = step.state.experts.get(user_id)
    presence = was.next_presence(trigger) if was else command.presence
    if was is None or (was.presence, was.role, was.name) != (presence, command.role, command.name):
        step.record(events.PresenceChanged(step.now, user_id, command.name, command.role, presence, ""))
    if was is not None and was.lost_at is not None and presence is not Presence.OFFLINE:
        step.record(events.DesktopReturned(step.now, user_id))
    offer = step.state.offer_to(user_id)
    if offer is not None and presence is not Presence.READY:
        return_offer(step, offer, OfferTrigger.REJECT, user_id, f"went {presence}")


def _check_account(step: Step, command: commands.SetPresence) -> None:
    """A user without an account is whatever the token lets them be."""
    account = step.state.directory.find(command.user_id)
    if account is None:
        return
    if step.state.directory.is_disabled(command.user_id):
        raise NotAllowedError(f"the account {command.user_id} is disabled")
    if command.presence is Presence.READY and command.role.value not in account.roles:
        roles = ", ".join(account.roles)
        raise NotAllowedError(
            f"{command.user_id} cannot be ready as {command.role}: the account's roles are {roles}"
        )


def keep_to_roles(step: Step, user_id: UserId) -> None:
    """Who is ready in a role that the account has no more is rung no more; calls go on. To be ready again says in
    which role."""
    expert, account = step.state.experts.get(user_id), step.state.directory.find(user_id)
    if expert is None or account is None or expert.presence is not Presence.READY:
        return
    if expert.role.value in account.roles:
        return
    presence = expert.next_presence(PresenceTrigger.GO_AWAY)
    step.record(events.PresenceChanged(step.now, user_id, expert.name, expert.role, presence, NO_SUCH_ROLE))
    offer = step.state.offer_to(user_id)
    if offer is not None:
        return_offer(step, offer, OfferTrigger.RESCIND, SYSTEM, NO_SUCH_ROLE)


def lose_desktop(step: Step, command: commands.LoseDesktop) -> None:
    """The last connection of a user closed. What rings there rings for nobody: offer it to the next.

    Who was asked by name has no next one: it rings on, to be heard again after a reload of the page, until
    the offer or the grace period is over.
    """
    expert = step.state.experts.get(command.user_id)
    if expert is None or expert.lost_at is not None:
        return
    step.record(events.DesktopLost(step.now, command.user_id))
    void_proof(step, command.user_id, CONNECTION_LOST)
    offer = step.state.offer_to(command.user_id)
    if offer is None:
        return
    if step.interaction(offer.interaction_id).seat(offer.seat_id).user_id is None:
        return_offer(step, offer, OfferTrigger.RESCIND, SYSTEM, CONNECTION_LOST)


def return_desktop(step: Step, command: commands.ReturnDesktop) -> None:
    expert = step.state.experts.get(command.user_id)
    disabled = step.state.directory.is_disabled(command.user_id)
    if expert is not None and expert.lost_at is not None and not disabled:
        step.record(events.DesktopReturned(step.now, command.user_id))


def expire_desktops(step: Step) -> None:
    """After the grace period a lost desktop's user is offline and out of every interaction."""
    for expert in tuple(step.state.experts.values()):
        if expert.lost_at is not None and expert.lost_at + step.policy.reconnect_grace_s <= step.now:
            _take_out(step, expert)


def _take_out(step: Step, expert: Expert) -> None:
    presence = expert.next_presence(PresenceTrigger.LOSE)
    reason = ACCOUNT_DISABLED if step.state.directory.is_disabled(expert.user_id) else CONNECTION_LOST
    step.record(events.PresenceChanged(step.now, expert.user_id, expert.name, expert.role, presence, reason))
    for interaction_id in step.state.engagements_of(expert.user_id):
        participant = step.interaction(interaction_id).participant_of(expert.user_id)
        if participant is not None:
            step.disconnect(interaction_id, participant, SYSTEM, reason)
            settle(step, interaction_id)
