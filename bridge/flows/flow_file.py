"""One flow's file: read, checked, and made a value of the desk."""

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.desk.centre.flow import BRANCHES, END, STEP_RULES, Flow, FlowKind, FlowStep, Outcome, StepKind
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.desk.flow.check import Mistake, mistakes_of
from bridge.errors import SettingsError
from bridge.flows.place import line_of, places
from bridge.ids import FlowId, QueueId, UserId

FILE_MAX_CHARACTERS = 65_536
_TOP = frozenset({"name", "kind", "start", "digits", "steps"})
_DIGITS = re.compile(r"[0-9*#A-D]{1,8}")  # RFC 4733 section 3.2: the sixteen keys
_STEP_NAME = re.compile(r"[A-Za-z0-9_ -]{1,64}")


@dataclass(frozen=True)
class Known:
    """What a flow may name. None: not known here, so not checked."""

    queues: Collection[str] | None = None
    prompts: Collection[str] | None = None
    groups: Collection[str] | None = None


class WrongValueError(Exception):
    """A value of the wrong kind; the text says what was wanted."""


@dataclass
class _Reading:
    """One file while it is read: what was found wrong so far."""

    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, step: str, key: str, text: str) -> None:
        self.mistakes.append(Mistake(step, key, text))

    def value(self, step: str, table: Mapping[str, Any], key: str, default: Any) -> Any:
        """The value of `key`, converted; the default if it is not there or wrong, which is then noted."""
        if key not in table:
            return default
        try:
            return _CONVERT[key](table[key])
        except WrongValueError as error:
            self.wrong(step, key, str(error))
            return default

    def has(self, step: str, key: str) -> bool:
        return any(mistake.step == step and mistake.key == key for mistake in self.mistakes)


def parse_flow(flow_id: FlowId, text: str, where: str, known: Known) -> Flow:
    """Raises SettingsError with one line for each mistake, `where` and its line in front."""
    if len(text) > FILE_MAX_CHARACTERS:
        raise SettingsError(f"{where}: more than {FILE_MAX_CHARACTERS} characters")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(where, str(error))) from error
    reading = _Reading()
    flow = _flow(reading, flow_id, tables)
    reported = {(mistake.step, mistake.key) for mistake in reading.mistakes}
    later = (*mistakes_of(flow), *_unknown_names(flow, known))
    reading.mistakes += [m for m in later if (m.step, m.key) not in reported and not _excused(reading, m)]
    if reading.mistakes:
        raise SettingsError("\n".join(_complaints(reading.mistakes, text, where)))
    return flow


def _flow(reading: _Reading, flow_id: FlowId, tables: Mapping[str, Any]) -> Flow:
    for key in sorted(tables.keys() - _TOP):
        reading.wrong("", key, f"unknown key{_near(key, _TOP)}")
    for key in ("name", "kind", "start", "steps"):
        if key not in tables:
            reading.wrong("", key, f"the key {key!r} is missing")
    steps = tables.get("steps", {})
    if not isinstance(steps, dict) or not all(isinstance(table, dict) for table in steps.values()):
        reading.wrong("", "steps", "steps are tables: [steps.NAME]")
        steps = {}
    return Flow(
        flow_id,
        reading.value("", tables, "name", flow_id),
        reading.value("", tables, "kind", FlowKind.INBOUND),
        reading.value("", tables, "start", ""),
        tuple(_step(reading, name, table) for name, table in steps.items()),
        reading.value("", tables, "digits", ""),
    )


def _step(reading: _Reading, name: str, table: Mapping[str, Any]) -> FlowStep:
    """A step of a kind nobody knows stands in the flow as a decision, so that the rest can be checked."""
    branches = dict(_branches(reading, name, table))
    if not _STEP_NAME.fullmatch(name) or name == END:
        reading.wrong(name, "", f"{name!r} is no name for a step")
    kind = _kind(reading, name, table)
    if kind is None:
        return FlowStep(name, StepKind.DECISION, branches)
    rule = STEP_RULES[kind]
    fields = rule.required | rule.optional
    for key in sorted(rule.required - table.keys()):
        reading.wrong(name, key, f"{kind} needs {key!r}")
    for key in sorted(table.keys() - fields - {"do", *BRANCHES}):
        near = _near(key, fields | {"do", *rule.outcomes})
        reading.wrong(name, key, f"{kind} has no key {key!r}{near}")
    defaults = FlowStep(name, kind)
    values = {
        key: reading.value(name, table, key, getattr(defaults, key)) for key in sorted(fields & table.keys())
    }
    return FlowStep(name, kind, branches, **values)


