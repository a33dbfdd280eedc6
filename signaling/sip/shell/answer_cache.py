"""What name servers said, for as long as they said it holds; no I/O."""

from collections import OrderedDict

from signaling.sip.agent.request.location import Answer, Question

MAX_ANSWERS = 2048  # the one that was asked for longest ago goes first
MAX_S = 3600.0  # whoever moves his servers is followed within an hour, whatever he said
EMPTY_S = (
    30.0  # that there is nothing: a record that was just made must not stay unseen (RFC 2308 allows hours)
)


class AnswerCache:
    """Bounded in number and time."""

    __slots__ = ("_answers", "_most", "forgotten")

    def __init__(self, most: int = MAX_ANSWERS) -> None:
        self._most = most
        self._answers: OrderedDict[Question, tuple[Answer, float]] = OrderedDict()
        self.forgotten = 0  # while they still held

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, question: Question, now: float) -> Answer | None:
        answer, until = self._answers.get(question, (None, 0.0))
        if answer is None:
            return None
        if until <= now:
            del self._answers[question]
            return None
        self._answers.move_to_end(question)
        return answer

    def put(self, question: Question, answer: Answer, ttl_s: float, now: float) -> None:
        """`ttl_s` counts for records only."""
        self._answers[question] = (answer, now + (EMPTY_S if answer.is_empty else min(ttl_s, MAX_S)))
        self._answers.move_to_end(question)
        if len(self._answers) > self._most:
            _, (_, until) = self._answers.popitem(last=False)
            self.forgotten += until > now
