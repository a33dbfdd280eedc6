"""TLS without I/O: two ends, and who believes whom."""

import ssl
from pathlib import Path

import pytest

from bridge.errors import SettingsError
from signaling.sip.shell.tls_context import ClientCertificates, TlsContexts, TlsFiles, make_contexts
from signaling.sip.shell.tls_stream import TlsError, TlsStream
from tests.certificates import Authority

NAME = "bridge.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def contexts(authority: Authority, name: str = NAME, clients: ClientCertificates = "off") -> TlsContexts:
    mine = authority.vouch(name)
    believed = str(authority.file)
    return make_contexts(
        TlsFiles(
            str(mine.certificate), str(mine.key), believed, clients, "" if clients == "off" else believed
        )
    )


def exchange(client: TlsStream, server: TlsStream) -> tuple[bytes, bytes]:
    """Carries what each has to send until both are silent; returns what each read."""
    read = [b"", b""]
    busy = True
    while busy:
        busy = False
        for index, (source, sink) in enumerate(((server, client), (client, server))):
            if data := source.data_to_send():
                busy = True
                read[index] += sink.receive(data)
    return read[0], read[1]


def test_both_ends_read_what_the_other_sends(authority: Authority) -> None:
    both = contexts(authority)
    client, server = TlsStream(both.client, NAME), TlsStream(both.server, None)
    with pytest.raises(TlsError):
        client.send(b"too early")
    client.begin()
    server.begin()
    exchange(client, server)
    assert client.secured
    assert server.secured
    client.send(b"INVITE" * 10_000)
    server.send(b"200")
    assert exchange(client, server) == (b"200", b"INVITE" * 10_000)


def test_a_message_in_single_bytes_is_read_whole(authority: Authority) -> None:
    both = contexts(authority)
    client, server = TlsStream(both.client, NAME), TlsStream(both.server, None)
    client.begin()
    exchange(client, server)
    client.send(b"BYE")
    read = b"".join(server.receive(bytes([byte])) for byte in client.data_to_send())
    assert read == b"BYE"


def test_a_server_with_another_name_is_not_believed(authority: Authority) -> None:
    both = contexts(authority, "other.example")
    client, server = TlsStream(both.client, NAME), TlsStream(both.server, None)
    client.begin()
    with pytest.raises(TlsError, match="mismatch"):
        exchange(client, server)
    assert not client.secured


def test_an_authority_that_is_not_ours_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    foreign = contexts(Authority(tmp_path))
    client, server = TlsStream(contexts(authority).client, NAME), TlsStream(foreign.server, None)
    client.begin()
    with pytest.raises(TlsError):
        exchange(client, server)


@pytest.mark.parametrize(
    ("clients", "shows", "believed"),
    [
        ("off", None, True),
        ("optional", None, True),
        ("optional", "good", True),
        ("optional", "foreign", False),
        ("required", None, False),
        ("required", "good", True),
        ("required", "foreign", False),
    ],
)
def test_client_certificates_by_setting(
    authority: Authority, tmp_path: Path, clients: ClientCertificates, shows: str | None, *, believed: bool
) -> None:
    client_context = contexts(authority).client
    if shows is None:
        client_context = bare(authority)
    elif shows == "foreign":
        stranger = Authority(tmp_path).vouch("stranger.example")
        client_context = bare(authority)
        client_context.load_cert_chain(stranger.certificate, stranger.key)
    client = TlsStream(client_context, NAME)
    server = TlsStream(contexts(authority, clients=clients).server, None)
    client.begin()
    if believed:
        exchange(client, server)
        assert server.secured
    else:
        with pytest.raises(TlsError):
            exchange(client, server)


def bare(authority: Authority) -> ssl.SSLContext:
    """A client that shows nothing."""
    return ssl.create_default_context(cafile=str(authority.file))


def test_what_is_no_tls_is_refused(authority: Authority) -> None:
    server = TlsStream(contexts(authority).server, None)
    with pytest.raises(TlsError):
        server.receive(b"OPTIONS sip:bridge SIP/2.0\r\n\r\n")


def test_the_setting_of_a_file_that_is_wrong_is_named(authority: Authority, tmp_path: Path) -> None:
    mine = authority.vouch(NAME)
    with pytest.raises(SettingsError, match=r"sip\.certificate"):
        make_contexts(TlsFiles(str(tmp_path / "absent.pem"), str(mine.key)))
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"sip\.authorities"):
        make_contexts(TlsFiles(str(mine.certificate), str(mine.key), str(rubbish)))
