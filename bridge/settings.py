"""Configuration: read once, checked whole, handed down narrow.

The default of a setting is here, its explanation in `config/bridge.toml`; a test keeps the two equal.
"""

import ipaddress
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bridge.errors import SettingsError
from bridge.section import HostName, IpAddress, IpNetwork, Port, Seconds, Section, Server
from bridge.trunk import AUDIO_CODECS, DEFAULT_TRUNK, AudioCodecs, Trunk, check_trunks
from bridge.user import SignIn, User


def _check_announced(section: str, address: str, advertised_address: str) -> None:
    """Nobody can send to 0.0.0.0; in SDP it even means hold (RFC 3264 section 8.4)."""
    if not advertised_address and ipaddress.ip_address(address or "0.0.0.0").is_unspecified:
        raise ValueError(
            f"{section}.address {address!r} needs {section}.advertised_address: what others send to"
        )


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Http(Section):
    address: str = "127.0.0.1"
    port: Port = 8080
    certificate: str = ""
    private_key: str = ""
    allowed_origins: tuple[str, ...] = ()
    public_url: str = ""
    messages_per_second: Annotated[int, Field(ge=1)] = 50
    requests_per_second: Annotated[int, Field(ge=1)] = 50
    idempotency_s: Seconds = 86_400.0

    @model_validator(mode="after")
    def _certificate_and_key_together(self) -> "Http":
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("http.certificate and http.private_key go together: set both or none")
        return self

    @property
    def browsers_get_a_camera(self) -> bool:
        """Browsers open camera and microphone only over HTTPS or on localhost."""
        return bool(self.certificate) or self.is_local

    @property
    def is_local(self) -> bool:
        """Nobody reaches it from another machine."""
        return self.address in ("localhost", "::1") or self.address.startswith("127.")


