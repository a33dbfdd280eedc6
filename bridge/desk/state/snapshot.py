"""The whole state of the desk as one value: what a restart begins with, instead of every event ever."""

from dataclasses import dataclass

from bridge.desk.centre.account import Account, Standing
from bridge.desk.centre.expert import Expert
from bridge.desk.centre.figures import QueueFigures
from bridge.desk.centre.queue import Profile, Queue
from bridge.desk.interaction.interaction import Interaction
from bridge.desk.interaction.offer import Offer
from bridge.ids import InteractionId, QueueId


@dataclass(frozen=True)
class DeskSnapshot:
    """`ended` are the interactions that ended and are still readable, oldest first.

    `deadlines` are the instants the desk wants to look at the clock again, whatever they are for.
    """

    interactions: tuple[Interaction, ...] = ()
    ended: tuple[InteractionId, ...] = ()
    experts: tuple[Expert, ...] = ()
    offers: tuple[Offer, ...] = ()
    forgotten: int = 0
    deadlines: tuple[float, ...] = ()
    declared: tuple[Queue, ...] = ()
    profiles: tuple[Profile, ...] = ()
    accounts: tuple[Account, ...] = ()
    standings: tuple[Standing, ...] = ()
    figures: tuple[tuple[QueueId, QueueFigures], ...] = ()
    notified_at: tuple[tuple[QueueId, float], ...] = ()
    noticed_at: tuple[tuple[str, tuple[float, ...]], ...] = ()
