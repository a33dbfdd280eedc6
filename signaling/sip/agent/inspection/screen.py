"""Requests nobody here wants: of programs that look for open doors, and to destinations that are none."""

import re
from collections.abc import Sequence
from fnmatch import translate

from signaling.sip.agent.inspection.inspection import display_user
from signaling.sip.wire.message import Essentials, Request

MAX_USER_CHARACTERS = 128


class Screen:
    """`scanners` are parts of a User-Agent, `destinations` patterns of the called user ("+49*"); none allow all."""

    __slots__ = ("_destinations", "_scanners", "screened")

    def __init__(self, scanners: Sequence[str] = (), destinations: Sequence[str] = ()) -> None:
        self._scanners = tuple(scanner.lower() for scanner in scanners)
        allowed = "|".join(translate(pattern) for pattern in destinations)
        self._destinations = re.compile(allowed) if allowed else None
        self.screened = 0

    def objects_to(self, request: Request, essentials: Essentials) -> bool:
        """Counts those it objects to. What belongs to a dialog has passed already."""
        objects = self._is_scanner(request) or (
            request.method == "INVITE" and not essentials.to_tag and not self._is_destination(request.uri)
        )
        self.screened += objects
        return objects

    def _is_scanner(self, request: Request) -> bool:
        agent = request.first("User-Agent").lower()
        return bool(agent) and any(scanner in agent for scanner in self._scanners)

    def _is_destination(self, uri: str) -> bool:
        user = display_user(uri)
        if len(user) > MAX_USER_CHARACTERS:
            return False
        return self._destinations is None or self._destinations.match(user) is not None
