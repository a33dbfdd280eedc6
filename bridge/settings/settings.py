"""The whole configuration, and what its sections must agree on."""

from collections.abc import Iterator

from pydantic import Field, model_validator

from bridge.settings.desk import Desk, Flows, Queue, default_queues
from bridge.settings.listener import check_ports
from bridge.settings.media import Media, Rtp, Webrtc
from bridge.settings.notifications import Notifications
from bridge.settings.process import Journal, Log, Shutdown, Worker
from bridge.settings.section import Section, check_ids, complaint
from bridge.settings.sidebar import Sidebar
from bridge.settings.sip import Sip
from bridge.settings.trunk import DEFAULT_TRUNK, Trunk, check_trunks
from bridge.settings.user import User
from bridge.settings.web import Auth, Http, Issuer, SignIn, Webhooks

TRUNK_KEYS_OF_SIP = {"allowed_networks": "networks", "dial_target": "target", "codecs": "codecs"}


class Settings(Section):
    """The whole configuration, one section a table."""

    log: Log = Log()
    http: Http = Http()
    auth: Auth = Auth()
    issuer: Issuer = Issuer()
    sign_in: SignIn = SignIn()
    users: tuple[User, ...] = ()
    sip: Sip = Sip()
    trunks: tuple[Trunk, ...] = ()
    rtp: Rtp = Rtp()
    webrtc: Webrtc = Webrtc()
    media: Media = Media()
    desk: Desk = Desk()
    queues: tuple[Queue, ...] = Field(default_factory=default_queues)
    flows: Flows = Flows()
    journal: Journal = Journal()
    webhooks: Webhooks = Webhooks()
    notifications: Notifications = Notifications()
    sidebar: Sidebar = Sidebar()
    worker: Worker = Worker()
    shutdown: Shutdown = Shutdown()

    @model_validator(mode="after")
    def _issuers_send_people_back(self) -> "Settings":
        if self.sign_in.issuer and not self.http.public_url:
            text = "needs http.public_url: where the issuer sends people back to"
            raise complaint(text, "sign_in.issuer")
        return self

    @model_validator(mode="after")
    def _ports_are_told_apart(self) -> "Settings":
        check_ports(self.http, self.sip, self.rtp, self.webrtc)
        return self

    @model_validator(mode="after")
    def _users_are_told_apart(self) -> "Settings":
        owners: dict[str, str] = {}
        for key, name in self._names():
            if name in owners:
                text = f"{name} stands for more than one (ids, external_ids, email, clients)"
                raise complaint(text, key, owners[name])
            owners[name] = key
        return self

    def _names(self) -> Iterator[tuple[str, str]]:
        """The key of each name that somebody signs in by, and the name."""
        for index, client in enumerate(self.auth.clients):
            yield f"auth.clients.{index}.id", client.id
        for index, user in enumerate(self.users):
            at = f"users.{index}"
            yield f"{at}.id", user.id
            yield from ((f"{at}.external_ids", name) for name in user.external_ids)
            if user.email:
                yield f"{at}.email", user.email.casefold()

    @model_validator(mode="after")
    def _queues_know_each_other(self) -> "Settings":
        ids = [queue.id for queue in self.queues]
        check_ids("queues.id", ids)
        for index, queue in enumerate(self.queues):
            at = f"queues.{index}"
            if queue.overflow_queue and queue.overflow_queue not in (*ids, "default"):
                text = f"queue {queue.id} overflows into {queue.overflow_queue!r}, which is none"
                raise complaint(text, f"{at}.overflow_queue")
            if queue.overflow_queue == queue.id:
                raise complaint(f"queue {queue.id} overflows into itself", f"{at}.overflow_queue")
        return self

    @model_validator(mode="after")
    def _trunks_are_told_apart(self) -> "Settings":
        check_trunks(self.trunks)
        for name, key in TRUNK_KEYS_OF_SIP.items() if self.trunks else ():
            if getattr(self.sip, name) != Sip.model_fields[name].default:
                text = f"for a bridge without [[trunks]]: write {key} in the trunk it belongs to"
                raise complaint(text, f"sip.{name}")
        return self

    @property
    def all_trunks(self) -> tuple[Trunk, ...]:
        """The trunks; without any, what [sip] says is one."""
        sip = self.sip
        return self.trunks or (
            Trunk(
                id=DEFAULT_TRUNK,
                networks=sip.allowed_networks,
                target=sip.dial_target,
                codecs=sip.codecs,
                ping_s=0.0,
            ),
        )

    @model_validator(mode="after")
    def _queues_notify_groups_there_are(self) -> "Settings":
        groups = {group.id for group in self.notifications.groups}
        for index, queue in enumerate(self.queues):
            if unknown := sorted(set(queue.notify_groups) - groups):
                text = (
                    f"queue {queue.id} notifies {', '.join(unknown)}, which is no id in notifications.groups"
                )
                raise complaint(text, f"queues.{index}.notify_groups", "notifications.groups")
        return self
