"""What every table of the configuration is made of."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0)]


def _numeric(address: str) -> str:
    """Sockets, SDP and candidates want numbers; "" stands for "the same as address"."""
    if address:
        ipaddress.ip_address(address)
    return address


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


IpAddress = Annotated[str, AfterValidator(_numeric)]
IpNetwork = Annotated[str, AfterValidator(_network)]


class Section(BaseModel):
    """A table of the configuration: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
