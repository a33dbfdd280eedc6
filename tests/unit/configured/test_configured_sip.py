"""What the SIP door takes from `[sip]` and `[[trunks]]`."""

from pathlib import Path

import pytest

from bridge.configured.sip import configured_endpoint, configured_phones
from bridge.errors import SettingsError
from bridge.negotiation.phone.transport import derived_keys
from bridge.settings.settings import Settings
from tests.certificates import Authority

KEYS = derived_keys(b"secret")


def with_trunk(**trunk: object) -> Settings:
    return Settings.model_validate({"trunks": [{"id": "carrier", "networks": ["192.0.2.0/24"], **trunk}]})


def test_a_trunk_signs_in_with_the_one_line_of_its_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    settings = with_trunk(username="bridge", password_file=str(file), max_calls=7)
    (trunk,) = configured_endpoint(settings).agent.trunks
    assert (trunk.trunk_id, trunk.username, trunk.password, trunk.max_calls) == (
        "carrier",
        "bridge",
        "open sesame",
        7,
    )


def test_a_password_file_that_says_nothing_stops_the_start_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "password"
    settings = with_trunk(username="bridge", password_file=str(file))
    with pytest.raises(SettingsError, match=r"trunks\.password_file of carrier: .*No such file"):
        configured_endpoint(settings)
    file.write_text("\n")
    with pytest.raises(SettingsError, match=r"trunks\.password_file of carrier: .* is empty"):
        configured_endpoint(settings)


def test_what_is_said_in_megabytes_is_kept_in_bytes() -> None:
    endpoint = configured_endpoint(Settings.model_validate({"sip": {"capture_max_mb": 3}}))
    assert endpoint.capture_max_bytes == 3_000_000


@pytest.mark.parametrize(("treatment", "answers"), [("forbid", True), ("silence", False)])
def test_strangers_are_answered_or_not(treatment: str, answers: bool) -> None:
    endpoint = configured_endpoint(Settings.model_validate({"sip": {"stranger_treatment": treatment}}))
    assert endpoint.agent.answers_unwanted is answers


def test_certificates_are_read_for_tls_alone(tmp_path: Path) -> None:
    assert configured_endpoint(Settings()).tls is None
    files = Authority(tmp_path).vouch("bridge.example")
    sip = {"transports": ["tls"], "certificate": str(files.certificate), "private_key": str(files.key)}
    assert configured_endpoint(Settings.model_validate({"sip": sip})).tls is not None


def test_phones_behind_each_trunk_are_offered_what_it_says() -> None:
    phones = configured_phones(with_trunk(dtmf="inband", codecs=["PCMU"], srtp="mandatory"), KEYS)
    (offered,) = phones.values()
    assert (offered.codecs, offered.srtp) == (("PCMU",), "mandatory")
    assert (offered.dtmf, offered.inband_dtmf, offered.info_dtmf) == (False, True, False)
    (offered,) = configured_phones(with_trunk(dtmf="info"), KEYS).values()
    assert (offered.dtmf, offered.inband_dtmf, offered.info_dtmf) == (True, False, True)


@pytest.mark.parametrize(
    ("rtp", "reach"),
    [
        ({}, "IP4"),
        ({"address": "::1"}, "IP6"),
        ({"address": "::", "advertised_address": "192.0.2.1"}, "IP4"),
    ],
)
def test_phones_are_sent_to_by_the_ip_version_of_the_media_address(rtp: dict[str, str], reach: str) -> None:
    settings = with_trunk().model_copy(update={"rtp": Settings.model_validate({"rtp": rtp}).rtp})
    assert {phone.reach for phone in configured_phones(settings, KEYS).values()} == {reach}
