"""The SIP door: where it listens, how it meets strangers, and what it says of itself."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.settings.section import HostName, IpAddress, IpNetwork, Port, Section, Server, check_announced
from bridge.settings.trunk import AUDIO_CODECS, AudioCodecs

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
        check_announced("sip", self.address, self.advertised_address)
        return self
