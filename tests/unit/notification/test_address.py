"""Who is written to: addresses from files, of which nothing but a name is ever shown."""

from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.notification.address import read_address_book
from bridge.settings.notifications import NotificationGroup, Notifications

URL = "mailto://bridge:secret-word@mail.example?to=sme@example.org"


def settings(file: str) -> Notifications:
    return Notifications(
        groups=(NotificationGroup(id="experts", urls_file=file), NotificationGroup(id="chiefs"))
    )


def test_a_file_has_one_address_a_line(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text(f"# who is on duty\n\n{URL}\n{URL}\njson://hooks.example/abc\n")
    book = read_address_book(settings(str(path)))
    mail, hook = book.of("experts")
    assert (mail.url, hook.url) == (URL, "json://hooks.example/abc")
    assert mail.name.startswith("mailto ")
    assert "secret-word" not in repr(mail) + mail.name
    assert book.groups == {"experts"}
    assert book.of("chiefs") == book.of("nobody") == ()
    assert book.find("experts", hook.name) is hook
    assert book.find("chiefs", hook.name) is None


@pytest.mark.parametrize(
    "line", ["mail to the experts: secret-word", "nosuchservice://secret-word", "mailto://"]
)
def test_what_is_no_address_is_named_by_its_line_and_not_repeated(tmp_path: Path, line: str) -> None:
    path = tmp_path / "urls"
    path.write_text(f"{URL}\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        read_address_book(settings(str(path)))
    assert caught.value.reason.startswith(f"{path}:2: ")
    assert "secret" not in caught.value.reason


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_address_book(settings(str(tmp_path / "urls")))