class Client(Section):
    """A machine that gets its tokens at /oauth/token. `warmbridge secret` makes a secret and its hash."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    secret_hash: Annotated[str, Field(pattern=r"^\$argon2id\$")]
    scopes: tuple[str, ...]
    name: str = ""


class Issuer(Section):
    """Somebody else whose tokens are as good as ours: their signatures are checked by the keys at `jwks_url`."""

    name: str = ""
    audience: str = "warmbridge"
    jwks_url: str = ""
    scopes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _name_and_keys_together(self) -> "Issuer":
        if bool(self.name) != bool(self.jwks_url):
            raise ValueError("issuer.name and issuer.jwks_url go together: set both or none")
        if self.jwks_url and not self.jwks_url.startswith(
            ("https://", "http://127.0.0.1", "http://localhost")
        ):
            raise ValueError("issuer.jwks_url must be https: whoever answers it decides who is let in")
        return self


class Auth(Section):
    secret_file: str = ""
    token_lifetime_s: Seconds = 3600.0
    clients: tuple[Client, ...] = ()

    @model_validator(mode="after")
    def _clients_have_names_of_their_own(self) -> "Auth":
        ids = [client.id for client in self.clients]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"auth.clients: more than one has the id {', '.join(twice)}")
        return self


# What programs that look for open doors call themselves in User-Agent.
SCANNERS = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sundayddr",
    "iwar",
    "vaxsip",
)


class Sip(Section):
    address: IpAddress = "127.0.0.1"
    port: Port = 5060
    advertised_address: HostName = ""
    transports: tuple[Literal["udp", "tcp", "tls"], ...] = ("udp", "tcp")
    tls_port: Port = 5061
    certificate: str = ""
    private_key: str = ""
    authorities: str = ""
    client_certificates: Literal["off", "optional", "required"] = "off"
    client_authorities: str = ""
    allowed_networks: tuple[IpNetwork, ...] = ("127.0.0.0/8",)
    stranger_treatment: Literal["forbid", "silence"] = "forbid"
    scanners: tuple[str, ...] = SCANNERS
    destinations: tuple[str, ...] = ()
    max_calls: Annotated[int, Field(ge=1)] = 500
    t1_s: Annotated[float, Field(ge=0.02, le=2)] = 0.5
    dial_target: str = ""
    nameservers: tuple[Server, ...] = ()
    codecs: AudioCodecs = AUDIO_CODECS
    capture_file: str = ""
    capture_max_mb: Annotated[int, Field(ge=1, le=10_000)] = 50

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Sip":
        if "tls" in self.transports and not (self.certificate and self.private_key):
            raise ValueError('"tls" in sip.transports needs sip.certificate and sip.private_key')
        if (self.client_certificates != "off") != bool(self.client_authorities):
            raise ValueError(
                "sip.client_certificates (optional or required) and sip.client_authorities go together"
            )
        return self

    @model_validator(mode="after")
    def _address_can_be_sent_to(self) -> "Sip":
        _check_announced("sip", self.address, self.advertised_address)
        return self


class Rtp(Section):
    address: IpAddress = "127.0.0.1"
    advertised_address: IpAddress = ""
    port_min: Port = 10_002
    port_max: Port = 20_000
    drain_s: Annotated[float, Field(ge=0)] = 5.0
    timeout_s: Seconds = 30.0

    @model_validator(mode="after")
    def _range_holds_a_pair(self) -> "Rtp":
        if self.port_max < self.port_min + 1:
            raise ValueError("rtp.port_max must be above rtp.port_min: a leg needs two ports, RTP and RTCP")
        return self

    @model_validator(mode="after")
    def _address_can_be_sent_to(self) -> "Rtp":
        _check_announced("rtp", self.address, self.advertised_address)
        return self


class Webrtc(Section):
    address: IpAddress = "127.0.0.1"
    port: Port = 10_000
    advertised_address: IpAddress = ""
    consent_timeout_s: Seconds = 30.0

    @model_validator(mode="after")
    def _address_can_be_sent_to(self) -> "Webrtc":
        _check_announced("webrtc", self.address, self.advertised_address)
        return self


class Media(Section):
    prompts: str = ""


class Queue(Section):
    """One `[[queues]]`. 0 is no limit, or never."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[str, Field(min_length=1, max_length=128)]
    role: Literal["agent", "sme"] = "agent"
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    skill_match: Literal["all", "best", "none"] = "all"
    video_enabled: bool = True
    strategy: Literal["longest-idle", "most-skilled", "fewest-handled"] = "longest-idle"
    priorities: dict[str, float] = Field(
        default_factory=lambda: {"High": 300.0, "Normal": 0.0, "Low": -300.0}
    )
    max_depth: Annotated[int, Field(ge=0)] = 0
    offer_timeout_s: Annotated[float, Field(ge=0)] = 0.0
    timeout_s: Annotated[float, Field(ge=0)] = 300.0
    wrap_up_s: Annotated[float, Field(ge=0)] = 0.0
    wrap_up_codes: tuple[str, ...] = ()
    announce_every_s: Annotated[float, Field(ge=0)] = 0.0
    announce_prompt: str = ""
    join_empty: bool = True
    leave_when_empty: bool = False
    overflow_to: Literal["", "queue", "callback"] = ""
    overflow_queue: str = ""
    overflow_depth: Annotated[int, Field(ge=0)] = 0
    overflow_wait_s: Annotated[float, Field(ge=0)] = 0.0
    notify_depth: Annotated[int, Field(ge=0)] = 0
    notify_every_s: Seconds = 300.0
    notify_groups: tuple[str, ...] = ()
    notify_subject: Annotated[str, Field(max_length=200)] = "{queue}: {depth} waiting"
    notify_text: Annotated[str, Field(max_length=4000)] = (
        "{depth} are waiting in {queue}, the longest for {longest_wait}. More than {threshold} is too many."
    )
    answer_target_s: Seconds = 20.0

    @model_validator(mode="after")
    def _overflow_is_whole(self) -> "Queue":
        if (self.overflow_to == "queue") != bool(self.overflow_queue):
            raise ValueError('overflow_to = "queue" and overflow_queue go together')
        if (self.overflow_depth or self.overflow_wait_s) and not self.overflow_to:
            raise ValueError("overflow_depth and overflow_wait_s need overflow_to")
        return self


def _queues() -> tuple[Queue, ...]:
    """The queues of a desk that nobody configured: `config/bridge.toml` explains them."""
    return (
        Queue(id="default", name="Waiting list", timeout_s=0.0),
        Queue(
            id="escalation-video-sme",
            name="Escalation - Video SME",
            role="sme",
            skills={"Video_Escalation": 1},
            wrap_up_s=30.0,
            wrap_up_codes=("Video Session Closed", "Follow-up needed", "Callback arranged"),
            overflow_to="queue",
            overflow_queue="escalation-voice-sme",
            overflow_depth=5,
            overflow_wait_s=180.0,
            notify_depth=2,
            notify_groups=("experts",),
        ),
        Queue(
            id="escalation-voice-sme",
            name="Escalation - Voice SME",
            role="sme",
            video_enabled=False,
            wrap_up_s=30.0,
            wrap_up_codes=("Voice Session Closed", "Follow-up needed", "Callback arranged"),
        ),
    )


