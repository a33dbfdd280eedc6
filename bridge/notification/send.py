"""Brings one letter out: `python -m bridge.notification.send`, the letter on standard input, what went wrong on output.

A process of its own, because apprise blocks, and only a process can be ended when a server hangs.
"""

import logging
import re
import signal
import sys
from urllib.parse import unquote

import msgspec

REASON_MAX = 400  # characters
SECRET_MIN = 4  # characters: shorter parts of a URL are words like "to" or a port
GRACE_S = 2  # after which the process ends itself, should nobody be left to end it


class Order(msgspec.Struct, frozen=True):
    url: str
    subject: str
    text: str
    timeout_s: float


class Outcome(msgspec.Struct, frozen=True):
    """`reason` is "" if the mail server or the service has taken it."""

    reason: str = ""


class Complaints(logging.Handler):
    """What apprise says went wrong: its warnings, and of the details only what the server or the socket said."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception" in text:
            self.lines.append(" ".join(text.split()))


def deliver(order: Order) -> Outcome:
    """Hands the letter over, once."""
    complaints = Complaints()
    log = logging.getLogger("apprise")
    log.addHandler(complaints)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    from apprise import Apprise

    sender = Apprise()
    sender.add(order.url)
    if sender.notify(title=order.subject, body=order.text, interpret_escapes=False):
        return Outcome()
    said = "; ".join(dict.fromkeys(complaints.lines)) or "it was not taken"
    return Outcome(without_secrets(said, order.url)[:REASON_MAX])


def without_secrets(text: str, url: str) -> str:
    """`text` without the parts of `url` that open doors: of a mail address the password, of others all of it."""
    scheme, _, rest = url.partition("://")
    if scheme.startswith("mailto"):
        user, at, _host = rest.partition("?")[0].rpartition("@")
        secrets = [user.partition(":")[2]] if at else []
        secrets += re.findall(r"[?&]pass=([^&]*)", rest)
    else:
        secrets = re.split(r"[/@:?&=,]", rest)
    for secret in sorted({*secrets, *(unquote(secret) for secret in secrets)}, key=len, reverse=True):
        if len(secret) >= SECRET_MIN or (secret and scheme.startswith("mailto")):
            text = text.replace(secret, "***")
    return text


def main() -> int:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    signal.alarm(int(order.timeout_s) + GRACE_S)
    sys.stdout.buffer.write(msgspec.json.encode(deliver(order)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
