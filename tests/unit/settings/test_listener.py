"""No port is wanted twice: found before anything is opened, with both settings' names."""

import pytest

from bridge.__main__ import main
from bridge.errors import SettingsError
from bridge.settings.file import load_settings

TLS = ('sip.transports=["udp","tcp","tls"]', "sip.certificate=a.pem", "sip.private_key=b.pem")


@pytest.mark.parametrize(
    ("overrides", "first", "second"),
    [
        (("webrtc.port=10002",), "webrtc.port", "rtp.port_min"),
        (("webrtc.port=19999",), "webrtc.port", "rtp.port_max"),
        (("rtp.port_min=9999", "rtp.port_max=10001"), "webrtc.port", "rtp.port_min"),
        (("sip.port=10500",), "sip.port", "rtp.port_min"),
        (("webrtc.port=5060",), "sip.port", "webrtc.port"),
        (("http.port=5060",), "http.port", "sip.port"),
        ((*TLS, "sip.tls_port=5060"), "sip.tls_port", "sip.port"),
        ((*TLS, "http.port=5061"), "http.port", "sip.tls_port"),
        (("http.address=localhost", "http.port=5060"), "http.port", "sip.port"),
        (
            ("rtp.address=0.0.0.0", "rtp.advertised_address=192.0.2.1", "webrtc.port=10002"),
            "webrtc.port",
            "rtp.port_min",
        ),
        (
            (
                "rtp.address=::",
                "rtp.advertised_address=2001:db8::1",
                "webrtc.address=::1",
                "webrtc.port=10002",
            ),
            "webrtc.port",
            "rtp.port_min",
        ),
    ],
)
def test_two_that_want_one_port_are_both_named(overrides: tuple[str, ...], first: str, second: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, overrides)
    assert first in caught.value.reason
    assert second in caught.value.reason
    assert "same" in caught.value.reason


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("webrtc.port=0", "sip.port=0", "http.port=0"),
        ("webrtc.port=20001",),
        ("rtp.port_min=10003", "rtp.port_max=10007", "webrtc.port=10003"),  # the first pair is 10004
        ("rtp.port_min=10002", "rtp.port_max=10006", "webrtc.port=10006"),  # the last one ends with 10005
        ("http.port=10500",),  # TCP beside UDP
        ('sip.transports=["udp"]', "http.port=5060"),
        ("sip.tls_port=5060",),  # not open
        ("rtp.address=127.0.0.2", "webrtc.port=10002"),
        ("rtp.address=::1", "webrtc.port=10002"),
        ("http.address=bridge.example", "http.port=5060"),
    ],
)
def test_what_does_not_collide_is_let_pass(overrides: tuple[str, ...]) -> None:
    load_settings(None, overrides)


def test_check_and_serve_refuse_before_anything_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "serve"):
        assert main([command, "--set", "webrtc.port=12000"]) == 2
        said = capsys.readouterr().err
        assert "webrtc.port (12000 on 127.0.0.1) and rtp.port_min to rtp.port_max (10002-19999 on" in said
