"""The command line: `warmbridge serve | check | token | secret | password | trace | demo`."""

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from bridge.errors import SettingsError
from bridge.logs import configure_logs
from bridge.plane.worker_process import WorkerProcess
from bridge.settings.file import config_directory, load_settings, placed
from bridge.settings.settings import Settings

CAMERA_NEEDS_HTTPS = (
    "browsers open camera and microphone only over HTTPS or on localhost: set http.certificate and "
    "http.private_key, or put a TLS proxy in front"
)

FILES = (
    ("auth", "secret_file"),
    ("sign_in", "client_secret_file"),
    ("http", "certificate"),
    ("http", "private_key"),
    ("sip", "certificate"),
    ("sip", "private_key"),
    ("sip", "authorities"),
    ("sip", "client_authorities"),
)

_TRIAL = """\
For this start alice is an agent and bob an expert. The password of both: {password}
Sign in as each of them at {page} and go ready, then call sip:support@{sip} from a softphone.
What a phone and the bridge said: warmbridge trace{keyed} INTERACTION
Ctrl-C ends it.
"""
_LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 a check failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except SettingsError as error:
        reason = placed(error.reason, getattr(options, "config", None), getattr(options, "set", ()))
        print(reason, file=sys.stderr)  # noqa: T201 - the command line talks to people
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        return 0


def _serve(options: argparse.Namespace) -> int:
    gc.disable()  # until it serves
    settings = load_settings(options.config, options.set)
    with contextlib.ExitStack() as trial:
        if options.trial:
            settings = with_trial_users(settings, trial.enter_context(trial_key(settings)))
        return _serve_as(settings, [] if options.trial else warnings_about(settings))


def _serve_as(settings: Settings, warnings: Sequence[str]) -> int:
    configure_logs(settings.log)
    faulthandler.enable()  # systemd ends one that gives no sign of life by SIGABRT: where did it stand?
    for warning in warnings:
        structlog.get_logger().warning("! settings", warning=warning)
    # Most of a start is importing, in both processes: they do it at the same time.
    with contextlib.closing(WorkerProcess()) as worker:
        import uvloop

        from bridge.daemon import serve

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(settings, worker))


@contextlib.contextmanager
def trial_key(settings: Settings) -> Iterator[str]:
    """The file of a key for this start, so that other commands of this user can ask the daemon; "" where the
    configuration has one."""
    import secrets
    import tempfile

    if settings.auth.secret_file:
        yield ""
        return
    with tempfile.NamedTemporaryFile(
        "w", prefix="warmbridge-key-", encoding="ascii"
    ) as file:  # its owner's only
        file.write(secrets.token_urlsafe(32))
        file.flush()
        yield file.name


def with_trial_users(settings: Settings, key_file: str = "") -> Settings:
    """Two users with a password of this start. Nobody else can reach them: the page listens on loopback only."""
    import secrets

    from bridge.settings.user import trial_users
    from signaling.web.access.secret import hash_secret

    if not settings.http.is_local:
        raise SettingsError(f"--try is for this machine alone, but http.address is {settings.http.address}")
    password = "-".join("".join(secrets.choice(_LEGIBLE) for _ in range(4)) for _ in range(3))
    users = trial_users(hash_secret(password))
    taken = {user.id for user in settings.users} & {user.id for user in users}
    if taken:
        raise SettingsError(f"--try makes the users alice and bob, but the configuration has {min(taken)}")
    sip, log = settings.sip, settings.log
    page = f"{'https' if settings.http.certificate else 'http'}://localhost:{settings.http.port}/"
    keyed = f" --url {page.rstrip('/')} --set auth.secret_file={key_file}" if key_file else ""
    about = {"password": password, "page": page, "sip": f"{sip.address}:{sip.port}", "keyed": keyed}
    print(_TRIAL.format(**about), end="", flush=True)  # noqa: T201 - not into the log, which is kept
    if "format" not in log.model_fields_set:
        log = log.model_copy(update={"format": "console"})
    if sip.address.startswith("127.") and not settings.trunks:
        # Only this machine reaches it, but many phones send from the address they have in its network.
        sip = sip.model_copy(update={"allowed_networks": ("0.0.0.0/0",)})
    auth = settings.auth.model_copy(update={"secret_file": key_file or settings.auth.secret_file})
    return settings.model_copy(
        update={"users": (*settings.users, *users), "sip": sip, "log": log, "auth": auth}
    )