def _kind(reading: _Reading, name: str, table: Mapping[str, Any]) -> StepKind | None:
    if "do" not in table:
        reading.wrong(name, "do", "the key 'do' is missing: what the step does")
        return None
    try:
        return StepKind(table["do"])
    except ValueError:
        reading.wrong(name, "do", f"unknown step {table['do']!r}{_near(str(table['do']), set(StepKind))}")
        return None


def _branches(reading: _Reading, name: str, table: Mapping[str, Any]) -> Iterator[tuple[Outcome, str]]:
    for outcome in BRANCHES:
        if outcome in table:
            yield outcome, reading.value(name, table, outcome, END)


def _excused(reading: _Reading, mistake: Mistake) -> bool:
    """What follows only from something that was said already."""
    if reading.has("", "steps"):
        return True
    return bool(mistake.step) and mistake.key == "" and reading.has(mistake.step, "do")


def _unknown_names(flow: Flow, known: Known) -> Iterator[Mistake]:
    for step in flow.steps:
        if step.queue is not None and known.queues is not None and step.queue not in known.queues:
            yield Mistake(step.name, "queue", f"no queue {step.queue!r}{_near(step.queue, known.queues)}")
        if step.to and known.groups is not None and step.to not in known.groups:
            yield Mistake(step.name, "to", f"no group {step.to!r}{_near(step.to, known.groups)}")
        if step.prompt and known.prompts is not None and step.prompt not in known.prompts:
            yield Mistake(
                step.name, "prompt", f"no prompt {step.prompt!r}{_near(step.prompt, known.prompts)}"
            )


def _complaints(mistakes: Iterable[Mistake], text: str, where: str) -> Iterator[str]:
    """In the order of the file."""
    found = places(text)
    lined = []
    for mistake in mistakes:
        path = ("steps", mistake.step) if mistake.step else ()
        lined.append((line_of(found, (*path, mistake.key) if mistake.key else path), mistake))
    for line, mistake in sorted(lined, key=lambda entry: entry[0]):
        step = f"step {mistake.step!r}: " if mistake.step else ""
        yield f"{where}:{line}: {step}{mistake.text}"


def _syntax(where: str, message: str) -> str:
    """tomllib says the line at the end: it belongs in front."""
    match = re.search(r" \(at line (\d+), column \d+\)$", message)
    return f"{where}:{match.group(1)}: {message[: match.start()]}" if match else f"{where}: {message}"


def _near(name: str, known: Iterable[str]) -> str:
    words = sorted(str(word) for word in known)
    near = difflib.get_close_matches(name, words, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(words) or 'none'}"


# --- values -----------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise WrongValueError("a text is wanted, in quotes")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WrongValueError("a number of seconds is wanted")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("true or false is wanted")
    return value


def _word(value: Any) -> str:
    """Interaction data is text: numbers and truth values are written down as such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise WrongValueError("a text, a number, true or false is wanted")


def _words(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise WrongValueError('a table is wanted: { name = "value" }')
    return {name: _word(word) for name, word in value.items()}


def _conditions(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not value:
        raise WrongValueError('a table is wanted: { name = "value" } or { name = ["one", "another"] }')
    return {
        name: tuple(_word(word) for word in words) if isinstance(words, list) else (_word(words),)
        for name, words in value.items()
    }


def _digits(value: Any) -> str:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise WrongValueError("one to eight keys of a phone are wanted: 0-9 * # A-D")
    return value


def _keys(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_DIGITS.fullmatch(key) and len(key) == 1 for key in value):
        raise WrongValueError('a table of single keys of a phone is wanted: { "1" = "a step" }')
    return {key: _text(target) for key, target in value.items()}


def _one_of(words: type[FlowKind] | type[MediaType] | type[ParticipantRole]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return words(value)
        except ValueError:
            raise WrongValueError(f"one of {', '.join(words)} is wanted, not {value!r}") from None

    return convert


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "kind": _one_of(FlowKind),
    "start": _text,
    "digits": _digits,
    **dict.fromkeys(BRANCHES, _text),
    "keys": _keys,
    "timeout_s": _number,
    "seconds": _number,
    "data": _words,
    "keep": _flag,
    "variables": _words,
    "participant": _one_of(ParticipantRole),
    "when": _conditions,
    "queue": lambda value: QueueId(_text(value)),
    "user": lambda value: UserId(_text(value)),
    "media": _one_of(MediaType),
    "prompt": _text,
    "number": _text,
    "delay_s": _number,
    "to": _text,
    "subject": _text,
    "text": _text,
    "reason": _text,
}
