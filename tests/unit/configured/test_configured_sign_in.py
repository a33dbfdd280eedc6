"""What tokens are signed with, and whose word is taken besides."""

from pathlib import Path

import pytest

from bridge.clock import ManualClock
from bridge.configured.sign_in import configured_issuer, configured_secret, configured_sign_in_issuer
from bridge.errors import SettingsError
from bridge.settings.settings import Settings

CLOCK = ManualClock(1000.0)


def test_without_a_file_each_start_signs_with_another_secret(tmp_path: Path) -> None:
    assert configured_secret(Settings()) != configured_secret(Settings())
    file = tmp_path / "secret"
    file.write_text("s" * 64)
    settings = Settings.model_validate({"auth": {"secret_file": str(file)}})
    assert configured_secret(settings) == configured_secret(settings)


def test_nobody_elses_word_is_taken_unless_the_settings_name_them() -> None:
    assert configured_issuer(Settings(), CLOCK) is None
    assert configured_sign_in_issuer(Settings(), CLOCK) is None


def test_a_client_secret_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    def with_secret(file: Path) -> Settings:
        return Settings.model_validate(
            {
                "http": {"public_url": "https://bridge.example"},
                "sign_in": {
                    "issuer": "https://issuer.example",
                    "client_id": "bridge",
                    "client_secret_file": str(file),
                },
            }
        )

    with pytest.raises(SettingsError, match=r"sign_in\.client_secret_file: .*missing"):
        configured_sign_in_issuer(with_secret(tmp_path / "missing"), CLOCK)
    (tmp_path / "there").write_text("hush\n")
    assert configured_sign_in_issuer(with_secret(tmp_path / "there"), CLOCK) is not None
