"""A real proxy in front of the bridge: kamailio, which stays on the way of every call and knows nothing else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.ports import free_port
from tests.certificates import Authority
from tests.interop.programs import eventually, program, running

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
{tls_listen}mpath="{modules}/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "sdpops.so"
loadmodule "xlog.so"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{directory}/dispatcher.list")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_ping_from", "sip:proxy@127.0.0.1:{port}")
{tls_module}event_route[dispatcher:dst-up] {{ xlog("L_WARN", "up $ru\n"); }}
request_route {{
  xlog("L_WARN", "seen $rm $rs from $sp by $pr\\n");
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    xlog("L_WARN", "no route for $rm\\n");
    sl_send_reply("404", "Not here");
    exit;
  }}
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("INVITE")) record_route();
  {strips}
  if (!ds_select_dst("1", "4")) {{ sl_send_reply("503", "No bridge"); exit; }}
  t_relay();
}}
"""

TLS_LISTEN = """\
enable_tls=yes
listen=tls:127.0.0.1:{tls_port}
"""
TLS_MODULE = """\
loadmodule "tls.so"
modparam("tls", "config", "{directory}/tls.cfg")
"""
# It shows one certificate to phones and bridge, and believes whom the authority vouches for.
TLS_CONFIG = """\
[server:default]
method = TLSv1.2+
verify_certificate = no
private_key = {key}
certificate = {certificate}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {certificate}
ca_list = {authority}
"""
STRIPS_VIDEO = 'if (has_body("application/sdp")) { sdp_remove_media("video"); msg_apply_changes(); }'
AWAY = 9  # dispatcher flags: inactive, and asked by OPTIONS until it answers


@dataclass(frozen=True)
class Kamailio:
    port: int
    log: Path
    tls_port: int = 0

    def seen(self, method: str) -> int:
        """How many requests of this method it took, copies included."""
        return len(self._lines(f"seen {method} "))

    def seen_by(self, method: str, transport: str) -> int:
        """The same of those that came over one transport."""
        return sum(line.endswith(f" by {transport}") for line in self._lines(f"seen {method} "))

    def strays(self) -> list[str]:
        """Requests within a call that did not say which way to go: it answered them 404."""
        return self._lines("no route for")

    def _lines(self, words: str) -> list[str]:
        lines = self.log.read_text(errors="replace").splitlines()
        return [line.rstrip() for line in lines if words in line]


def _modules() -> Path:
    """Debian keeps them below the name of the machine's architecture."""
    return next(Path("/usr/lib").glob("*/kamailio/modules"))


@contextlib.asynccontextmanager
async def kamailio(
    directory: Path,
    target_port: int,
    transport: str = "udp",
    port: int = 0,
    authority: Authority | None = None,
    *,
    strips_video: bool = False,
) -> AsyncIterator[Kamailio]:
    """Sends every call on to `target_port`, once what listens there has answered OPTIONS. `directory` must exist.

    Who `strips_video` lets no video through, and says so to nobody.

    With an `authority` it speaks TLS as well, on a port of its own or, where `transport` is tls, on `port`.
    """
    tls_port = 0 if authority is None else free_port()
    if transport == "tls" and port:
        tls_port, port = port, 0
    port, modules = port or free_port(), _modules()
    config, log = directory / "kamailio.cfg", directory / "kamailio.log"
    listen, module = ("", "") if authority is None else _tls(directory, authority, tls_port)
    config.write_text(
        CONFIG.format(
            port=port,
            modules=modules,
            directory=directory,
            tls_listen=listen,
            tls_module=module,
            strips=STRIPS_VIDEO if strips_video else "",
        )
    )
    target = f"sip:127.0.0.1:{target_port};transport={transport}"
    (directory / "dispatcher.list").write_text(f"1 {target} {AWAY}\n")
    arguments = [program("kamailio"), "-f", str(config), "-DD", "-E", "-P", str(directory / "kamailio.pid")]
    async with running([*arguments, "-Y", str(directory)], log, directory):
        await eventually(
            "the bridge answers OPTIONS", lambda: f"up {target}" in log.read_text("utf-8", "replace"), 20
        )
        yield Kamailio(port, log, tls_port)


def _tls(directory: Path, authority: Authority, tls_port: int) -> tuple[str, str]:
    mine = authority.vouch("127.0.0.1", "proxy")
    (directory / "tls.cfg").write_text(
        TLS_CONFIG.format(key=mine.key, certificate=mine.certificate, authority=authority.file)
    )
    return TLS_LISTEN.format(tls_port=tls_port), TLS_MODULE.format(directory=directory)
