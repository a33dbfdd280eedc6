"""Interaction data: what the agent writes down and the expert reads before answering. Bounded in size."""

from collections.abc import Mapping

from bridge.desk.policy import DeskPolicy
from bridge.errors import CapacityError


def merged_attributes(
    present: Mapping[str, str], changes: Mapping[str, str], policy: DeskPolicy
) -> dict[str, str]:
    """`present` with `changes` over it. Raises CapacityError beyond `attributes_max_bytes`."""
    merged = {**present, **changes}
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in merged.items())
    if size_bytes > policy.attributes_max_bytes:
        raise CapacityError(
            f"the attributes would take {size_bytes} bytes, {policy.attributes_max_bytes} are allowed"
        )
    return merged
