"""The settings file: where it lies, how it is read, and each mistake in it named with its line."""

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from bridge.errors import SettingsError
from bridge.settings.desk import Flows
from bridge.settings.media import Media
from bridge.settings.section import Section
from bridge.settings.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
        line = _AT_LINE.search(str(error))
        raise SettingsError(f"{where}{':' + line[1] if line else ''}: {error}") from error
    for override in overrides:
        key, value = _parse_override(override)
        _set(tables, key, value, override)
    lines = _places(text, where, overrides)
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, lines, where))) from error


def placed(reason: str, path: Path | None, overrides: Sequence[str] = ()) -> str:
    """What was found out later than by reading: each line that begins with a key gets its place, if it is set."""
    try:
        lines = _places(_read(path) if path else "", str(path), overrides)
    except SettingsError:
        return reason  # which says so
    found = []
    for line in reason.splitlines():
        key = _BEGINNING.match(line)
        if key is None:
            found.append(line)
            continue
        place = next((f"{lines[k]}: " for k in _and_above(key[0]) if k in lines), "")
        found.append(place + _without_indexes(key[0]) + line[key.end() :])
    return "\n".join(found)


def _places(text: str, where: str, overrides: Sequence[str]) -> dict[str, str]:
    """Where each key and table stands."""
    lines = {key: f"{where}:{number}" for key, number in _key_lines(text)}
    for override in overrides:
        key, _ = _parse_override(override)
        lines[key] = f"--set {override}"
        lines.setdefault(key.partition(".")[0], lines[key])
    return lines


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file; give an existing one with --config") from error
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}; give a file that can be read with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


_TABLE = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-.]+)\s*=")
_MADE_BY: dict[int | str, str] = {
    "password_hash": "`warmbridge password`",
    "secret_hash": "`warmbridge secret`",
}
_AT_LINE = re.compile(r"\(at line (\d+),")
_BEGINNING = re.compile(r"[a-z_]+\.[a-z_0-9.]+(?=: |, | and )")
_WORD = re.compile(r"[a-z_0-9.]+[a-z_0-9]")


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
        message = "unknown key" if problem["type"] == "extra_forbidden" else _in_plain_words(problem)
        named = str(problem.get("ctx", {}).get("at", "")).split()
        at = named[0] if named else ".".join(map(str, problem["loc"]))
        candidates = (*(named or _named(message, at)), *_and_above(at))
        place = next((lines[k] for k in candidates if k in lines), where)
        key = _without_indexes(at)
        hint = _suggestion(key.split(".")) if problem["type"] == "extra_forbidden" else ""
        yield f"{place}: {key}: {message}{hint}"


def _without_indexes(key: str) -> str:
    return ".".join(part for part in key.split(".") if not part.isdecimal())


def _named(message: str, at: str) -> Iterator[str]:
    """The keys a rule speaks of: by their whole name, or by that within the table it is about."""
    for word in _WORD.findall(message):
        yield word if "." in word else f"{at}.{word}"


def _in_plain_words(problem: "ErrorDetails") -> str:
    if problem["type"] == "missing":
        return "must be there"
    if problem["type"] == "string_pattern_mismatch" and problem["loc"][-1] in _MADE_BY:
        return f"must be what {_MADE_BY[problem['loc'][-1]]} prints"
    return problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)


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
