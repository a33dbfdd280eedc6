"""What every table of the configuration is made of."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_PORT = 65_535
_SERVER = re.compile(
    r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::(?P<six_port>[0-9]{1,5}))?"
    r"|(?P<four>[0-9.]+):(?P<four_port>[0-9]{1,5})"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)
Port = Annotated[int, Field(ge=0, le=MAX_PORT)]
Seconds = Annotated[float, Field(gt=0)]


def _host(host: str) -> str:
    """A name or an address, or "". It goes into Via and Contact as it is."""
    if not re.fullmatch(r"[A-Za-z0-9.:-]*", host):
        raise ValueError(f"{host!r} is no host name and no IP address")
    return host


def _numeric(address: str) -> str:
    """Sockets, SDP and candidates want numbers; "" stands for "the same as address"."""
    if address:
        ipaddress.ip_address(address)
    return address


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def split_server(text: str, port: int) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. Raises ValueError."""
    match = _SERVER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text}: not an address with or without a port")
    host = match["six"] or match["four"] or match["bare"]
    number = int(match["six_port"] or match["four_port"] or port)
    if not 0 < number <= MAX_PORT:
        raise ValueError(f"{text}: no such port")
    return str(ipaddress.ip_address(host)), number


def _server(text: str) -> str:
    split_server(text, MAX_PORT)
    return text


IpAddress = Annotated[str, AfterValidator(_numeric)]
HostName = Annotated[str, AfterValidator(_host)]
IpNetwork = Annotated[str, AfterValidator(_network)]
Server = Annotated[str, AfterValidator(_server)]
"""A numeric address, with its port if it is not the usual one."""


def check_announced(section: str, address: str, advertised_address: str) -> None:
    """Nobody can send to 0.0.0.0; in SDP it even means hold (RFC 3264 section 8.4)."""
    if not advertised_address and ipaddress.ip_address(address or "0.0.0.0").is_unspecified:
        raise ValueError(
            f"{section}.address {address!r} needs {section}.advertised_address: what others send to"
        )


def complaint(text: str, *keys: str) -> PydanticCustomError:
    """For a rule over several keys or tables: `keys` (with indexes) are where it can be mended, the likeliest first."""
    return PydanticCustomError("rule", "{complaint}", {"complaint": text, "at": " ".join(keys)})


def check_ids(table: str, ids: Sequence[str]) -> None:
    """The `id` (or what `table` ends in) of each table in a list is its own."""
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            name, _, key = table.rpartition(".")
            raise complaint(f"{id_} is there more than once", f"{name}.{index}.{key}", name)


class Section(BaseModel):
    """A table of the configuration: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
