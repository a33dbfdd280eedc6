"""Names in a flow's texts and conditions: what they stand for in one run."""

from collections.abc import Mapping

from bridge.desk.centre.flow import FlowRun
from bridge.desk.centre.notice import NAME
from bridge.desk.interaction.interaction import Interaction


def value_of(name: str, run: FlowRun, interaction: Interaction) -> str:
    """A variable of the run, else a fact of the call, else an attribute, else ""."""
    if name in run.variables:
        return run.variables[name]
    facts = {"caller": interaction.caller, "called": interaction.called, "by": run.by}
    return facts.get(name) or interaction.attributes.get(name, "")


def filled(text: str, run: FlowRun, interaction: Interaction) -> str:
    """`text` with each `{name}` replaced, once: a value that looks like a name stays as it is."""
    return NAME.sub(lambda match: value_of(match.group(1), run, interaction), text)


def all_filled(texts: Mapping[str, str], run: FlowRun, interaction: Interaction) -> dict[str, str]:
    return {name: filled(text, run, interaction) for name, text in texts.items()}
