"""Where in a TOML file each key stands; tomllib keeps no positions."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
DEEPEST = 16  # a dotted key may go on for ever; no key of a flow is deeper than five names


def places(text: str) -> dict[Path, int]:
    """The line of each table and key of a text that tomllib has read, counted from 1."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        read = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(read)
            found.setdefault(table, number)
        else:
            for path in _paths(read):
                found.setdefault((*table, *path), number)
    return found


def line_of(found: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of what is around it."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 1)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """A statement goes on until it can be read by itself: so one over many lines is one statement."""
    start, pending = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        start = start if pending else number
        pending += line + "\n"
        if _is_whole(pending):
            yield start, pending
            pending = ""


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _header(read: Any) -> Path:
    path: Path = ()
    while isinstance(read, dict | list) and read:
        if isinstance(read, list):
            read = read[0]
            continue
        name, read = next(iter(read.items()))
        path = (*path, name)
    return path


def _paths(read: Mapping[str, Any], deepest: int = DEEPEST) -> Iterator[Path]:
    for name, value in read.items():
        yield (name,)
        if isinstance(value, dict) and deepest > 1:
            yield from ((name, *rest) for rest in _paths(value, deepest - 1))
