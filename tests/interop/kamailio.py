"""A real proxy in front of the bridge: kamailio, which stays on the way of every call and knows nothing else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.peers.daemon_process import free_port
from tests.interop.programs import eventually, program, running

CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
mpath="{modules}/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
request_route {{
  xlog("L_WARN", "seen $rm $rs from $sp\\n");
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    xlog("L_WARN", "no route for $rm\\n");
    sl_send_reply("404", "Not here");
    exit;
  }}
  if (is_method("INVITE")) record_route();
  $du = "sip:127.0.0.1:{target}";
  t_relay();
}}
"""


@dataclass(frozen=True)
class Kamailio:
    port: int
    log: Path

    def seen(self, method: str) -> int:
        """How many requests of this method it took, copies included."""
        return self.log.read_text(errors="replace").count(f"seen {method} ")

    def strays(self) -> list[str]:
        """Requests within a call that did not say which way to go: it answered them 404."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "no route for" in line]


def _modules() -> Path:
    """Debian keeps them below the name of the machine's architecture."""
    return next(Path("/usr/lib").glob("*/kamailio/modules"))


@contextlib.asynccontextmanager
async def kamailio(directory: Path, target_port: int) -> AsyncIterator[Kamailio]:
    """Sends every call on to `target_port`. `directory` must exist."""
    port, modules = free_port(), _modules()
    config, log = directory / "kamailio.cfg", directory / "kamailio.log"
    config.write_text(CONFIG.format(port=port, modules=modules, target=target_port))
    arguments = [program("kamailio"), "-f", str(config), "-DD", "-E", "-P", str(directory / "kamailio.pid")]
    async with running([*arguments, "-Y", str(directory)], log, directory):
        await eventually("kamailio listens", lambda: "udp: 127.0.0.1" in log.read_text(errors="replace"), 10)
        yield Kamailio(port, log)
