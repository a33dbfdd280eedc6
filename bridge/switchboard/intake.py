"""What the media plane says by itself: to each part what concerns it."""

from typing import assert_never

from bridge.ids import LegId
from bridge.plane import messages
from bridge.switchboard.browser.browsers import Browsers
from bridge.switchboard.conversation.flows import Flows
from bridge.switchboard.conversation.prompts import Prompts
from bridge.switchboard.diagnosis.diagnostics import Diagnostics
from bridge.switchboard.diagnosis.equipment import Equipment
from bridge.switchboard.performance.leg import BrowserLeg, Leg, PhoneLeg
from bridge.switchboard.phone.phones import Phones
from bridge.switchboard.view.event import DigitReceived, VideoPathChosen
from bridge.switchboard.wiring import Wiring

RTP, INFO = "rtp", "info"


class Intake:
    """`receive_event` never raises for what the plane says: an event of a leg that is gone is ignored."""

    __slots__ = ("_browsers", "_diagnostics", "_equipment", "_flows", "_phones", "_prompts", "_wiring")

    def __init__(
        self,
        wiring: Wiring,
        phones: Phones,
        browsers: Browsers,
        flows: Flows,
        prompts: Prompts,
        diagnostics: Diagnostics,
    ) -> None:
        self._wiring = wiring
        self._phones = phones
        self._browsers = browsers
        self._flows = flows
        self._prompts = prompts
        self._diagnostics = diagnostics
        self._equipment = Equipment(wiring)

    def receive_event(self, event: messages.Event) -> None:
        match event:
            case messages.WorkerReady():
                self._browsers.plane_ready(event)
                self._wiring.conductor.touch_all()
            case messages.PlaybackEnded():
                self._prompts.ended(event)
            case messages.LegStatistics():
                self._diagnostics.receive(event)
            case messages.WorkerStatistics():
                self._wiring.overload.receive(event)
            case (
                messages.LegConnected()
                | messages.LegFailed()
                | messages.DtmfReceived()
                | messages.KeyFrameWanted()
                | messages.PathChosen()
            ):
                leg = self._wiring.legs.get(event.leg_id)
                if leg is not None:
                    self._receive_leg_event(leg, event)
            case _:
                return  # replies go to whoever asked

    def receive_loss(self) -> None:
        """Phones are told their new port once the next worker has given one; browsers have to rejoin."""
        self._wiring.performance.forget_plane()
        self._wiring.overload.forget()
        self._browsers.plane_lost()

    def _receive_leg_event(
        self,
        leg: Leg,
        event: (
            messages.LegConnected
            | messages.LegFailed
            | messages.DtmfReceived
            | messages.KeyFrameWanted
            | messages.PathChosen
        ),
    ) -> None:
        match event:
            case messages.LegConnected():
                self._connected(leg)
            case messages.LegFailed():
                self._failed(leg, event)
            case messages.DtmfReceived():
                self._press(leg, RTP, event.digit, event.duration_ms)
            case messages.KeyFrameWanted():
                if isinstance(leg, PhoneLeg):
                    self._wiring.performance.ask_for_picture(leg)
            case messages.PathChosen():
                self._path_chosen(leg, event)
            case _:
                assert_never(event)

    def pressed(self, leg_id: LegId, digit: str, duration_ms: int) -> None:
        """A key by SIP INFO."""
        leg = self._wiring.legs.get(leg_id)
        if isinstance(leg, PhoneLeg) and leg.committed and not leg.closing:
            self._press(leg, INFO, digit, duration_ms)

    def _press(self, leg: Leg, way: str, digit: str, duration_ms: int) -> None:
        if isinstance(leg, PhoneLeg) and not leg.keys.is_new(way, digit, self._wiring.clock.now()):
            return
        event = DigitReceived(leg.interaction_id, leg.participant_id, digit, duration_ms)
        self._wiring.announcer.tell_inside(event, leg.interaction_id)
        self._flows.dialed(leg, digit)

    def _path_chosen(self, leg: Leg, event: messages.PathChosen) -> None:
        """Told to the browser that sees it, and of a phone to everybody inside."""
        path = VideoPathChosen(leg.interaction_id, leg.leg_id, event.mid, event.path, event.reason)
        if isinstance(leg, BrowserLeg):
            self._wiring.announcer.tell_connection(path, leg.connection_id)
        else:
            self._wiring.announcer.tell_inside(path, leg.interaction_id)
        self._equipment.path_chosen(leg, event)

    def _connected(self, leg: Leg) -> None:
        if isinstance(leg, PhoneLeg):
            self._phones.media_connected(leg)
        else:
            self._browsers.media_connected(leg)

    def _failed(self, leg: Leg, event: messages.LegFailed) -> None:
        if isinstance(leg, PhoneLeg):
            if leg.ringing is not None and event.code == "rtp_timeout":
                return  # it may ring without a sound, for as long as it is let
            self._phones.fail(leg, f"{event.code}: {event.reason}")
        elif not leg.closing:
            self._browsers.end(leg, event.code, event.reason)