class Desk(Section):
    offer_timeout_s: Seconds = 20.0
    connect_timeout_s: Seconds = 15.0
    reconnect_grace_s: Seconds = 10.0
    consult_timeout_s: Seconds = 300.0
    transfer_timeout_s: Seconds = 60.0
    companion_link_s: Seconds = 900.0
    attributes_max_bytes: Annotated[int, Field(ge=256)] = 16_384
    max_interactions: Annotated[int, Field(ge=1)] = 1000
    decline_rest_s: Annotated[float, Field(ge=0)] = 30.0
    missed_offers_max: Annotated[int, Field(ge=1)] = 1
    proof_lifetime_s: Annotated[float, Field(ge=0)] = 30.0
    callback_ring_s: Seconds = 40.0
    callback_attempts: Annotated[int, Field(ge=1)] = 3
    callback_retry_s: Seconds = 300.0


class Flows(Section):
    folder: str = ""
    inbound: str = "inbound"


class Journal(Section):
    url: str = "sqlite+aiosqlite:///warmbridge.db"
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    retention_days: Seconds = 30.0

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ValueError(
                "write sqlite+aiosqlite:///FILE (an absolute path has four slashes)"
                " or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE"
            )
        return value


class Webhooks(Section):
    max_subscriptions: Annotated[int, Field(ge=0)] = 50
    max_pending: Annotated[int, Field(ge=1)] = 10_000
    max_attempts: Annotated[int, Field(ge=1)] = 10
    first_retry_s: Seconds = 1.0
    longest_retry_s: Seconds = 300.0
    timeout_s: Seconds = 10.0
    allowed_hosts: tuple[str, ...] = ()
    dead_letters_kept: Annotated[int, Field(ge=0)] = 1000


