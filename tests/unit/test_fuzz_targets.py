"""The corpus of every fuzz target is fed again: what was found once stays mended."""

import random

import pytest

from tests.fuzz.target import CORPUS, Target
from tests.fuzz.targets import TARGETS

MUTATIONS = 40  # of each target, with a fixed seed: a regression near the corpus shows up here too


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_in_the_corpus_raises_only_what_is_allowed(target: Target) -> None:
    inputs = list(target.inputs())
    assert inputs, f"make fuzz fills {target.corpus}"
    for data in inputs:
        target.feed(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_near_the_corpus_raises_only_what_is_allowed(target: Target) -> None:
    chance = random.Random(target.name)
    inputs = list(target.inputs())
    for _ in range(MUTATIONS):
        data = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 4))
        target.feed(bytes(data))


def test_every_folder_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {target.name for target in TARGETS}


def test_an_exception_that_is_not_allowed_goes_through() -> None:
    def broken(data: bytes) -> None:
        raise ZeroDivisionError if data else ValueError

    target = Target("broken", broken, (ValueError,))
    assert target.feed(b"") is False
    with pytest.raises(ZeroDivisionError):
        target.feed(b"x")
