"""`[[trunks]]`: the carriers and exchanges calls come from and go to, and what each of them can."""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bridge.settings.section import IpNetwork, Section, complaint

AudioCodec = Literal["OPUS", "G722", "PCMU", "PCMA"]
AUDIO_CODECS: tuple[AudioCodec, ...] = ("OPUS", "G722", "PCMU", "PCMA")
DEFAULT_TRUNK = "default"  # what [sip] says when there are no [[trunks]]


def _some(codecs: tuple[AudioCodec, ...]) -> tuple[AudioCodec, ...]:
    if not codecs:
        raise ValueError("a call needs a codec")
    return codecs


def _some_digest(digests: tuple[str, ...]) -> tuple[str, ...]:
    if not digests:
        raise ValueError("there must be one to ask for")
    return digests


AudioCodecs = Annotated[tuple[AudioCodec, ...], AfterValidator(_some)]


def _sip_uri(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if text and (scheme.lower() not in ("sip", "sips") or not colon or not rest or " " in text):
        raise ValueError('write a SIP URI, for example "sip:trunk.example:5060;transport=tcp"')
    return text


class Trunk(Section):
    """One `[[trunks]]`."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    name: Annotated[str, Field(max_length=128)] = ""
    networks: tuple[IpNetwork, ...] = ()
    target: Annotated[str, AfterValidator(_sip_uri)] = ""
    codecs: AudioCodecs = AUDIO_CODECS
    video_codecs: tuple[Literal["H264", "VP8"], ...] = ("H264", "VP8")
    srtp: Literal["off", "optional", "mandatory"] = "off"
    dtmf: Literal["rfc4733", "info", "inband"] = "rfc4733"
    priority: int = 0
    ping_s: Annotated[float, Field(ge=0)] = 30.0
    max_calls: Annotated[int, Field(ge=0)] = 0
    calls_per_second: Annotated[float, Field(ge=0)] = 0.0
    username: Annotated[str, Field(max_length=128)] = ""
    password_file: str = ""
    authenticate: bool = False
    digests: Annotated[tuple[Literal["SHA-256", "MD5"], ...], AfterValidator(_some_digest)] = (
        "SHA-256",
        "MD5",
    )
    trusted: bool = False
    session_expires_s: Annotated[int, Field(ge=90)] = 1800  # RFC 4028 section 5: Min-SE
    reliable_provisional: bool = False


def check_trunks(trunks: Sequence[Trunk]) -> None:
    """Raises for the first trunk that cannot be told from another one; the error says `at` which key."""
    for at, text in _clashes(trunks):
        raise complaint(text, at)


def _clashes(trunks: Sequence[Trunk]) -> Iterator[tuple[str, str]]:
    owners: dict[object, str] = {}
    users: dict[str, str] = {}
    ids: set[str] = set()
    for index, trunk in enumerate(trunks):
        if trunk.id in ids:
            yield f"trunks.{index}.id", f"more than one has the id {trunk.id}"
        ids.add(trunk.id)
        for text in trunk.networks:
            owner = owners.setdefault(ipaddress.ip_network(text), trunk.id)
            if owner != trunk.id:
                yield f"trunks.{index}.networks", f"{text} belongs to {owner} and to {trunk.id}"
        for key, gap in _gaps(trunk):
            yield f"trunks.{index}{key}", f"{trunk.id}: {gap}"
        if trunk.authenticate and users.setdefault(trunk.username, trunk.id) != trunk.id:
            yield (
                f"trunks.{index}.username",
                f"{trunk.username} is {users[trunk.username]}'s and {trunk.id}'s",
            )


def _gaps(trunk: Trunk) -> Iterator[tuple[str, str]]:
    """What must be there because something else is."""
    if not (trunk.networks or trunk.target or trunk.authenticate):
        yield "", "no call can use it: it has neither networks nor a target"
    if bool(trunk.username) != bool(trunk.password_file):
        yield "", "username and password_file go together: set both or none"
    if trunk.authenticate and not trunk.username:
        yield ".authenticate", "authenticate needs username and password_file"
