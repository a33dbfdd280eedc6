"""A real mail server (exim) on loopback, with everything it has in one folder, and the mail it delivered."""

import asyncio
import contextlib
import email
import email.policy
import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bridge.peers.daemon_process import HOST
from tests.interop.programs import program, stop

PASSWORD = "top-Secret-4711"
DOMAIN = "desk.test"
ROOTS_STAND_IN = "Debian-exim"  # exim delivers nothing as root
CONFIGURATION = """\
keep_environment =
tls_advertise_hosts =
primary_hostname = mail.{domain}
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
host_lookup =
rfc1413_query_timeout = 0s
auth_advertise_hosts = *
acl_smtp_rcpt = recipient
begin acl
recipient:
  deny message = no such user here
       local_parts = stranger
  deny message = log in first
       !authenticated = *
  accept domains = {domain}
  deny message = relay not permitted
begin routers
local:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/all
  maildir_format
  create_directory
  user = {user}
  group = {group}
begin retry
* * F,1h,1m
begin rewrite
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{bridge}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{bridge}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


@dataclass
class MailServer:
    """`url` is what an address book has of a mailbox here."""

    folder: Path
    port: int

    def url(self, mailbox: str, password: str = PASSWORD) -> str:
        at = f"smtp={HOST}&mode=insecure&from=bridge@{DOMAIN}&to={mailbox}@{DOMAIN}"
        return f"mailto://bridge:{password}@{HOST}:{self.port}?{at}"

    def delivered(self, mailbox: str) -> list[EmailMessage]:
        """In no particular order."""
        new = self.folder / "mail" / "all" / "new"
        found = [_parsed(path) for path in new.iterdir()] if new.is_dir() else []
        return [letter for letter in found if letter["To"] == f"{mailbox}@{DOMAIN}"]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """It accepts connections while the block runs."""
        other: dict[str, Any] = {}
        if os.geteuid() == 0:
            group = pwd.getpwnam(ROOTS_STAND_IN).pw_gid
            other = {"user": ROOTS_STAND_IN, "group": group, "extra_groups": []}
        configuration = str(self.folder / "exim.conf")
        process = await asyncio.create_subprocess_exec(
            program("exim4"),
            *("-C", configuration, "-bdf", "-oX", f"{HOST}.{self.port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            **other,
        )
        try:
            await self._listening()
            yield
        finally:
            await stop(process)

    async def _listening(self) -> None:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(HOST, self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def mail_server(port: int) -> Iterator[MailServer]:
    """Not serving yet. Its folder is not pytest's: another user than the test's has to write there."""
    account = pwd.getpwnam(ROOTS_STAND_IN) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="warmbridge-mail-"))
    try:
        for name in ("spool", "log", "mail"):
            (folder / name).mkdir()
        text = CONFIGURATION.format(
            domain=DOMAIN, folder=folder, user=account.pw_name, group=account.pw_gid, password=PASSWORD
        )
        (folder / "exim.conf").write_text(text)
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
        yield MailServer(folder, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parsed(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
