"""What we show and whom we believe over TLS: files to contexts."""

import ssl
from dataclasses import dataclass
from typing import Literal

from bridge.errors import SettingsError

ClientCertificates = Literal["off", "optional", "required"]
_VERIFY = {"off": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


@dataclass(frozen=True)
class TlsFiles:
    """`authorities` is who vouches for servers we connect to ("" = whom the system believes)."""

    certificate: str
    private_key: str
    authorities: str = ""
    client_certificates: ClientCertificates = "off"
    client_authorities: str = ""


@dataclass(frozen=True)
class TlsContexts:
    server: ssl.SSLContext
    client: ssl.SSLContext


def make_contexts(files: TlsFiles) -> TlsContexts:
    """Raises SettingsError that names the setting whose file is wrong."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context()
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(files.certificate, files.private_key)
        except OSError as error:
            raise SettingsError(f"sip.certificate, sip.private_key: {error}") from error
    server.verify_mode = _VERIFY[files.client_certificates]
    if files.client_authorities:
        _believe(server, files.client_authorities, "sip.client_authorities")
    if files.authorities:
        client = _only_believing(client, files)
    return TlsContexts(server, client)


def _only_believing(default: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    """A client context without the authorities of the system."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version, context.options = default.minimum_version, default.options
    context.load_cert_chain(files.certificate, files.private_key)
    _believe(context, files.authorities, "sip.authorities")
    return context


def _believe(context: ssl.SSLContext, path: str, setting: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise SettingsError(f"{setting}: {path}: {error}") from error