class NotificationGroup(Section):
    """People, or chat rooms, who are written to together. The addresses are secrets: they stay in their file."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    urls_file: str = ""


class Notifications(Section):
    groups: tuple[NotificationGroup, ...] = (NotificationGroup(id="experts"),)
    per_hour: Annotated[int, Field(ge=1)] = 60
    max_pending: Annotated[int, Field(ge=1)] = 1000
    max_attempts: Annotated[int, Field(ge=1)] = 8
    first_retry_s: Seconds = 5.0
    longest_retry_s: Seconds = 300.0
    timeout_s: Seconds = 20.0
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    dead_letters_kept: Annotated[int, Field(ge=0)] = 1000

    @model_validator(mode="after")
    def _groups_have_names_of_their_own(self) -> "Notifications":
        ids = [group.id for group in self.groups]
        if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"notifications.groups: more than one has the id {', '.join(twice)}")
        return self


class Worker(Section):
    start_timeout_s: Seconds = 15.0


class Shutdown(Section):
    drain_timeout_s: Annotated[float, Field(ge=0)] = 60.0


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
    queues: tuple[Queue, ...] = Field(default_factory=_queues)
    flows: Flows = Flows()
    journal: Journal = Journal()
    webhooks: Webhooks = Webhooks()
    notifications: Notifications = Notifications()
    worker: Worker = Worker()
    shutdown: Shutdown = Shutdown()

    @model_validator(mode="after")
    def _issuers_send_people_back(self) -> "Settings":
        if self.sign_in.issuer and not self.http.public_url:
            raise ValueError("sign_in.issuer needs http.public_url: where the issuer sends people back to")
        return self

    @model_validator(mode="after")
    def _users_are_told_apart(self) -> "Settings":
        names = [name for user in self.users for name in (user.id, *user.external_ids)]
        names += [user.email.casefold() for user in self.users if user.email]
        names += [client.id for client in self.auth.clients]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"users: {', '.join(twice)} stands for more than one (ids, external_ids, email, clients)"
            )
        return self

    @model_validator(mode="after")
    def _queues_know_each_other(self) -> "Settings":
        ids = [queue.id for queue in self.queues]
        if len(set(ids)) < len(ids):
            raise ValueError("two queues have the same id")
        for queue in self.queues:
            if queue.overflow_queue and queue.overflow_queue not in (*ids, "default"):
                raise ValueError(f"queue {queue.id} overflows into {queue.overflow_queue!r}, which is none")
            if queue.overflow_queue == queue.id:
                raise ValueError(f"queue {queue.id} overflows into itself")
        return self

    @model_validator(mode="after")
    def _trunks_are_told_apart(self) -> "Settings":
        check_trunks(self.trunks)
        for name, key in TRUNK_KEYS_OF_SIP.items() if self.trunks else ():
            if getattr(self.sip, name) != Sip.model_fields[name].default:
                complaint = f"for a bridge without [[trunks]]: write {key} in the trunk it belongs to"
                raise PydanticCustomError(
                    "trunks", "{complaint}", {"complaint": complaint, "at": f"sip.{name}"}
                )
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
        for queue in self.queues:
            if unknown := sorted(set(queue.notify_groups) - groups):
                raise ValueError(f"queue {queue.id} notifies {', '.join(unknown)}: see notifications.groups")
        return self


def config_directory() -> Path:
    """Where `bridge.toml`, `flows/` and `prompts/` lie: in the checkout, else beside the installed package."""
    checkout = Path(__file__).parent.parent / "config"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "warmbridge"


def prompts_directory(media: Media) -> Path:
    return Path(media.prompts) if media.prompts else config_directory() / "prompts"


def flows_directory(flows: Flows) -> Path:
    return Path(flows.folder) if flows.folder else config_directory() / "flows"


def load_settings(path: Path | None, overrides: Sequence[str] = ()) -> Settings:
    """Reads `path` (None: defaults only) and applies `section.key=value` overrides.

    Raises `SettingsError` naming every wrong key with its line in the file, or its override.
    """
    text = _read(path) if path else ""
    where = str(path) if path else "defaults"
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: {error}") from error
    lines = {key: f"{where}:{number}" for key, number in _key_lines(text)}
    for override in overrides:
        key, value = _parse_override(override)
        _set(tables, key, value, override)
        lines[key] = f"--set {override}"
        lines.setdefault(key.partition(".")[0], lines[key])
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, lines, where))) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give an existing file with --config") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


_TABLE = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-.]+)\s*=")


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """Dotted key and line number of each assignment and table; tomllib keeps no positions.

    The tables of a list have their index after the name: trunks.0.codecs.
    """
    table = ""
    count: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            brackets, table = match.groups()
            if brackets == "[[":
                name, table = table, f"{table}.{count[table]}"
                count[name] += 1
            yield table, number
        elif match := _KEY.match(line):
            yield (f"{table}.{match.group(1)}" if table else match.group(1)), number


def _parse_override(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or "." not in key:
        raise SettingsError(
            f"--set {override}: write it as section.key=value, for example rtp.port_min=12000"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, so that --set sip.address=10.0.0.1 needs no quotes
    return key.strip(), value


def _set(tables: dict[str, Any], key: str, value: Any, override: str) -> None:
    section, _, name = key.partition(".")
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        raise SettingsError(f"--set {override}: {section} is not a section")
    table[name] = value


def _complaints(error: ValidationError, lines: dict[str, str], where: str) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        at = str(problem.get("ctx", {}).get("at", "")) or ".".join(map(str, problem["loc"]))
        path = [part for part in at.split(".") if part and not part.isdecimal()]
        key = ".".join(path)
        place = next((lines[k] for k in _and_above(at) if k in lines), where)
        message = "unknown key" if problem["type"] == "extra_forbidden" else _in_plain_words(problem["msg"])
        hint = _suggestion(path) if problem["type"] == "extra_forbidden" else ""
        yield f"{place}: {key or 'configuration'}: {message}{hint}"


def _in_plain_words(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _and_above(key: str) -> Iterator[str]:
    while key:
        yield key
        key = key.rpartition(".")[0]


def _suggestion(path: list[str]) -> str:
    """The nearest known key, or the list of those there are."""
    import difflib

    known: list[str] = list(Settings.model_fields)
    if len(path) > 1 and path[0] in Settings.model_fields:
        section = Settings.model_fields[path[0]].annotation
        section = next(iter(get_args(section)), section)  # one of a list of tables
        if isinstance(section, type) and issubclass(section, Section):
            known = list(section.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
