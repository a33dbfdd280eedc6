"""What is wrong with a flow, found before it runs: branches that lead nowhere, steps nobody reaches, spinning."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridge.desk.centre.flow import END, STEP_RULES, Flow, FlowKind, FlowStep, Outcome, StepKind
from bridge.desk.interaction.attributes import OWN_ATTRIBUTES

SECONDS_MIN = 1.0  # a loop that waits less would still spin
_TRANSFERS = (StepKind.WARM_TRANSFER, StepKind.BLIND_TRANSFER)


@dataclass(frozen=True)
class Mistake:
    """`step` and `key` say where in the flow's file; both may be ""."""

    step: str
    key: str
    text: str


def mistakes_of(flow: Flow) -> Iterator[Mistake]:
    """Everything that is wrong; nothing if the flow can be run."""
    names = {step.name for step in flow.steps}
    if flow.start not in names:
        yield Mistake("", "start", f"there is no step {flow.start!r} to start with")
    for step in flow.steps:
        yield from _misplaced(flow, step)
        yield from _branches(step, names)
        yield from _durations(step)
        yield from _targets(step)
        if step.keys and flow.kind is not FlowKind.INBOUND:
            yield Mistake(step.name, "keys", "only who waits in an inbound flow is asked for a key")
    reached = _reachable(flow)
    for step in flow.steps:
        if step.name not in reached and flow.start in names:
            yield Mistake(step.name, "", "no branch leads to this step")
    for name in _spinning(flow):
        yield Mistake(
            name, "", "this step is in a loop without wait: put a wait, or the timeout of a step, in it"
        )


def _misplaced(flow: Flow, step: FlowStep) -> Iterator[Mistake]:
    rule = STEP_RULES[step.kind]
    if flow.kind not in rule.flows:
        escalation = flow.kind is FlowKind.ESCALATION
        if escalation and step.kind in _TRANSFERS:
            why = "it would complete the interaction that is to go on; use conference"
        elif escalation:
            why = "the customer is in a conversation that has to go on"
        else:
            why = "nobody has been asked to join yet"
        yield Mistake(step.name, "do", f"no {step.kind} in an {flow.kind} flow: {why}")


def _branches(step: FlowStep, names: set[str]) -> Iterator[Mistake]:
    outcomes = STEP_RULES[step.kind].outcomes
    for outcome in sorted(outcomes - step.branches.keys()):
        yield Mistake(step.name, "", f"the branch '{outcome}' is missing; lead it to a step or to {END!r}")
    for outcome in sorted(step.branches.keys() - outcomes):
        yield Mistake(step.name, outcome, f"a {step.kind} step has no branch '{outcome}'")
    for outcome, target in step.branches.items():
        if target != END and target not in names:
            yield Mistake(step.name, outcome, f"there is no step {target!r}")
    for target in step.keys.values():
        if target != END and target not in names:
            yield Mistake(step.name, "keys", f"there is no step {target!r}")


def _durations(step: FlowStep) -> Iterator[Mistake]:
    if step.timeout_s is not None and step.timeout_s < SECONDS_MIN:
        yield Mistake(step.name, "timeout_s", f"at least {SECONDS_MIN:g} s")
    if step.kind is StepKind.WAIT and step.seconds < SECONDS_MIN:
        yield Mistake(step.name, "seconds", f"at least {SECONDS_MIN:g} s")
    if step.delay_s < 0:
        yield Mistake(step.name, "delay_s", "not before now")


def _targets(step: FlowStep) -> Iterator[Mistake]:
    if step.kind in _TRANSFERS and (step.queue is None) == (step.user is None):
        yield Mistake(step.name, "do", f"a {step.kind} goes to a queue or to a user: set one of the two")
    for name in sorted(OWN_ATTRIBUTES & step.data.keys()):
        yield Mistake(step.name, "data", f"{name} is found out by the bridge and cannot be set")


def _reachable(flow: Flow) -> set[str]:
    reached: set[str] = set()
    ahead = [flow.start]
    while ahead:
        name = ahead.pop()
        step = flow.step(name)
        if name in reached or step is None:
            continue
        reached.add(name)
        ahead += (*step.branches.values(), *step.keys.values())
    return reached


def _spinning(flow: Flow) -> list[str]:
    """Steps that come back to themselves by branches of which none takes time."""
    at_once = {step.name: set(_instant(step)) for step in flow.steps}
    return [step.name for step in flow.steps if step.name in _closure(at_once, at_once[step.name])]


def _instant(step: FlowStep) -> Iterator[str]:
    slow: Iterable[Outcome] = STEP_RULES[step.kind].takes_time
    return (target for outcome, target in step.branches.items() if outcome not in slow and target != END)


def _closure(edges: dict[str, set[str]], names: set[str]) -> set[str]:
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += edges.get(name, ())
    return found
