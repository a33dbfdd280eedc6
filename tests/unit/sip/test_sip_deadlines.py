"""Many timers in one heap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sip.transaction.deadlines import Deadlines, earliest


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 50))), max_size=300))
@settings(max_examples=60)
def test_the_last_word_counts(changes: list[tuple[int, int | None]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    expected: dict[int, float] = {}
    for key, at in changes:
        deadlines.set(key, at)
        if at is None:
            expected.pop(key, None)
        else:
            expected[key] = at
        assert deadlines.next() == min(expected.values(), default=None)
    assert len(deadlines) == len(expected)
    due = list(deadlines.take_due(25))
    assert sorted(due) == sorted(key for key, at in expected.items() if at <= 25)
    assert [expected[key] for key in due] == sorted(expected[key] for key in due)
    assert deadlines.next() == min((at for at in expected.values() if at > 25), default=None)


@given(st.lists(st.one_of(st.none(), st.floats(0, 9)), max_size=5))
@settings(max_examples=60)
def test_the_earliest_is_the_least_of_those_there_are(times: list[float | None]) -> None:
    assert earliest(*times) == min((at for at in times if at is not None), default=None)
