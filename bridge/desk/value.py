"""A value with some fields changed: what `dataclasses.replace` does, at a sixth of its price."""

from typing import Any, TypeVar

ValueT = TypeVar("ValueT")


def replace(value: ValueT, /, **changes: Any) -> ValueT:
    """For frozen dataclasses without slots and without `__post_init__`, as all of the desk's are.

    An interaction is replaced several times in each step: this was a third of the desk's time. Raises
    TypeError for a field that there is not.
    """
    fields = value.__dict__
    if not changes.keys() <= fields.keys():
        raise TypeError(f"{type(value).__name__} has no {', '.join(sorted(changes.keys() - fields.keys()))}")
    changed = object.__new__(type(value))
    changed.__dict__.update(fields, **changes)
    return changed
