"""The settings file: where it lies, how it is read, and each mistake in it named with its line."""

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings.desk import Flows
from bridge.settings.media import Media
from bridge.settings.section import Section
from bridge.settings.settings import Settings


def config_directory() -> Path:
    """Where `bridge.toml`, `flows/` and `prompts/` lie: in the checkout, else beside the installed package."""
    checkout = Path(__file__).parents[2] / "config"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "warmbridge"


def prompts_directory(media: Media) -> Path:
    return Path(media.prompts) if media.prompts else config_directory() / "prompts"


def flows_directory(flows: Flows) -> Path:
    return Path(flows.folder) if flows.folder else config_directory() / "flows"


def load_settings(path: Path | None, overrides: Sequence[str] = ()) -> Settings:
    """Reads `path` (None: defaults only) and applies `section.key=value` overrides.

    Raises `SettingsError` naming every wrong key with its line in the file, or its override.
    """
    text = _read(path) if path else ""
    where = str(path) if path else "defaults"
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: {error}") from error
    lines = {key: f"{where}:{number}" for key, number in _key_lines(text)}
    for override in overrides:
        key, value = _parse_override(override)
        _set(tables, key, value, override)
        lines[key] = f"--set {override}"
        lines.setdefault(key.partition(".")[0], lines[key])
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, lines, where))) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give an existing file with --config") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


_TABLE = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-.]+)\s*=")


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """Dotted key and line number of each assignment and table; tomllib keeps no positions.

    The tables of a list have their index after the name: trunks.0.codecs.
    """
    table = ""
    count: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            brackets, table = match.groups()
            if brackets == "[[":
                name, table = table, f"{table}.{count[table]}"
                count[name] += 1
            yield table, number
        elif match := _KEY.match(line):
            yield (f"{table}.{match.group(1)}" if table else match.group(1)), number


def _parse_override(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or "." not in key:
        raise SettingsError(
            f"--set {override}: write it as section.key=value, for example rtp.port_min=12000"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, so that --set sip.address=10.0.0.1 needs no quotes
    return key.strip(), value


def _set(tables: dict[str, Any], key: str, value: Any, override: str) -> None:
    section, _, name = key.partition(".")
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        raise SettingsError(f"--set {override}: {section} is not a section")
    table[name] = value


def _complaints(error: ValidationError, lines: dict[str, str], where: str) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        at = str(problem.get("ctx", {}).get("at", "")) or ".".join(map(str, problem["loc"]))
        path = [part for part in at.split(".") if part and not part.isdecimal()]
        key = ".".join(path)
        place = next((lines[k] for k in _and_above(at) if k in lines), where)
        message = "unknown key" if problem["type"] == "extra_forbidden" else _in_plain_words(problem["msg"])
        hint = _suggestion(path) if problem["type"] == "extra_forbidden" else ""
        yield f"{place}: {key or 'configuration'}: {message}{hint}"


def _in_plain_words(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _and_above(key: str) -> Iterator[str]:
    while key:
        yield key
        key = key.rpartition(".")[0]


def _suggestion(path: list[str]) -> str:
    """The nearest known key, or the list of those there are."""
    import difflib

    known: list[str] = list(Settings.model_fields)
    if len(path) > 1 and path[0] in Settings.model_fields:
        section = Settings.model_fields[path[0]].annotation
        section = next(iter(get_args(section)), section)  # one of a list of tables
        if isinstance(section, type) and issubclass(section, Section):
            known = list(section.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
