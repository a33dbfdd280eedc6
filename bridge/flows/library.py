"""All flows of a configuration: one file each, checked together."""

from collections.abc import Iterator
from pathlib import Path

from bridge.desk.centre.flow import Flow, FlowKind
from bridge.errors import SettingsError
from bridge.flows.flow_file import Known, parse_flow
from bridge.ids import FlowId
from bridge.settings.file import flows_directory, prompts_directory
from bridge.settings.settings import Settings

SHIPPED = (
    "these are the flows that come with warmbridge: configure the queues and groups they name, or set flows.folder "
    'to a folder with flows of your own, or an empty one and flows.inbound to ""'
)


def configured_flows(settings: Settings) -> tuple[Flow, ...]:
    """Raises SettingsError naming every mistake of every file with its line."""
    folder = flows_directory(settings.flows)
    if not folder.is_dir():
        raise SettingsError(f"flows.folder: no such folder: {folder}")
    # A folder without any is refused by whoever plays them, in fewer words.
    prompts = {path.stem for path in prompts_directory(settings.media).glob("*.wav")} or None
    queues = {queue.id for queue in settings.queues} | {"default"}
    known = Known(queues, prompts, {group.id for group in settings.notifications.groups})
    flows, complaints = [], []
    for path in sorted(folder.glob("*.toml")):
        try:
            flows.append(parse_flow(FlowId(path.stem), _read(path), str(path), known))
        except SettingsError as error:
            complaints.append(error.reason)
    complaints += _together(flows, settings, complete=not complaints)
    if complaints and not settings.flows.folder:
        complaints.append(SHIPPED)
    if complaints:
        raise SettingsError("\n".join(complaints))
    return tuple(flows)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def _together(flows: list[Flow], settings: Settings, *, complete: bool) -> Iterator[str]:
    """What only shows when all are there."""
    bound = [flow for flow in flows if flow.digits]
    for flow in bound:
        for other in bound:
            if flow.flow_id < other.flow_id and other.digits == flow.digits:
                yield f"{other.flow_id} and {flow.flow_id} are bound to the same digits {flow.digits}"
            elif other.digits != flow.digits and other.digits.endswith(flow.digits):
                yield f"{other.flow_id}: its digits {other.digits} end in those of {flow.flow_id}: {flow.digits}"
    inbound = settings.flows.inbound
    if not inbound or not complete:
        return
    leading = next((flow for flow in flows if flow.flow_id == inbound), None)
    if leading is None:
        names = ", ".join(flow.flow_id for flow in flows) or "none"
        yield f"flows.inbound: no flow {inbound!r}; there are {names}"
    elif leading.kind is not FlowKind.INBOUND:
        yield f"flows.inbound: {inbound} is an {leading.kind} flow; calls need an inbound one"
