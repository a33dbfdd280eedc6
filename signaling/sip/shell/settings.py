"""What the composition root hands to the sockets, and with it to the user agent."""

from dataclasses import dataclass, field

from signaling.sip.agent.settings import AgentSettings
from signaling.sip.shell.tls_context import TlsContexts


@dataclass(frozen=True)
class EndpointSettings:
    """For the sockets. Port 0 takes any free one, the same for UDP and TCP. TLS has a port of its own.

    `advertised_address` ("" = `address`) goes into Via and Contact. Rates are per source address: a trunk is
    one source, so they are meant to stop a flood, not to shape calls.
    """

    address: str = "127.0.0.1"
    port: int = 5060
    tls_port: int = 5061
    advertised_address: str = ""
    transports: tuple[str, ...] = ("udp", "tcp")
    tls: TlsContexts | None = None
    stranger_treatment: str = "forbid"  # forbid (403) | silence
    messages_per_second: float = 5000.0
    message_burst: float = 10_000.0
    nameservers: tuple[str, ...] = ()  # "address" or "address:port"; () asks the system's
    max_connections: int = 1000
    connection_idle_s: float = 3600.0
    capture_file: str = ""  # "" captures nothing
    capture_max_bytes: int = 50_000_000
    agent: AgentSettings = field(default_factory=AgentSettings)
