"""The composition root: builds all parts, runs them, drains them."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Iterator, Mapping

import structlog

from bridge import collector
from bridge.chance import Chance
from bridge.clock import ContinuedClock, SystemClock
from bridge.configured.desk import configured_desk
from bridge.configured.media import configured_worker
from bridge.configured.sign_in import (
    check_scopes,
    configured_issuer,
    configured_secret,
    configured_sign_in_issuer,
)
from bridge.configured.sip import configured_endpoint
from bridge.configured.switchboard import configured_switchboard
from bridge.desk.desk import Desk
from bridge.errors import BridgeError, SettingsError, cannot_listen
from bridge.ids import IdSource, LegId
from bridge.journal.answer import JournaledAnswers
from bridge.journal.journal import Journal, JournalError
from bridge.journal.leg_memory import LegMemory
from bridge.journal.outbox import Outbox
from bridge.journal.retention import Retention
from bridge.negotiation.phone.transport import derived_keys
from bridge.notification.address import read_address_book
from bridge.notification.notifications import Notifications
from bridge.notify import Notifier
from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from bridge.plane.lasting import LastingPlane
from bridge.plane.worker_process import WorkerProcess, raise_descriptor_limit
from bridge.settings.settings import Settings
from bridge.switchboard.switchboard import Switchboard
from signaling.sip.door.call import SipDoor
from signaling.sip.session.memory import returning_legs
from signaling.web.access.auth import CompanionSigner, Signer, Verifier
from signaling.web.access.secret import SecretCheck
from signaling.web.access.sign_in import SignIn
from signaling.web.access.token import TokenEndpoint, scopes_of_clients
from signaling.web.app import WebDoor, WebParts
from signaling.web.hook.owner import Owners
from signaling.web.hook.webhooks import WebhookParts, Webhooks
from signaling.web.http.metrics import Metrics

log = structlog.get_logger()

DRAIN_POLL_S = 0.2
DAY_S = 86_400.0


class Daemon:
    """All parts of one bridge. `run` returns when it was asked to stop and has drained."""

    def __init__(
        self, settings: Settings, notifier: Notifier, first_worker: WorkerProcess | None = None
    ) -> None:
        self._settings = settings
        self._notifier = notifier
        self._clock = ContinuedClock(SystemClock())
        self._metrics = Metrics()
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._http_port = 0
        self._plane = LastingPlane(
            self._next_worker, self._take_event, self._clock, settings.worker.start_timeout_s, first_worker
        )
        self._journal = Journal(
            settings.journal.url,
            self._clock,
            secrets.token_hex(8),
            settings.journal.synchronous,
            settings.journal.patience_s,
        )
        token_hex = Chance().token_hex
        ids = IdSource(token_hex)
        check_scopes(settings)
        secret = configured_secret(settings)
        book = read_address_book(settings.notifications)
        self._switchboard = Switchboard(
            Desk(configured_desk(settings, book), ids),
            self._journal,
            self._plane,
            self._clock,
            token_hex,
            configured_switchboard(settings, derived_keys(secret)),
        )
        self._sip_memory = LegMemory(self._journal, "sip")
        self._remembered: Mapping[LegId, bytes] = {}
        self._retention = Retention(
            self._journal,
            self._clock,
            settings.journal.retention_days * DAY_S,
            self._switchboard.live_interaction_ids,
        )
        self._sip = SipDoor(configured_endpoint(settings), self._clock, ids, token_hex)
        self._outbox = Outbox(self._journal, self._clock)
        owners = Owners(self._switchboard.accounts, scopes_of_clients(settings.auth))
        hooks = WebhookParts(self._journal, self._outbox, self._clock, token_hex, owners)
        self._webhooks = Webhooks(settings.webhooks, hooks)
        self._notifications = Notifications(
            settings.notifications, book, self._journal, self._outbox, self._clock
        )
        signer, passwords = Signer(secret, self._clock), SecretCheck()
        issuer = configured_sign_in_issuer(settings, self._clock)
        sign_in = SignIn(settings.sign_in, self._switchboard.accounts, signer, self._clock, passwords, issuer)
        parts = WebParts(
            switchboard=self._switchboard,
            verifier=Verifier(secret, configured_issuer(settings, self._clock), self._switchboard.accounts),
            metrics=self._metrics,
            clock=self._clock,
            token_hex=token_hex,
            not_ready=self._not_ready,
            answers=JournaledAnswers(self._journal),
            tokens=TokenEndpoint(settings.auth, signer, self._clock, passwords),
            secrets=passwords,
            sign_in=sign_in,
            webhooks=self._webhooks,
            notifications=self._notifications,
        )
        self._web = WebDoor(settings.http, parts)
        companion_links = CompanionSigner(secret, settings.http.public_url)
        self._switchboard.attach(self._sip, self._web, self._webhooks, companion_links, self._notifications)
        self._metrics.add_source("warmbridge_sign_in", "Passwords tried", sign_in.throttle.counters)
        self._metrics.add_source("warmbridge_webhooks", "Webhooks", self._webhooks.counters)
        self._metrics.add_source("warmbridge_notifications", "Notifications", self._notifications.counters)
        self._metrics.add_source("warmbridge", "SIP door", self._sip.counters)
        self._metrics.add_source("warmbridge", "Desk", self._desk_gauges)
        reoffers = self._switchboard.reoffers.counters
        self._metrics.add_source("warmbridge_phone_reoffers", "Re-INVITEs to phones", reoffers)
        diagnosed = self._switchboard.diagnostics.counters
        self._metrics.add_source("warmbridge_diagnosed", "Legs that are silent or black, by cause", diagnosed)

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts everything, serves, and returns after a stop."""
        try:
            await self._journal.open()
            await self._webhooks.open()
            await self._notifications.open()
        except JournalError as error:
            raise SettingsError(f"journal.url: {error.reason}") from error
        try:
            async with asyncio.TaskGroup() as tasks:
                work = [tasks.create_task(self._plane.run())]  # it starts up meanwhile
                self._http_port = self._web.bind()
                await self._restore()
                work += [
                    tasks.create_task(self._switchboard.run()),
                    tasks.create_task(self._retention.run()),
                    tasks.create_task(self._notifications.run()),
                ]
                async with asyncio.TaskGroup() as doors:
                    try:
                        await self._open_doors(doors)
                        await self._stop.wait()
                        await self._drain()
                    finally:
                        self._web.close()
                        self._sip.close()  # whatever ends the daemon, the phones hear a BYE
                for task in work:
                    task.cancel()
        finally:
            await self._journal.aclose()

    def stop(self) -> None:
        """The first time drains, the second time ends the calls."""
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()

    async def _restore(self) -> None:
        """The state, the clock and the calls of the process before this one, if it left any."""
        self._clock.continue_after(await self._switchboard.restore())
        await self._outbox.open()
        self._remembered = await self._sip_memory.recall()
        await self._plane.ready()
        # Not before: the time that desktops have to come back begins when they can.
        await self._switchboard.restart(returning_legs(self._remembered))

    async def _open_doors(self, doors: asyncio.TaskGroup) -> None:
        settings = self._settings
        try:
            await self._sip.open(doors, self._switchboard, self._sip_memory, self._remembered)
        except OSError as error:
            where = "sip.address and sip.port (or sip.tls_port)"
            raise cannot_listen(where, settings.sip.address, settings.sip.port, error) from error
        doors.create_task(self._web.run())
        collector.settle()
        scheme = "https" if settings.http.certificate else "http"
        desktop = f"{scheme}://{settings.http.address}:{self._http_port}/"
        log.info("= serving", desktop=desktop, sip=f"{settings.sip.address}:{self._sip.port}")
        self._notifier.ready(f"desktop at {desktop}")

    async def _drain(self) -> None:
        """No new calls; those there are may end by themselves for a while."""
        self._notifier.stopping(f"draining {self._switchboard.open_calls} calls")
        self._switchboard.drain()
        self._sip.drain()
        deadline = self._clock.now() + self._settings.shutdown.drain_timeout_s
        log.info("= draining", calls=self._switchboard.open_calls)
        while self._switchboard.open_calls and self._clock.now() < deadline:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_POLL_S):
                    await self._stop_now.wait()
                break
        await self._switchboard.end_all("the bridge shuts down")

    def _next_worker(self) -> ProcessPlane:
        return ProcessPlane(configured_worker(self._settings), self._take_event, self._switchboard.plane_lost)

    def _take_event(self, event: messages.Event) -> None:
        match event:
            case messages.LegStatistics():
                self._metrics.leg_statistics(event, self._clock.now())
            case messages.WorkerStatistics():
                self._metrics.worker_statistics(event)
            case _:
                pass
        self._switchboard.plane_event(event)

    def _not_ready(self) -> list[str]:
        reasons = []
        if not self._plane.present:
            reasons.append("the media worker is not running")
        if self._journal.trouble:
            reasons.append("the journal cannot be written or read at the moment; the log says why")
        if self._stop.is_set():
            reasons.append("the bridge is draining")
        return reasons

    def _desk_gauges(self) -> dict[str, float]:
        return {
            "interactions_open": self._switchboard.open_interactions,
            "legs": self._switchboard.legs,
            "journal_pending": self._journal.pending,
            "journal_written_total": self._journal.written,
            "journal_waiting": bool(self._journal.trouble),
            "journal_retries_total": self._journal.retries,
            "asyncio_tasks": len(asyncio.all_tasks()),
            "calls_refused_total": self._switchboard.calls_refused,
        }


async def serve(settings: Settings, first_worker: WorkerProcess | None = None) -> int:
    """Runs a daemon until SIGTERM or SIGINT; returns the process's exit code.

    `first_worker` may be on its way up already. Raises SettingsError when it cannot start as it is configured.
    """
    raise_descriptor_limit()
    with contextlib.closing(Notifier.from_environment()) as notifier:
        daemon = Daemon(settings, notifier, first_worker)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                alive = tasks.create_task(notifier.run())
                await daemon.run()
                alive.cancel()
        except BaseExceptionGroup as error:
            cause = known_cause(error)
            if cause is None:
                raise  # a mistake of ours: the traceback is wanted
            if isinstance(cause, SettingsError):
                raise cause from None
            log.error("! stopped", code=cause.code, reason=cause.reason)
            return 1
    log.info("= stopped")
    return 0


def known_cause(error: BaseException) -> BridgeError | None:
    """The BridgeError that stopped all task groups around it; None if anything else was among the causes."""
    causes = list(_causes(error))
    known = [cause for cause in causes if isinstance(cause, BridgeError)]
    return known[0] if known and len(known) == len(causes) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error
