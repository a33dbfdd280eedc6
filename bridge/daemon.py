"""The composition root: builds all parts, runs them, drains them. The only file that sees both packages."""

import asyncio
import contextlib
import gc
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from bridge.clock import Clock, ContinuedClock, SystemClock
from bridge.desk.desk import Desk
from bridge.desk.participant import ParticipantRole
from bridge.desk.policy import DeskPolicy
from bridge.desk.queue import Overflow, OverflowTo, Queue, SkillMatch, Strategy
from bridge.errors import BridgeError, PlaneLostError, SettingsError
from bridge.flows.library import configured_flows
from bridge.ids import FlowId, IdSource, LegId, QueueId, TrunkId
from bridge.journal.answer import JournaledAnswers
from bridge.journal.journal import Journal, JournalError
from bridge.journal.leg_memory import LegMemory
from bridge.journal.outbox import Outbox
from bridge.journal.retention import Retention
from bridge.negotiation import PhonePreferences
from bridge.negotiation.phone_transport import KeySource, derived_keys
from bridge.notification.address import AddressBook, read_address_book
from bridge.notification.notifications import Notifications
from bridge.notify import Notifier
from bridge.plane import messages
from bridge.plane.host import ProcessPlane
from bridge.plane.worker_process import WorkerProcess, raise_descriptor_limit
from bridge.settings import Queue as QueueSection
from bridge.settings import Settings, prompts_directory
from bridge.switchboard.doors import Sounds
from bridge.switchboard.entitlement import configured_accounts
from bridge.switchboard.switchboard import Switchboard
from bridge.switchboard.wiring import SwitchboardPolicy
from bridge.transport.srtp_library import supported_suites
from bridge.trunk import Trunk as TrunkSection
from signaling.sip.call import SipDoor
from signaling.sip.memory import returning_legs
from signaling.sip.settings import AgentSettings, EndpointSettings
from signaling.sip.tls_context import TlsContexts, TlsFiles, make_contexts
from signaling.sip.transaction import Timing
from signaling.sip.trunk import Trunk, Trunks
from signaling.web.app import WebDoor, WebParts
from signaling.web.auth import CompanionSigner, Signer, Verifier, read_secret
from signaling.web.issuer import ForeignIssuer
from signaling.web.metrics import Metrics
from signaling.web.oidc import OpenIdSignIn
from signaling.web.secret import SecretCheck
from signaling.web.sign_in import SignIn
from signaling.web.token import TokenEndpoint
from signaling.web.webhooks import WebhookParts, Webhooks

log = structlog.get_logger()

