"""What a participant can do now, found out from the legs: hear, speak, see, show, share a screen."""

import msgspec


class Ability(msgspec.Struct, frozen=True, gc=False):
    """One medium. Directions are the participant's: `send` is endpoint to bridge."""

    send: bool = False
    receive: bool = False

    def __or__(self, other: "Ability") -> "Ability":
        send, receive = self.send or other.send, self.receive or other.receive
        return self if (self.send, self.receive) == (send, receive) else Ability(send, receive)

    def __str__(self) -> str:
        words = [word for word, can in (("send", self.send), ("receive", self.receive)) if can]
        return "+".join(words) or "none"


class Capabilities(msgspec.Struct, frozen=True, gc=False):
    """Of one leg, or of all legs of a participant together.

    `no_video` says why there is no picture of it, `not_shown` why it is shown none of those there are; or "".
    """

    audio: Ability = Ability()
    video: Ability = Ability()
    screen: Ability = Ability()
    no_video: str = ""
    not_shown: str = ""

    def __or__(self, other: "Capabilities") -> "Capabilities":
        video = self.video | other.video
        return Capabilities(
            self.audio | other.audio,
            video,
            self.screen | other.screen,
            "" if video.send else _together(self.no_video, other.no_video),
            "" if video.receive else _together(self.not_shown, other.not_shown),
        )

    def __str__(self) -> str:
        told = f"audio {self.audio}, video {self.video}, screen {self.screen}"
        reasons = _together(self.no_video, self.not_shown)
        return f"{told} ({reasons})" if reasons else told


def _together(*reasons: str) -> str:
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))
