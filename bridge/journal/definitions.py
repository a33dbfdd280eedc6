"""Flows as they were when something began with them: each version once, by its digest, however many calls it led."""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from bridge.errors import ParseError

if TYPE_CHECKING:
    from bridge.desk.centre.flow import Flow
    from bridge.ids import FlowId


class Definitions:
    """`stored` are those on disk: their bodies, by digest."""

    __slots__ = ("_bodies", "_latest", "_new")

    def __init__(self, stored: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._bodies = dict(stored)
        self._latest: dict[FlowId, tuple[Flow, str]] = {}
        self._new: list[str] = []

    def digest(self, flow: "Flow") -> str:
        """What to refer to it by. A new one is to be stored with whatever refers to it: see `take_new`."""
        known = self._latest.get(flow.flow_id)
        if known is not None and known[0] is flow:  # the same value for every call until the file changes
            return known[1]
        body = msgspec.json.encode(flow)
        digest = hashlib.sha256(body).hexdigest()
        self._latest[flow.flow_id] = flow, digest
        if digest not in self._bodies:
            self._bodies[digest] = body
            self._new.append(digest)
        return digest

    def take_new(self) -> Iterable[tuple[str, bytes]]:
        """Those that are on no disk yet."""
        taken, self._new = self._new, []
        return [(digest, self._bodies[digest]) for digest in taken]

    def body(self, digest: str) -> bytes:
        """The flow as JSON. Raises ParseError."""
        try:
            return self._bodies[digest]
        except KeyError:
            raise ParseError(f"the journal has no flow definition {digest}") from None