WORKER_RESTARTS = 5  # within WORKER_RESTART_WINDOW_S; a worker that dies at once every time helps nobody
WORKER_RESTART_WINDOW_S = 60.0
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
        self._first_worker = first_worker
        self._plane_ready = asyncio.Event()
        self._http_port = 0
        self._plane: ProcessPlane | None = None
        self._journal = Journal(
            settings.journal.url, self._clock, secrets.token_hex(8), settings.journal.synchronous
        )
        ids = IdSource(secrets.token_hex)
        secret = _secret(settings)
        srtp_keys = derived_keys(secret)
        book = read_address_book(settings.notifications)
        self._switchboard = Switchboard(
            Desk(_desk_policy(settings, book), ids),
            self._journal,
            self,
            self._clock,
            secrets.token_hex,
            SwitchboardPolicy(
                phones={
                    TrunkId(trunk.id): _phone_preferences(trunk, srtp_keys) for trunk in settings.all_trunks
                },
                sounds=configured_sounds(settings),
                prove_every_s=prove_every_s(settings.desk.proof_lifetime_s),
                companion_link_s=settings.desk.companion_link_s,
            ),
        )
        self._sip_memory = LegMemory(self._journal, "sip")
        self._remembered: Mapping[LegId, bytes] = {}
        self._retention = Retention(
            self._journal,
            self._clock,
            settings.journal.retention_days * DAY_S,
            self._switchboard.live_interaction_ids,
        )
        self._sip = SipDoor(_endpoint_settings(settings), self._clock, ids, secrets.token_hex)
        self._outbox = Outbox(self._journal, self._clock)
        is_disabled = self._switchboard.accounts.is_disabled
        hooks = WebhookParts(self._journal, self._outbox, self._clock, secrets.token_hex, is_disabled)
        self._webhooks = Webhooks(settings.webhooks, hooks)
        self._notifications = Notifications(
            settings.notifications, book, self._journal, self._outbox, self._clock
        )
        signer, passwords = Signer(secret, self._clock), SecretCheck()
        issuer = _sign_in_issuer(settings, self._clock)
        sign_in = SignIn(settings.sign_in, self._switchboard.accounts, signer, self._clock, passwords, issuer)
        parts = WebParts(
            switchboard=self._switchboard,
            verifier=Verifier(
                secret, _foreign_issuer(settings, self._clock), self._switchboard.accounts.why_void
            ),
            metrics=self._metrics,
            clock=self._clock,
            token_hex=secrets.token_hex,
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

    # --- the plane, as the switchboard sees it ------------------------------------------------------------

    async def request(self, command: messages.Command) -> messages.Reply:
        """Hands a command to the worker of the moment. Raises PlaneLostError while there is none."""
        if self._plane is None:
            raise PlaneLostError("the media worker is being started")
        return await self._plane.request(command)

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts everything, serves, and returns after a stop."""
        try:
            await self._journal.open()
            await self._outbox.open()
            await self._webhooks.open()
            await self._notifications.open()
        except JournalError as error:
            raise SettingsError(f"journal.url: {error.reason}") from error
        try:
            async with asyncio.TaskGroup() as tasks:
                work = [tasks.create_task(self._run_worker())]  # it starts up meanwhile
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
        self._remembered = await self._sip_memory.recall()
        await self._plane_ready.wait()
        # Not before: the time that desktops have to come back begins when they can.
        await self._switchboard.restart(returning_legs(self._remembered))

    async def _open_doors(self, doors: asyncio.TaskGroup) -> None:
        settings = self._settings
        try:
            await self._sip.open(doors, self._switchboard, self._sip_memory, self._remembered)
        except OSError as error:
            place = f"{settings.sip.address}:{settings.sip.port}"
            raise SettingsError(
                f"sip on {place}: {error.strerror}; set sip.address, sip.port or sip.tls_port"
            ) from error
        doors.create_task(self._web.run())
        gc.collect()
        gc.freeze()
        gc.enable()  # the command line switched it off: passes over what is only being imported find nothing
        scheme = "https" if settings.http.certificate else "http"
        desktop = f"{scheme}://{settings.http.address}:{self._http_port}/"
        log.info("= serving", desktop=desktop, sip=f"{settings.sip.address}:{self._sip.port}")
        self._notifier.ready(f"desktop at {desktop}")

    async def _drain(self) -> None:
        """No new calls; those there are may end by themselves for a while."""
        self._notifier.stopping(f"draining {self._switchboard.open_interactions} calls")
        self._switchboard.drain()
        self._sip.drain()
        deadline = self._clock.now() + self._settings.shutdown.drain_timeout_s
        log.info("= draining", calls=self._switchboard.open_interactions)
        while self._switchboard.open_interactions and self._clock.now() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_now.wait(), DRAIN_POLL_S)
                break
        await self._switchboard.end_all("the bridge shuts down")

    async def _run_worker(self) -> None:
        """Keeps one media worker running; too many deaths in a row end the daemon, for a supervisor to see."""
        deaths: list[float] = []
        while True:
            plane = ProcessPlane(
                _worker_config(self._settings), self._take_event, self._switchboard.plane_lost
            )
            try:
                process, self._first_worker = self._first_worker, None
                ready = await plane.start(self._settings.worker.start_timeout_s, process)
                self._plane = plane
                self._switchboard.plane_event(ready)
                self._plane_ready.set()
                await plane.run()
            finally:
                self._plane = None
                await plane.aclose()
            now = self._clock.now()
            deaths = [at for at in deaths if now - at < WORKER_RESTART_WINDOW_S] + [now]
            if len(deaths) > WORKER_RESTARTS:
                raise PlaneLostError(f"the media worker died {len(deaths)} times within a minute")

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
        if self._plane is None:
            reasons.append("the media worker is not running")
        if self._stop.is_set():
            reasons.append("the bridge is draining")
        return reasons

    def _desk_gauges(self) -> dict[str, float]:
        return {
            "interactions_open": self._switchboard.open_interactions,
            "legs": self._switchboard.legs,
            "journal_pending": self._journal.pending,
            "journal_written_total": self._journal.written,
            "asyncio_tasks": len(asyncio.all_tasks()),
            "calls_refused_total": self._switchboard.calls_refused,
        }


async def serve(settings: Settings, first_worker: WorkerProcess | None = None) -> int:
    """Runs a daemon until SIGTERM or SIGINT; returns the process's exit code.

    `first_worker` may be on its way up already. Raises SettingsError when it cannot start as it is configured.
    """
    raise_descriptor_limit()
    daemon = Daemon(settings, Notifier.from_environment(), first_worker)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    try:
        await daemon.run()
    except (BridgeError, BaseExceptionGroup) as error:
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


def _foreign_issuer(settings: Settings, clock: Clock) -> ForeignIssuer | None:
    return ForeignIssuer(settings.issuer, clock) if settings.issuer.name else None


def _sign_in_issuer(settings: Settings, clock: Clock) -> OpenIdSignIn | None:
    if not settings.sign_in.issuer:
        return None
    path, secret = settings.sign_in.client_secret_file, ""
    if path:
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"sign_in.client_secret_file: {path}: {error}") from error
    return OpenIdSignIn(settings.sign_in, secret, settings.http.public_url, clock, secrets.token_urlsafe)


def _secret(settings: Settings) -> bytes:
    if settings.auth.secret_file:
        return read_secret(Path(settings.auth.secret_file))
    return secrets.token_bytes(32)


def prove_every_s(lifetime_s: float) -> float:
    """Three proofs within the time one holds, so that one may get lost; 0 asks for none, which harms nobody."""
    return lifetime_s / 3 if lifetime_s else 10.0


def _desk_policy(settings: Settings, book: AddressBook) -> DeskPolicy:
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


def _endpoint_settings(settings: Settings) -> EndpointSettings:
    sip = settings.sip
    return EndpointSettings(
        address=sip.address,
        port=sip.port,
        tls_port=sip.tls_port,
        tls=_tls_contexts(settings),
        advertised_address=sip.advertised_address,
        transports=sip.transports,
        nameservers=sip.nameservers,
        stranger_treatment=sip.stranger_treatment,
        capture_file=sip.capture_file,
        capture_max_bytes=sip.capture_max_mb * 1_000_000,
        agent=AgentSettings(
            max_calls=sip.max_calls,
            timing=Timing(t1_s=sip.t1_s),
            trunks=Trunks([_trunk(trunk) for trunk in settings.all_trunks]),
            scanners=sip.scanners,
            destinations=sip.destinations,
            answers_unwanted=sip.stranger_treatment == "forbid",
        ),
    )


def _tls_contexts(settings: Settings) -> TlsContexts | None:
    sip = settings.sip
    if "tls" not in sip.transports:
        return None
    return make_contexts(
        TlsFiles(
            sip.certificate,
            sip.private_key,
            sip.authorities,
            sip.client_certificates,
            sip.client_authorities,
        )
    )


def _trunk(section: TrunkSection) -> Trunk:
    return Trunk(
        TrunkId(section.id),
        networks=section.networks,
        name=section.name,
        priority=section.priority,
        ping_s=section.ping_s,
        max_calls=section.max_calls,
        calls_per_second=section.calls_per_second,
        target=section.target,
        username=section.username,
        password=_password(section),
        authenticate=section.authenticate,
        digests=section.digests,
        trusted=section.trusted,
        session_expires_s=section.session_expires_s,
        reliable_provisional=section.reliable_provisional,
    )


def _password(section: TrunkSection) -> str:
    if not section.password_file:
        return ""
    try:
        password = Path(section.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"trunks.password_file of {section.id}: {section.password_file}: {error}"
        ) from error
    if not password:
        raise SettingsError(f"trunks.password_file of {section.id}: {section.password_file} is empty")
    return password


def _phone_preferences(section: TrunkSection, srtp_keys: KeySource) -> PhonePreferences:
    """What phones behind a trunk are offered."""
    return PhonePreferences(
        codecs=section.codecs,
        video_codecs=section.video_codecs,
        dtmf=section.dtmf != "inband",
        inband_dtmf=section.dtmf == "inband",
        srtp=section.srtp,
        srtp_suites=supported_suites(),
        srtp_keys=srtp_keys,
    )


def _worker_config(settings: Settings) -> messages.WorkerConfig:
    rtp, webrtc = settings.rtp, settings.webrtc
    return messages.WorkerConfig(
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