def _check(options: argparse.Namespace) -> int:
    from bridge.configured.sign_in import check_scopes
    from bridge.flows.library import configured_flows
    from bridge.notification.address import read_address_book
    from bridge.switchboard.door.entitlement import configured_accounts

    settings = load_settings(options.config, options.set)
    for warning in warnings_about(settings):
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201
    flows = configured_flows(settings)
    read_address_book(settings.notifications)
    configured_accounts(settings.users)
    check_scopes(settings)
    where = options.config or "the defaults"
    print(f"{where}: all settings are valid, and {len(flows)} flows: {', '.join(f.flow_id for f in flows)}")  # noqa: T201
    return 0


def warnings_about(settings: Settings) -> list[str]:
    """What is valid but will surprise somebody."""
    found = []
    if not settings.http.browsers_get_a_camera:
        found.append(f"http.address is {settings.http.address} without a certificate; {CAMERA_NEEDS_HTTPS}")
    if not settings.auth.secret_file:
        found.append("auth.secret_file is empty: tokens are signed with a new key each start and end with it")
    files = {f"{section}.{name}": getattr(getattr(settings, section), name) for section, name in FILES}
    files |= {f"trunks.password_file of {trunk.id}": trunk.password_file for trunk in settings.trunks}
    found += [
        f"{key}: no such file: {path}" for key, path in files.items() if path and not Path(path).is_file()
    ]
    return found


def _token(options: argparse.Namespace) -> int:
    from bridge.clock import SystemClock
    from bridge.switchboard.door.principal import DESKTOP_SCOPES
    from signaling.web.access.auth import MAKE_A_KEY, SCOPES, Signer, read_secret

    settings = load_settings(options.config, options.set)
    if not settings.auth.secret_file:
        raise SettingsError(
            f"auth.secret_file is empty, so no running daemon would know this token: {MAKE_A_KEY}"
        )
    unknown = sorted(set(options.scope) - set(SCOPES))
    if unknown:
        raise SettingsError(f"--scope {' '.join(unknown)}: unknown; there are {', '.join(sorted(SCOPES))}")
    if not 0 < len(options.subject) <= 128 or not options.subject.isprintable():
        raise SettingsError("--subject: write a user id of 1 to 128 printable characters, e.g. alice")
    signer = Signer(read_secret(Path(settings.auth.secret_file)), SystemClock())
    lifetime_s = settings.auth.token_lifetime_s if options.lifetime is None else options.lifetime
    if lifetime_s <= 0:
        raise SettingsError(
            f"--lifetime {lifetime_s:g}: write how many seconds the token shall be valid, e.g. 3600"
        )
    scopes = options.scope or DESKTOP_SCOPES
    print(signer.issue(options.subject, scopes, lifetime_s, name=options.name or options.subject))  # noqa: T201
    return 0


def _secret(_options: argparse.Namespace) -> int:
    import secrets

    from signaling.web.access.secret import hash_secret

    secret = secrets.token_urlsafe(32)
    print(f"secret (tell it the client, once): {secret}")  # noqa: T201
    print('in bridge.toml:\n\n[[auth.clients]]\nid = "crm"')  # noqa: T201
    print(f'secret_hash = "{hash_secret(secret)}"')  # noqa: T201
    print('scopes = ["interaction:read", "interaction:write", "routing:write"]')  # noqa: T201
    return 0


def _password(_options: argparse.Namespace) -> int:
    """The password comes from the terminal or a pipe: arguments stand in the process list and the shell's history."""
    import getpass

    from signaling.web.access.secret import hash_secret
    from signaling.web.protocol.account_message import PASSWORD_MIN

    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise SettingsError("these were two different passwords")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < PASSWORD_MIN:
        raise SettingsError(f"a password has at least {PASSWORD_MIN} characters")
    print(f'password_hash = "{hash_secret(password)}"')  # noqa: T201
    return 0


def _trace(options: argparse.Namespace) -> int:
    from signaling.sip.diagnosis.ladder import Rung, draw
    from signaling.web.trace_request import fetch_trace

    settings = load_settings(options.config, options.set)
    rungs = [
        Rung(one.at.timestamp(), one.leg_id, one.received, one.transport, one.remote, one.summary, one.text)
        for one in fetch_trace(settings, options.interaction, options.url)
    ]
    if not rungs:
        print("no SIP messages are known of it: forgotten, of before the last start, or no phone took part")  # noqa: T201
        return 1
    for line in draw(rungs, whole=options.whole):
        print(line)  # noqa: T201
    return 0


