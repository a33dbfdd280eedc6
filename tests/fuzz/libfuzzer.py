"""One target under libFuzzer: `python -m tests.fuzz.libfuzzer TARGET [libFuzzer's own arguments]`."""

import sys

import atheris

with atheris.instrument_imports(include=["bridge", "signaling"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    target = next(target for target in TARGETS if target.name == sys.argv[1])
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: target.feed(bytes(data)) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
