"""What a fuzz target is: bytes go in, and only the exceptions it names may come out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Target:
    """`allowed` are the exceptions that are the parser's answer to bad input; any other is a finding.

    `seeds`, to begin with, are inputs or a folder of tests/data.
    """

    name: str
    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()
    seeds: str | tuple[bytes, ...] = ()

    def feed(self, data: bytes) -> bool:
        """Whether the input was understood. Raises what is not allowed."""
        try:
            self.run(data)
        except self.allowed:
            return False
        return True

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name

    def first_inputs(self) -> tuple[bytes, ...]:
        if isinstance(self.seeds, tuple):
            return self.seeds
        return tuple(path.read_bytes() for path in sorted((DATA / self.seeds).iterdir()))

    def inputs(self) -> Iterator[bytes]:
        """What reached new code so far, kept small by merging."""
        for path in sorted(self.corpus.iterdir()) if self.corpus.is_dir() else ():
            yield path.read_bytes()
