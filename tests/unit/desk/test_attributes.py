"""Bounds of interaction data: each has an error of its own type."""

import pytest

from bridge.desk.centre.policy import DeskPolicy
from bridge.desk.interaction.attributes import (
    AttributesTooLargeError,
    AttributeTooLongError,
    OwnAttributeError,
    TooManyAttributesError,
    merged_attributes,
)
from bridge.errors import BridgeError

POLICY = DeskPolicy(attributes_max_bytes=60, attributes_max=3, attribute_name_max=10, attribute_value_max=20)


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"a": "x" * 21}, AttributeTooLongError, "attribute_too_long"),
        ({"x" * 11: ""}, AttributeTooLongError, "attribute_too_long"),
        ({"": "x"}, AttributeTooLongError, "attribute_too_long"),
        ({"a": "", "b": "", "c": "", "d": ""}, TooManyAttributesError, "too_many_attributes"),
        ({"a": "x" * 20, "b": "x" * 20, "c": "x" * 20}, AttributesTooLargeError, "attributes_too_large"),
        ({"a": "ü" * 20, "b": "ü" * 20}, AttributesTooLargeError, "attributes_too_large"),
        ({"customer_video_capable": "true"}, OwnAttributeError, "attribute_read_only"),
    ],
)
def test_each_bound_has_its_error(changes: dict[str, str], error: type[BridgeError], code: str) -> None:
    with pytest.raises(error) as raised:
        merged_attributes({}, changes, POLICY)
    assert raised.value.code == code


def test_at_the_bound_it_is_taken() -> None:
    changes = {"a" * 10: "x" * 20, "b": "x" * 20, "c": "x" * 8}
    assert merged_attributes({}, changes, POLICY) == changes


def test_changes_lie_over_what_is_there() -> None:
    assert merged_attributes({"a": "1", "b": "2"}, {"b": "3"}, POLICY) == {"a": "1", "b": "3"}


def test_a_reader_may_write_back_what_the_bridge_found_out() -> None:
    present = {"customer_video_capable": "true"}
    assert merged_attributes(present, present, DeskPolicy()) == present


def test_what_the_bridge_found_out_counts_for_no_limit_on_names() -> None:
    present = {"customer_video_capable": "t", "customer_video_reason": ""}
    assert len(merged_attributes(present, {"a": "", "b": "", "c": ""}, DeskPolicy(attributes_max=3))) == 5
