"""A SIP message as people may read it: no keys, no credentials, no digits, no words of a chat."""

import re

from signaling.sip.wire.message import readable

MASK = "***"
_SDP = "application/sdp"
# The scheme stays, what proves who asks does not (RFC 3261 sections 20.7 and 20.28), folded lines included.
_CREDENTIALS = re.compile(r"(?im)^((?:proxy-)?authorization[ \t]*:\s*\S+)[^\n]*(?:\n[ \t][^\n]*)*")
_SDP_SECRETS = re.compile(
    r"(?im)^(?:(a=crypto:\S+[ \t]+\S+[ \t]+inline:)"  # RFC 4568 section 9.1: master key and salt
    r"|(a=ice-pwd:)"
    r"|(k=\w+:?))[^\n]*"  # RFC 8866 section 5.12
)
_CONTENT_TYPE = re.compile(r"(?im)^(?:content-type|c)[ \t]*:\s*([^\s;]+)")
_CSEQ = re.compile(r"(?im)^cseq[ \t]*:\s*\d+\s+(\S+)")


def mask(data: bytes) -> str:
    """Start line, headers and, of SDP alone, the body. Never raises, whatever is in `data`."""
    head, body = _split(data)
    lines = [readable(line) for line in _CREDENTIALS.sub(rf"\1 {MASK}", head).split("\n")]
    if body:
        lines += ["", *_masked_body(head, body)]
    return "\n".join(lines)


def summary(data: bytes) -> str:
    """The start line, and what the message carries: `INVITE sip:desk@host (sdp)`, `200 OK INVITE (sdp)`."""
    head, body = _split(data)
    first = head.split("\n", 1)[0]
    if first.startswith("SIP/2.0 "):
        method = _CSEQ.search(head)
        first = f"{first[8:]} {method[1] if method else ''}".rstrip()
    else:
        first = first.removesuffix(" SIP/2.0")
    kind = _content_type(head).rpartition("/")[2]
    return readable(f"{first} ({kind})" if body and kind else first)


def _split(data: bytes) -> tuple[str, str]:
    """Head and body with plain line ends: a bare LF is let in by the parser, so it must hide nothing here."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    head, _, body = text.partition("\n\n")
    return head, body


def _masked_body(head: str, body: str) -> list[str]:
    kind = _content_type(head)
    if kind != _SDP:
        return [f"(a body of {readable(kind) or 'no type'}, {MASK})"]
    text = _SDP_SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3]}{MASK}", body)
    return [readable(line) for line in text.rstrip("\n").split("\n")]


def _content_type(head: str) -> str:
    found = _CONTENT_TYPE.search(head)
    return found[1].lower() if found else ""
