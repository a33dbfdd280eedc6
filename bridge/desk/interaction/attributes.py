"""Interaction data: what the agent writes down and the expert reads before answering. Bounded in size."""

from collections.abc import Mapping
from typing import ClassVar

from bridge.desk.centre.policy import DeskPolicy
from bridge.errors import CapacityError, ForbiddenError

# Found out by the bridge and kept current by it.
CUSTOMER_VIDEO_CAPABLE = "customer_video_capable"
CUSTOMER_VIDEO_REASON = "customer_video_reason"
OWN_ATTRIBUTES = frozenset({CUSTOMER_VIDEO_CAPABLE, CUSTOMER_VIDEO_REASON})


class AttributeLimitError(CapacityError):
    """A bound on interaction data; trying later does not help."""

    code: ClassVar[str] = "attribute_limit"


class AttributesTooLargeError(AttributeLimitError):
    """All attributes together would be over `attributes_max_bytes`. `size_bytes` is what they would take."""

    code: ClassVar[str] = "attributes_too_large"

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"the attributes would take {size_bytes} bytes, {max_bytes} are allowed")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class TooManyAttributesError(AttributeLimitError):
    """More names than `attributes_max`."""

    code: ClassVar[str] = "too_many_attributes"


class AttributeTooLongError(AttributeLimitError):
    """One name or one value is over its own limit. `name` says which, cut short."""

    code: ClassVar[str] = "attribute_too_long"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class OwnAttributeError(ForbiddenError):
    """The bridge finds this one out by itself."""

    code: ClassVar[str] = "attribute_read_only"


def merged_attributes(
    present: Mapping[str, str], changes: Mapping[str, str], policy: DeskPolicy
) -> dict[str, str]:
    """`present` with `changes` over it. Raises the errors above; what was there stays as it was."""
    if not changes and not present:
        return {}
    name_max, value_max = policy.attribute_name_max, policy.attribute_value_max
    for name, value in changes.items():
        if name in OWN_ATTRIBUTES or not 0 < len(name) <= name_max or len(value) > value_max:
            _check_attribute(present, name, value, policy)
    merged = {**present, **changes}
    if len(merged) > policy.attributes_max and len(merged.keys() - OWN_ATTRIBUTES) > policy.attributes_max:
        raise TooManyAttributesError(f"{len(merged)} attributes, {policy.attributes_max} are allowed")
    size_bytes = len("".join((*merged.keys(), *merged.values())).encode())
    if size_bytes > policy.attributes_max_bytes:
        raise AttributesTooLargeError(size_bytes, policy.attributes_max_bytes)
    return merged


def _check_attribute(present: Mapping[str, str], name: str, value: str, policy: DeskPolicy) -> None:
    if name in OWN_ATTRIBUTES and present.get(name) != value:
        raise OwnAttributeError(f"{name} is found out by the bridge and cannot be set")
    if not 0 < len(name) <= policy.attribute_name_max:
        shown = name[:64]
        raise AttributeTooLongError(
            shown,
            f"an attribute's name has 1 to {policy.attribute_name_max} characters: {shown!r} has {len(name)}",
        )
    if len(value) > policy.attribute_value_max:
        raise AttributeTooLongError(
            name, f"{name} has {len(value)} characters, {policy.attribute_value_max} are allowed"
        )