def _demo(options: argparse.Namespace) -> int:
    try:
        from bridge.peers.demo.demo import run_demo
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the demo's synthetic browsers need {error.name}: pip install 'warmbridge[peers]'"
        ) from error
    return run_demo(seconds=options.seconds, as_json=options.json, fault=options.fault)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="warmbridge",
        description="Turns a phone call into a multi-party video conference without dropping the customer.",
        epilog="Start with `warmbridge demo`: a call, an agent, an expert and a verdict, all on this machine.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="run the daemon",
        description="Runs the daemon until SIGTERM or Ctrl-C: then no new calls are taken, and those there are may end "
        "(shutdown.drain_timeout_s); a second one ends them. The log goes to standard error.",
        epilog="Examples: warmbridge serve --try (a first call on this machine); "
        "warmbridge serve --config bridge.toml --set log.level=debug",
    )
    _settings_arguments(serve)
    serve.add_argument(
        "--try",
        dest="trial",
        action="store_true",
        help="with two users to sign in as, alice and bob, whose password it prints, calls from any phone on this "
        "machine, and a log for people; listens on this machine only",
    )
    serve.set_defaults(command=_serve)

    check = commands.add_parser(
        "check",
        help="validate a configuration",
        description="Names every wrong key, and every mistake in a flow, with file and line, and warns of what is "
        "valid but will surprise. Exit code 0 if all is valid, else 2. Opens no port and no journal.",
        epilog="Example: warmbridge check --config bridge.toml. Every setting with its default and an explanation: "
        f"{config_directory() / 'bridge.toml'}",
    )
    _settings_arguments(check)
    check.set_defaults(command=_check)

    token = commands.add_parser(
        "token",
        help="issue an access token",
        description="Prints a JWT for a desktop or a CRM, signed with the key in auth.secret_file.",
        epilog="Example: warmbridge token --config bridge.toml --subject alice "
        "--scope interaction:read --scope interaction:write --scope routing:write",
    )
    _settings_arguments(token)
    token.add_argument("--subject", required=True, help="the user the token speaks for, e.g. alice")
    token.add_argument("--name", help="the name others see; default: the subject")
    token.add_argument(
        "--scope",
        action="append",
        default=[],
        help="a right; repeat it; default: those of a desktop (interaction:read, interaction:write, routing:write,"
        " telephony:video:use)",
    )
    token.add_argument("--lifetime", type=float, help="seconds; default: auth.token_lifetime_s")
    token.set_defaults(command=_token)

    secret = commands.add_parser(
        "secret",
        help="make a secret for a machine",
        description="Prints a new secret for a client of /oauth/token, and the hash of it for the configuration.",
        epilog="The client then gets its tokens by: curl -u crm -d grant_type=client_credentials "
        "https://bridge.example/oauth/token (it asks for the secret).",
    )
    secret.set_defaults(command=_secret)

    password = commands.add_parser(
        "password",
        help="make the hash of a person's password",
        description="Asks for a password (12 characters or more), or reads it from a pipe, and prints its hash for a "
        "table [[users]] of the configuration. Accounts made by API or page have their password set there.",
    )
    password.set_defaults(command=_password)

    trace = commands.add_parser(
        "trace",
        help="show what phone and bridge said to each other",
        description="Draws the SIP messages of an interaction's calls as a ladder, as far as the running daemon "
        "still has them. Keys, credentials, digits and message bodies are masked.",
        epilog="Example: warmbridge trace --config bridge.toml int_5f0c9a1e2b3d4c5f",
    )
    _settings_arguments(trace)
    trace.add_argument("interaction", metavar="INTERACTION", help="its id, int_...")
    trace.add_argument("--url", default="", help="of the daemon; default: as in the settings")
    trace.add_argument("--whole", action="store_true", help="each message in full under its arrow")
    trace.set_defaults(command=_trace)

    demo = commands.add_parser(
        "demo",
        help="see it work: caller, agent and expert on this machine",
        description="Starts a daemon, a synthetic phone and two synthetic browsers, escalates the call to a "
        "video conference and checks what each of them heard and saw. Exit code 1 if a check fails.",
    )
    demo.add_argument(
        "--seconds", type=float, default=20.0, help="how long the conference lasts (default 20)"
    )
    demo.add_argument("--json", action="store_true", help="print the verdicts as one JSON object")
    demo.add_argument("--fault", default="", help=argparse.SUPPRESS)
    demo.set_defaults(command=_demo)
    return parser


def _settings_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file; default: every setting's default"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="one setting, over the file; repeatable",
    )


if __name__ == "__main__":
    sys.exit(main())
