"""Whether the bridge wants video in a phone call, and what became of asking for it."""


class VideoWish:
    """A phone is asked once: one that declines, or ends video, is left in peace until it begins by itself.

    Video that the phone began is the phone's to end; the bridge ends what it began.
    """

    __slots__ = ("declined", "ours", "refusal", "wanted")

    def __init__(self, *, ours: bool = False, declined: bool = False) -> None:
        self.wanted = False
        self.ours = ours  # it was the bridge that began
        self.refusal = ""  # why the phone would not hear of an offer with video at all
        self.declined = declined  # it is left in peace

    def change(self, *, has_video: bool) -> bool | None:
        """What our next offer has to do: True adds video, False ends it, None leaves it as it is."""
        if self.wanted and not has_video and not self.declined:
            return True
        return False if self.ours and has_video and not self.wanted else None

    def note_offered(self, *, had: bool, has: bool) -> None:
        """The phone described the call anew by itself."""
        if has:
            self.declined = False
        elif had:
            self.declined, self.ours = True, False

    def note_answered(self, *, asked: bool | None, has: bool) -> None:
        """The phone answered our offer, which was to change so much."""
        if asked:
            self.ours, self.declined = has, not has
        elif not has:
            self.ours = False

    def decline(self, reason: str) -> None:
        """The phone would not hear of the offer that added video."""
        self.declined, self.refusal = True, reason
