"""Where a page of a list ended, as text for whoever asks for the next one."""

import base64
import binascii

from bridge.errors import NotAllowedError

FOREIGN = "the cursor is none of ours: begin without one"


def make_cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def parse_cursor(cursor: str) -> str:
    """The place. Raises NotAllowedError: a cursor is only ever one that was handed out."""
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotAllowedError(FOREIGN) from None
