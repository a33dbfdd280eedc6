"""Who is written to: apprise URLs from files. They hold passwords, so nothing but the sending process sees one."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.errors import SettingsError
from bridge.settings.notifications import Notifications

NAME_DIGITS = 8


@dataclass(frozen=True)
class Address:
    """`name` is all that is ever shown, kept or logged: the kind of service, and which one it is."""

    name: str
    url: str = field(repr=False)


class AddressBook:
    """The addresses of each group, as the files had them at the start."""

    __slots__ = ("_groups",)

    def __init__(self, groups: Mapping[str, tuple[Address, ...]]) -> None:
        self._groups = groups

    @property
    def groups(self) -> frozenset[str]:
        """Those in which somebody is."""
        return frozenset(name for name, addresses in self._groups.items() if addresses)

    def of(self, group: str) -> tuple[Address, ...]:
        return self._groups.get(group, ())

    def find(self, group: str, name: str) -> Address | None:
        """None if the file has it no more."""
        return next((address for address in self.of(group) if address.name == name), None)


def read_address_book(settings: Notifications) -> AddressBook:
    """Raises SettingsError naming file and line, never what stands there."""
    return AddressBook({group.id: _read(group.urls_file) for group in settings.groups})


def _read(file: str) -> tuple[Address, ...]:
    if not file:
        return ()
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"notifications.groups: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"notifications.groups: {file}: not UTF-8 text") from error
    return tuple(dict.fromkeys(_addresses(file, text)))


def _addresses(file: str, text: str) -> Iterator[Address]:
    for number, line in enumerate(text.splitlines(), start=1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        if not _is_understood(url):
            raise SettingsError(
                f"{file}:{number}: no apprise URL (its kind is unknown, or a part is missing)"
            )
        digest = hashlib.sha256(url.encode()).hexdigest()[:NAME_DIGITS]
        yield Address(f"{url.partition(':')[0].lower()} {digest}", url)


def _is_understood(url: str) -> bool:
    """Whether apprise can send there. What it says of a URL it cannot use repeats the URL: nobody may hear it."""
    log = logging.getLogger("apprise")
    log.disabled = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules it imports
        from apprise import Apprise  # half a second, for those only who have somebody to write to

        return Apprise.instantiate(url, suppress_exceptions=True) is not None
