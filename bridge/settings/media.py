"""Where media comes in, from phones and from browsers, and the sounds that are played."""

from typing import Annotated

from pydantic import Field, model_validator

from bridge.settings.section import IpAddress, Port, Seconds, Section, check_announced


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
        check_announced("rtp", self.address, self.advertised_address)
        return self


class Webrtc(Section):
    address: IpAddress = "127.0.0.1"
    port: Port = 10_000
    advertised_address: IpAddress = ""
    consent_timeout_s: Seconds = 30.0

    @model_validator(mode="after")
    def _address_can_be_sent_to(self) -> "Webrtc":
        check_announced("webrtc", self.address, self.advertised_address)
        return self


class Media(Section):
    prompts: str = ""
